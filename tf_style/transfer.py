"""`stylize`: the whole of neural style transfer in one function."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import numpy as np

from tf_style import engine
from tf_style.automatic_regions import LAYERS as REGION_LAYERS
from tf_style.automatic_regions import automatic_regions
from tf_style.config import StyleConfig
from tf_style.control_inputs import ControlPictures
from tf_style.control_options import ControlConfig
from tf_style.inputs import Inputs, prepare_inputs
from tf_style.network import load_extractor
from tf_style.options import LossConfig
from tf_style.problem_cache import load_problem
from tf_style.progress import OnProgress, Progress, StyleResult, View
from tf_style.solution import Status

_FINE = "block1_conv1", "block2_conv1"
_SAVING, _SAVING_A_PIXEL = 1.2, 1e-6  # Seconds from the last step to the end of the process.


def stylize(
    content: Any,
    style: Any,
    *,
    config: StyleConfig | None = None,
    content_masks: Sequence[Any] = (),
    style_masks: Sequence[Any] = (),
    content_map: Any = None,
    fine_style: Any = None,
    on_progress: OnProgress | None = None,
    notify: Callable[[str], None] | None = None,
) -> StyleResult:
    """Returns the content picture painted in the style of the other, or of several.

    Args:
        content: path, PIL picture, or array or tensor `[H, W, 1 | 3 | 4]` (a leading batch of
            1 is allowed): uint8 0..255, uint16 0..65535 or float 0..1, RGB.
        style: likewise; or a list or tuple of such, whose statistics are averaged with the
            weights `style_blend`, or which are for one region each.
        config: every other choice; the default preset if left out.
        content_masks: pictures, white where a region of the content is, soft where they are
            grey; or one in which each region has a color. What none covers stays as it is.
        style_masks: likewise of the styles: see `masks.read_regions`.
        content_map: picture, white where the content counts more, by `content_map_gain`.
        fine_style: picture whose fine texture the styles take on first; they then give the coarse
            structure.
        on_progress: called with a `Progress` between slices of steps, a few seconds apart; a
            true result ends the run with what there is. With a `fine_style` first for the styles,
            whose `phase` is 'texture'.
        notify: called with a line of text before weights are fetched, about masks that are
            stretched, and about regions that are found.

    Returns:
        The result. The networks of the last two configs stay in memory for the next call.

    Raises:
        OSError: if a file cannot be read or the weights not fetched.
        ValueError: if a picture, the config or the weights cannot be used; says why.
        TypeError: if an array is neither uint8, uint16 nor float, `config` no StyleConfig, or
            `on_progress` cannot be called.
        FloatingPointError: if a loss term is not finite; names it.
        MemoryError: if the size needs more memory than there is.

    Example:
        >>> result = tf_style.stylize("photo.jpg", "painting.jpg")
        >>> result.save("painted.png")

    References:
        Gatys et al. (2016).
    """
    started = time.perf_counter()
    config = StyleConfig() if config is None else config
    if not isinstance(config, StyleConfig):
        raise TypeError(
            f"`config` must be a StyleConfig. Received: {type(config).__name__}. Use "
            "`tf_style.StyleConfig().replace(size=256)`."
        )
    if on_progress is not None and not callable(on_progress):
        raise TypeError(f"`on_progress` must be callable. Received: {on_progress!r}.")
    controls = ControlPictures(content_masks, style_masks, content_map, fine_style)
    inputs = prepare_inputs(content, style, config, controls)
    if notify is not None:
        for note in inputs.notes:
            notify(note)
    return stylize_inputs(inputs, config, on_progress=on_progress, notify=notify, started=started)


def stylize_inputs(
    inputs: Inputs,
    config: StyleConfig,
    *,
    on_progress: OnProgress | None = None,
    notify: Callable[[str], None] | None = None,
    pause_every: int | None = None,
    started: float | None = None,
) -> StyleResult:
    """Returns the result for pictures that `prepare_inputs` has read; see `stylize`.

    `pause_every` ends slices at its multiples, `started` is when the time budget began, on the
    clock of `time.perf_counter`: now, if left out.
    """
    deadline = None
    if config.compute.time_budget:
        started = time.perf_counter() if started is None else started
        deadline = _deadline(started + config.compute.time_budget, inputs.content.shape[1:3])
    inputs = with_regions(inputs, config, notify=notify)
    textured = with_fine_texture(inputs, config, on_progress=on_progress, notify=notify)
    inputs = textured.inputs
    problem, weights_sha256 = load_problem(config, notify=notify)
    began = time.perf_counter()

    def progress(stand: engine.Stand) -> dict[str, Any]:
        return {
            "step": stand.step,
            "num_steps": stand.num_steps,
            "num_evaluations": stand.num_evaluations,
            "seconds": time.perf_counter() - began,
            "loss": stand.loss,
            "stage_size": tuple(stand.image.shape[1:3]),
            "config": config,
            "weights_sha256": weights_sha256,
            "view": View(stand.image, stand.targets, problem.objective, inputs),
        }

    def on_slice(stand: engine.Stand) -> bool | None:
        asked = on_progress(Progress(**progress(stand))) if on_progress else None
        return asked or textured.cancelled

    with engine.enough_memory(inputs.content.shape[1:3]):
        stand = engine.run(
            problem,
            inputs,
            config,
            deadline=deadline,
            pause_every=pause_every,
            on_slice=on_slice,
        )
        return StyleResult(**progress(stand), status=cast("Status", stand.status))


def _deadline(due: float, size: tuple[int, int]) -> float:
    """Returns when to end, on the clock of `time.perf_counter`, for the file to be there."""
    return due - _SAVING - _SAVING_A_PIXEL * size[0] * size[1]


def with_regions(
    inputs: Inputs, config: StyleConfig, *, notify: Callable[[str], None] | None = None
) -> Inputs:
    """Returns the inputs with the regions that content and styles have in common.

    Args:
        inputs: without regions, or with those of masks: then they stay as they are.
        config: `regions`, `num_regions`, `photorealistic` and `seed`.
        notify: called with a line of text.
    """
    control = config.control
    wanted = control.regions == "auto" or (control.photorealistic and not control.regions)
    if inputs.regions is not None or not wanted:
        return inputs
    # Zeros beyond the border would make it a region of its own.
    network = dataclasses.replace(config.network, padding="reflect_all")
    extractor = load_extractor(network, layers=REGION_LAYERS, notify=notify)
    regions = automatic_regions(
        extractor,
        inputs.content,
        inputs.styles,
        num_regions=control.num_regions,
        seed=config.seed,
        blend=list(inputs.blend),
    )
    shares = regions.content.mean((0, 1, 2))
    if notify is not None:
        listed = ", ".join(f"{100.0 * share:.0f}" for share in shares)
        notify(f"Regions found: {len(shares)}, of {listed} % of the content")
    return inputs if len(shares) == 1 else inputs._replace(regions=regions)


class Textured(NamedTuple):
    """What `with_fine_texture` gives.

    Attributes:
        inputs: with the fine style's texture on their styles.
        cancelled: whether `on_progress` asked to end.
    """

    inputs: Inputs
    cancelled: bool


def with_fine_texture(
    inputs: Inputs,
    config: StyleConfig,
    *,
    on_progress: OnProgress | None = None,
    notify: Callable[[str], None] | None = None,
) -> Textured:
    """Returns the inputs with the fine style's texture on their styles.

    Each style is the start of a minimisation at its own size, in which only the style loss of
    conv1_1 and conv2_1 counts. What these layers do not see, the coarse structure, stays.

    Args:
        inputs: with a `fine_style`, or without: then they stay as they are.
        config: the optimiser and its steps; of a time budget all styles together get a quarter.
        on_progress: called with the `Progress` of each style; a true result leaves the rest.
        notify: called with a line of text.

    References:
        Gatys et al. (2017), Controlling perceptual factors in neural style transfer, section 6.
    """
    if inputs.fine_style is None:
        return Textured(inputs, False)
    texture = _texture_config(config, len(inputs.styles))
    cancelled = False

    def on_slice(progress: Progress) -> bool:
        nonlocal cancelled
        phase = dataclasses.replace(progress, phase="texture")
        cancelled = bool(on_progress and on_progress(phase))
        return cancelled

    styles = list(inputs.styles)
    for index, style in enumerate(styles):
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
        result = stylize_inputs(alone, texture, on_progress=on_slice, notify=notify)
        styles[index] = np.clip(result.image, 0.0, 1.0)
    return Textured(inputs._replace(styles=tuple(styles), fine_style=None), cancelled)


def _texture_config(config: StyleConfig, num_styles: int) -> StyleConfig:
    """Returns what a style is given its fine texture by: the style loss of two layers alone."""
    names = [f"{layer}:{config.loss.style_losses.get(layer, 'gram')}" for layer in _FINE]
    return config.replace(
        style_layers=",".join(_FINE),
        style_loss=",".join(names),
        style_weight=LossConfig.style_weight,
        style_strength=1.0,
        # A layer that is there anyway, so that the network ends with the style's.
        content_layers=_FINE[0],
        content_reduction="mean",
        content_weight=0.0,
        edge_weight=0.0,
        tv_weight=0.0,
        scales="none",
        time_budget=config.compute.time_budget / (4.0 * num_styles),
        regions="none",
        num_regions=ControlConfig.num_regions,
        photorealistic=False,
        fidelity=ControlConfig.fidelity,
    )
