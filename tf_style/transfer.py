"""`stylize`: the whole of neural style transfer in one function."""

import dataclasses
import functools
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tf_style import images, saving
from tf_style.adam import minimize_adam
from tf_style.config import LossConfig, OptimizerConfig, StyleConfig
from tf_style.extractor import build_extractor
from tf_style.inputs import Inputs, prepare_inputs
from tf_style.lbfgs import minimize_lbfgs
from tf_style.objective import LossTerms, Objective, Targets
from tf_style.solution import NotFiniteError, Solution, Status, Step
from tf_style.weight_files import LayerArrays
from tf_style.weights import load_weights, mean_activations, normalize


@dataclasses.dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a run stands, given to `on_progress` between slices of steps.

    Attributes:
        step: steps done.
        num_steps: steps asked for.
        num_evaluations: evaluations of the loss and its gradient done.
        seconds: since the optimisation began.
        terms: weighted loss terms: "total", "content", "style", "variation", and unweighted
            "content/LAYER" and "style/LAYER".
        image: float32 `[1, H, W, 3]`, RGB, nominally 0..1, not clipped.
        alpha: float32 `[1, H, W, 1]`, 0..1, or None.
        config: what was asked for.
        weights_sha256: hash of the network's weights.
    """

    step: int
    num_steps: int
    num_evaluations: int
    seconds: float
    terms: Mapping[str, float]
    image: np.ndarray
    alpha: np.ndarray | None
    config: StyleConfig
    weights_sha256: str

    @property
    def pixels(self) -> np.ndarray:
        """The picture as it would be saved: uint8 `[H, W, 3]`, or `[H, W, 4]` with alpha."""
        return images.to_pixels(self.image, self.alpha)

    def save(self, path: str | os.PathLike) -> None:
        """Writes the picture as PNG, JPEG, WebP or TIFF, with sRGB profile and metadata.

        A file that is there already is replaced. JPEG shows alpha on white.

        Raises:
            ValueError: if the suffix is none of these.
            OSError: if it cannot be written; nothing half-written is left.
        """
        saving.save_picture(path, self.pixels, saving.describe(self.config, self.weights_sha256))


@dataclasses.dataclass(frozen=True, kw_only=True)
class StyleResult(Progress):
    """The result of `stylize`.

    Attributes:
        status: why the optimisation ended.
    """

    status: Status


OnProgress = Callable[[Progress], bool | None]
"""Called between slices of steps; a true result ends the run with what there is."""


def stylize(
    content: Any,
    style: Any,
    *,
    config: StyleConfig | None = None,
    on_progress: OnProgress | None = None,
    notify: Callable[[str], None] | None = None,
) -> StyleResult:
    """Returns the content picture painted in the style of the other.

    Args:
        content: path, PIL picture, or array or tensor `[H, W, 1 | 3 | 4]` (a leading batch of
            1 is allowed): uint8 0..255, uint16 0..65535 or float 0..1, RGB.
        style: likewise.
        config: every other choice; the default preset if left out.
        on_progress: called with a `Progress` between slices of steps, a few seconds apart; a
            true result ends the run with what there is.
        notify: called with a line of text before weights are fetched.

    Raises:
        OSError: if a file cannot be read or the weights not fetched.
        ValueError: if a picture, the config or the weights cannot be used; says why.
        TypeError: if an array is neither uint8, uint16 nor float.
        FloatingPointError: if a loss term is not finite; names it.
        MemoryError: if the size needs more memory than there is.

    Example:
        >>> result = tf_style.stylize("photo.jpg", "painting.jpg")
        >>> result.save("painted.png")

    References:
        Gatys et al. (2016).
    """
    config = StyleConfig() if config is None else config
    if not isinstance(config, StyleConfig):
        raise TypeError(
            f"`config` must be a StyleConfig. Received: {type(config).__name__}. Use "
            "`tf_style.StyleConfig().replace(size=256)`."
        )
    if on_progress is not None and not callable(on_progress):
        raise TypeError(f"`on_progress` must be callable. Received: {on_progress!r}.")
    inputs = prepare_inputs(content, style, config)
    return stylize_inputs(inputs, config, on_progress=on_progress, notify=notify)


def stylize_inputs(
    inputs: Inputs,
    config: StyleConfig,
    *,
    on_progress: OnProgress | None = None,
    notify: Callable[[str], None] | None = None,
    pause_every: int | None = None,
) -> StyleResult:
    """Returns the result for pictures that `prepare_inputs` has read; see `stylize`."""
    weights = load_weights(config.network.weights, notify=notify)
    objective = _objective(
        _Recipe(
            weights.sha256,
            config.network.pooling,
            config.network.padding,
            config.network.normalized,
            config.loss,
            weights.layers,
        )
    )
    began = time.perf_counter()

    def progress(step: Step | Solution) -> dict[str, Any]:
        return {
            "step": step.num_steps,
            "num_steps": config.optimizer.steps,
            "num_evaluations": step.num_evaluations,
            "seconds": time.perf_counter() - began,
            "terms": _flat(objective.terms(step.position, targets)),
            "image": step.position.numpy(),
            "alpha": inputs.alpha,
            "config": config,
            "weights_sha256": weights.sha256,
        }

    def on_slice(step: Step) -> bool | None:
        return on_progress(Progress(**progress(step))) if on_progress else None

    try:
        targets = objective.targets(tf.constant(inputs.content), tf.constant(inputs.style))
        solution = MINIMIZERS[config.optimizer.optimizer](config.optimizer)(
            objective.value_and_gradient,
            tf.constant(inputs.start),
            arguments=(targets,),
            num_steps=config.optimizer.steps,
            pause_every=pause_every,
            on_slice=on_slice,
        )
        return StyleResult(**progress(solution), status=solution.status)
    except NotFiniteError as error:
        raise FloatingPointError(_not_finite(error, objective, targets)) from error
    except tf.errors.ResourceExhaustedError as error:
        height, width = inputs.content.shape[1:3]
        raise MemoryError(
            f"There is not enough memory for {width}x{height} px. Use a smaller `size`, a shorter "
            "`history`, or the optimizer 'adam'."
        ) from error


MINIMIZERS: dict[str, Callable[[OptimizerConfig], Callable[..., Solution]]] = {
    "lbfgs": lambda config: functools.partial(minimize_lbfgs, history=config.history),
    "adam": lambda config: functools.partial(minimize_adam, learning_rate=config.learning_rate),
}
"""The minimiser that each of `config.OPTIMIZER_NAMES` stands for."""


@dataclasses.dataclass(frozen=True)
class _Recipe:
    """What decides an objective; equal recipes share one, and its traced graphs."""

    weights_sha256: str
    pooling: str
    padding: str
    normalized: bool
    loss: LossConfig
    layer_arrays: LayerArrays = dataclasses.field(compare=False)


@functools.lru_cache(maxsize=2)
def _objective(recipe: _Recipe) -> Objective:
    layer_arrays = recipe.layer_arrays
    if recipe.normalized:
        layer_arrays = normalize(layer_arrays, mean_activations())
    extractor = build_extractor(
        layer_arrays,
        layers=recipe.loss.layers,
        pooling=recipe.pooling,
        padding=recipe.padding,
    )
    return Objective(extractor, recipe.loss)


def _flat(terms: LossTerms) -> dict[str, float]:
    values = {**terms._asdict(), **terms.layers}
    del values["layers"]
    return {name: float(value) for name, value in values.items()}


def _not_finite(error: NotFiniteError, objective: Objective, targets: Targets) -> str:
    terms = _flat(objective.terms(error.position, targets))
    names = [name for name in terms if "/" in name] + ["content", "style", "variation", "total"]
    bad = [name for name in names if not np.isfinite(terms[name])]
    term = bad[0] if bad else "gradient"
    return (
        f"The loss term '{term}' is not finite after {error.num_steps} steps. "
        "Use smaller weights, or the normalized network."
    )
