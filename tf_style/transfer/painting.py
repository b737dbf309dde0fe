"""From prepared inputs to the result: regions, fine texture, then the optimization."""

import time
from collections.abc import Callable

from tf_style.config.style_config import StyleConfig
from tf_style.inputs.inputs import Inputs
from tf_style.network.reading_ahead import WeightsAhead
from tf_style.optimizers.cancellation import Cancellation
from tf_style.optimizers.solution import State
from tf_style.transfer.fast_start import with_fast_start
from tf_style.transfer.fine_texture import with_fine_texture
from tf_style.transfer.found_regions import with_regions
from tf_style.transfer.optimization import optimize
from tf_style.transfer.progress import OnProgress, Progress, StyleResult


def paint(
    inputs: Inputs,
    config: StyleConfig,
    *,
    on_progress: OnProgress | None = None,
    cancellation: Cancellation | None = None,
    notify: Callable[[str], None] | None = None,
    pause_every: int | None = None,
    started: float | None = None,
    resume_from: State | None = None,
    ahead: WeightsAhead | None = None,
) -> StyleResult:
    """Returns the result for inputs from `prepare_inputs`; see `stylize`.

    Args:
        inputs: the pictures of the run.
        config: everything but the pictures.
        on_progress: as for `stylize`, but called between all slices.
        cancellation: as for `stylize`.
        notify: as for `stylize`.
        pause_every: slices also end at every multiple of this many steps.
        started: when the time budget began, on the clock of `time.perf_counter`; now if omitted.
        resume_from: what `Progress.state` gave in a run of the same inputs and config. Regions are
            searched again.
        ahead: the weights of this config, from `read_ahead`; read here if omitted.
    """
    started = time.perf_counter() if started is None else started
    inputs = with_regions(inputs, config, notify=notify)
    textured = with_fine_texture(
        inputs,
        config,
        pause_every=pause_every,
        on_progress=on_progress,
        cancellation=cancellation,
        notify=notify,
        resume_from=resume_from,
    )
    if any(name not in (resume_from or ()) for name in textured.textures):
        resume_from = None  # It was the state of a texture.
    if textured.is_cancelled:
        on_progress = _last_call(on_progress)
    return optimize(
        with_fast_start(textured.inputs, config, notify=notify),
        config,
        started=started,
        pause_every=pause_every,
        on_progress=on_progress,
        cancellation=cancellation,
        notify=notify,
        resume_from=resume_from,
        also_saved=textured.textures,
        ahead=ahead,
    )


def _last_call(on_progress: OnProgress | None) -> OnProgress:
    """Returns a callback that ends the run at its first call."""

    def on_slice(progress: Progress) -> bool:
        if on_progress is not None:
            on_progress(progress)
        return True

    return on_slice
