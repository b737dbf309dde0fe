"""`stylize`: the whole of neural style transfer in one function."""

import dataclasses
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, cast

import numpy as np

from tf_style.config.style_config import StyleConfig
from tf_style.engine import plan as stage_plan
from tf_style.engine import solver, stages
from tf_style.engine.assembly import load_problem
from tf_style.engine.memory_plan import described, excess
from tf_style.inputs.inputs import Inputs
from tf_style.optimizers.solution import State, Status, taken_up
from tf_style.transfer.fine_texture import texture_config
from tf_style.transfer.found_regions import with_regions
from tf_style.transfer.progress import OnProgress, Progress, StyleResult, View

_SAVING, _SAVING_A_PIXEL = 1.2, 1e-6  # Seconds from the last step to the end of the process.


def stylize_inputs(
    inputs: Inputs,
    config: StyleConfig,
    *,
    on_progress: OnProgress | None = None,
    notify: Callable[[str], None] | None = None,
    pause_every: int | None = None,
    started: float | None = None,
    resume_from: State | None = None,
) -> StyleResult:
    """Returns the result for pictures that `prepare_inputs` has read; see `stylize`.

    `pause_every` ends slices at its multiples, `started` is when the time budget began, on the
    clock of `time.perf_counter`: now, if left out. `resume_from` is what `Progress.state` gave in
    a run of the same inputs and config; regions are found anew.
    """
    deadline = None
    if config.compute.time_budget:
        started = time.perf_counter() if started is None else started
        deadline = _deadline(started + config.compute.time_budget, inputs.content.shape[1:3])
    inputs = with_regions(inputs, config, notify=notify)
    textured = with_fine_texture(
        inputs, config, on_progress=on_progress, notify=notify, resume_from=resume_from
    )
    if any(name not in (resume_from or ()) for name in textured.done):
        resume_from = None  # It was of a texture.
    inputs = textured.inputs
    problem, weights_sha256 = load_problem(config, notify=notify)
    hashed = np.frombuffer(bytes.fromhex(weights_sha256), np.uint8)
    began = time.perf_counter()
    if resume_from is not None:
        kinds = {"seconds": ([], np.float64), "weights_sha256": ([32], np.uint8)}
        seconds, weights = taken_up(resume_from, kinds).values()
        began -= float(seconds)
        if not np.array_equal(weights, hashed):
            raise ValueError(
                "`weights` must be those that the run was begun with, to go on with it. Received: "
                f"weights={config.network.weights!r}, which has changed. Bring them back, or begin "
                "anew."
            )

    present: list[solver.Stand] = []  # No `Progress` that is kept is to keep its memory.

    def state() -> State:
        if not present:
            raise ValueError("`Progress.state` must be called while `on_progress` runs.")
        return {
            **present[0].state(),
            **textured.done,
            "seconds": time.perf_counter() - began,
            "weights_sha256": hashed,
        }

    def progress(stand: solver.Stand) -> dict[str, Any]:
        return {
            "step": stand.step,
            "num_steps": stand.num_steps,
            "num_evaluations": stand.num_evaluations,
            "seconds": time.perf_counter() - began,
            "loss": stand.loss,
            "stage_size": tuple(stand.image.shape[1:3]),
            "config": config,
            "weights_sha256": weights_sha256,
            "view": View(stand.image, stand.targets, stand.objective, inputs),
            "state": state,
        }

    def on_slice(stand: solver.Stand) -> bool | None:
        present.append(stand)
        asked = on_progress(Progress(**progress(stand))) if on_progress else None
        present.clear()
        return asked or textured.cancelled

    size = inputs.content.shape[1:3]
    if notify is not None:
        limit = stage_plan.limit_for(size, config, resume_from)
        planned = stage_plan.planned(size, config, limit)
        for _, (height, width), plan in planned:
            if plan.tiling is not None or plan.is_short:
                notify(f"{width}x{height} px: {described(plan)}")
        if told := excess([each.size_plan for each in planned], config, limit):
            notify(told)
    with stages.enough_memory(size):
        stand = stages.run(
            problem,
            inputs,
            config,
            deadline=deadline,
            pause_every=pause_every,
            on_slice=on_slice,
            resume_from=resume_from,
        )
        return StyleResult(**progress(stand), status=cast("Status", stand.status))


def _deadline(due: float, size: tuple[int, int]) -> float:
    """Returns when to end, on the clock of `time.perf_counter`, for the file to be there."""
    return due - _SAVING - _SAVING_A_PIXEL * size[0] * size[1]


class Textured(NamedTuple):
    """What `with_fine_texture` gives.

    Attributes:
        inputs: with the fine style's texture on their styles.
        cancelled: whether `on_progress` asked to end.
        done: the styles with their texture, by name, as a state keeps them.
    """

    inputs: Inputs
    cancelled: bool = False
    done: Mapping[str, np.ndarray] = MappingProxyType({})


def with_fine_texture(
    inputs: Inputs,
    config: StyleConfig,
    *,
    on_progress: OnProgress | None = None,
    notify: Callable[[str], None] | None = None,
    resume_from: State | None = None,
) -> Textured:
    """Returns the inputs with the fine style's texture on their styles.

    Each style is the start of a minimization at its own size, in which only the style loss of
    conv1_1 and conv2_1 counts. What these layers do not see, the coarse structure, stays.

    Args:
        inputs: with a `fine_style`, or without: then they stay as they are.
        config: the optimizer and its steps; of a time budget all styles together get a quarter.
        on_progress: called with the `Progress` of each style; a true result leaves the rest.
        notify: called with a line of text.
        resume_from: as for `stylize_inputs`.

    References:
        Gatys et al. (2017), Controlling perceptual factors in neural style transfer, section 6.
    """
    if inputs.fine_style is None:
        return Textured(inputs)
    texture = texture_config(config, len(inputs.styles))
    cancelled = False
    done: dict[str, np.ndarray] = {}

    def on_slice(progress: Progress) -> bool:
        nonlocal cancelled
        before = dict(done)
        phase = dataclasses.replace(
            progress, phase="texture", state=lambda: {**progress.state(), **before}
        )
        cancelled = bool(on_progress and on_progress(phase))
        return cancelled

    styles = list(inputs.styles)
    for index, style in enumerate(styles):
        name = f"textured_{index}"
        if resume_from is not None and name in resume_from:
            kind = style.shape, style.dtype
            styles[index] = done[name] = taken_up(resume_from, {name: kind})[name].numpy()
            continue
        if cancelled:
            break
        if notify is not None:
            notify("Putting the fine style's texture onto a style picture")
        alone = Inputs(
            content=style,
            styles=(inputs.fine_style,),
            start=style,
            alpha=None,
            blend=np.ones(1, np.float32),
        )
        result = stylize_inputs(
            alone, texture, on_progress=on_slice, notify=notify, resume_from=resume_from
        )
        styles[index] = done[name] = np.clip(result.image, 0.0, 1.0)
        resume_from = None
    return Textured(inputs._replace(styles=tuple(styles), fine_style=None), cancelled, done)
