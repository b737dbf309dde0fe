"""`stylize`: the whole of neural style transfer in one function."""

import dataclasses
import functools
import time
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import tensorflow as tf

from tf_style import engine
from tf_style.config import StyleConfig
from tf_style.inputs import ControlPictures, Inputs, prepare_inputs
from tf_style.options import LossConfig, NetworkConfig
from tf_style.precision import arithmetic
from tf_style.problem import Problem, make_problem
from tf_style.progress import OnProgress, Progress, StyleResult, View
from tf_style.solution import Status
from tf_style.weight_files import LayerArrays
from tf_style.weights import load_weights

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
        content_masks: pictures, white where a region of the content is, soft where they are
            grey; or one in which each region has a color. What none covers stays as it is.
        style_masks: likewise of the styles: see `masks.read_regions`.
        content_map: picture, white where the content counts more, by `content_map_gain`.
        fine_style: picture whose fine texture the styles take on first; they then give the coarse
            structure.
        config: every other choice; the default preset if left out.
        on_progress: called with a `Progress` between slices of steps, a few seconds apart; a
            true result ends the run with what there is.
        notify: called with a line of text before weights are fetched, and about masks that are
            stretched.

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
    masks = ControlPictures(content_masks, style_masks, content_map, fine_style)
    inputs = prepare_inputs(content, style, config, masks)
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
    inputs = with_fine_texture(inputs, config, notify=notify)
    problem, weights_sha256 = load_problem(config, notify=notify)
    began = time.perf_counter()
    size = inputs.content.shape[1:3]

    touched = engine.touched(inputs)
    kept = None if touched is None else (inputs.content, touched)

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
            "view": View(
                stand.image,
                stand.targets,
                problem.objective,
                inputs.start,
                inputs.alpha,
                inputs.color,
                inputs.color_share,
                kept,
            ),
        }

    def on_slice(stand: engine.Stand) -> bool | None:
        return on_progress(Progress(**progress(stand))) if on_progress else None

    try:
        stand = engine.run(
            problem,
            inputs,
            config,
            deadline=deadline,
            pause_every=pause_every,
            on_slice=on_slice,
        )
        return StyleResult(**progress(stand), status=cast("Status", stand.status))
    except tf.errors.ResourceExhaustedError as error:
        height, width = size
        raise MemoryError(
            f"There is not enough memory for {width}x{height} px. Use a smaller `size`, a shorter "
            "`history`, or the optimizer 'adam'."
        ) from error


def _deadline(due: float, size: tuple[int, int]) -> float:
    """Returns when to end, on the clock of `time.perf_counter`, for the file to be there."""
    return due - _SAVING - _SAVING_A_PIXEL * size[0] * size[1]


def with_fine_texture(
    inputs: Inputs, config: StyleConfig, *, notify: Callable[[str], None] | None = None
) -> Inputs:
    """Returns the inputs with the fine style's texture on their styles.

    Each style is the start of a minimisation at its own size, in which only the style loss of
    conv1_1 and conv2_1 counts. What these layers do not see, the coarse structure, stays.

    Args:
        inputs: with a `fine_style`, or without: then they stay as they are.
        config: the optimiser and its steps.
        notify: called with a line of text.

    References:
        Gatys et al. (2017), Controlling perceptual factors in neural style transfer, section 6.
    """
    if inputs.fine_style is None:
        return inputs
    layers = {"style_layers": "block1_conv1,block2_conv1", "content_weight": 0.0}
    options = {"scales": "none", "time_budget": 0.0, "edge_weight": 0.0, "style_strength": 1.0}
    texture = config.replace(**layers, **options)
    styles = []
    for style in inputs.styles:
        if notify is not None:
            notify("Putting the fine style's texture onto a style picture")
        alone = Inputs(
            content=style,
            styles=(inputs.fine_style,),
            start=style,
            alpha=None,
            blend=np.ones(1, np.float32),
        )
        styles.append(np.clip(stylize_inputs(alone, texture, notify=notify).image, 0.0, 1.0))
    return inputs._replace(styles=tuple(styles), fine_style=None)


def load_problem(
    config: StyleConfig, *, notify: Callable[[str], None] | None = None
) -> tuple[Problem, str]:
    """Returns what a config minimises, and its weights' hash; those of two configs are kept.

    Args:
        config: everything but the pictures.
        notify: called with a line of text before weights are fetched.

    Raises:
        OSError: if the weights cannot be fetched.
        ValueError: if they cannot be used.
    """
    if config.compute.deterministic:
        tf.config.experimental.enable_op_determinism()
    weights = load_weights(config.network.weights, notify=notify)
    kind = arithmetic(
        config.compute.precision,
        deterministic=config.compute.deterministic,
        jit_compile=config.compute.jit_compile != "off",
    )
    recipe = _Recipe(
        weights.sha256,
        kind,
        config.compute.jit_compile == "objective",
        config.network,
        config.loss,
        config.optimizer.parametrization_in_use,
        config.optimizer.gamut,
        weights.layers,
        config,
    )
    return _problem(recipe), weights.sha256


@dataclasses.dataclass(frozen=True)
class _Recipe:
    """What decides a problem; equal recipes share one, and its traced graphs."""

    weights_sha256: str
    arithmetic: str
    jit_compile: bool
    network: NetworkConfig
    loss: LossConfig
    parametrization: str
    gamut: bool
    layer_arrays: LayerArrays = dataclasses.field(compare=False)
    config: StyleConfig = dataclasses.field(compare=False)


@functools.lru_cache(maxsize=2)
def _problem(recipe: _Recipe) -> Problem:
    return make_problem(
        recipe.layer_arrays, recipe.config, recipe.arithmetic, jit_compile=recipe.jit_compile
    )
