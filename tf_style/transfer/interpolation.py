"""Pictures between styles, or between strengths of one: a row, each begun where the last ended."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tf_style.config.style_config import StyleConfig
from tf_style.engine import plan, stages
from tf_style.engine.parametrization import COARSEST, FINER
from tf_style.engine.pictures import Pictures, at_scale, pictures_of, refined
from tf_style.engine.problem import Given, Problem
from tf_style.images.graph_resizing import resize, size_of
from tf_style.inputs.inputs import Inputs
from tf_style.inputs.sizes import smallest_side
from tf_style.objective.targets import Targets, blended_targets
from tf_style.objective.terms import LossWeights, weights_of


@dataclasses.dataclass(frozen=True, kw_only=True)
class Frame:
    """One picture of the row.

    Attributes:
        image: float32 `[1, H, W, 3]`, RGB, nominally 0..1.
        blend: weights of the styles, of sum 1.
        strength: factor of the style loss.
        loss: the value that was minimized.
        num_evaluations: of the loss and its gradient, for this picture.
    """

    image: np.ndarray
    blend: tuple[float, ...]
    strength: float
    loss: float
    num_evaluations: int


def between_styles(num_styles: int, num_frames: int) -> list[tuple[float, ...]]:
    """Returns each frame's weights of the styles: from one to the next in equal steps.

    Raises:
        ValueError: if there are fewer than two styles, or fewer frames than styles.
    """
    if num_styles < 2:
        raise ValueError(f"`style` must be at least two pictures. Received: {num_styles}.")
    if num_frames < num_styles:
        raise ValueError(
            "`frames` must be at least as many as there are styles. Received: "
            f"frames={num_frames} for {num_styles} styles."
        )
    places = np.linspace(0.0, num_styles - 1.0, num_frames)
    weights = np.maximum(0.0, 1.0 - np.abs(places[:, np.newaxis] - np.arange(num_styles)))
    return [tuple(map(float, row)) for row in weights]


def between_strengths(first: float, last: float, num_frames: int) -> list[float]:
    """Returns each frame's factor of the style loss: equal ratios from the first to the last.

    Raises:
        ValueError: unless both are above 0 and there are two frames at least.
    """
    if not (first > 0.0 and last > 0.0 and num_frames >= 2):
        raise ValueError(
            "`strengths` must be two numbers above 0, for at least two frames. Received: "
            f"{first:g} and {last:g} for {num_frames} frames."
        )
    return [float(value) for value in np.geomspace(first, last, num_frames)]


def interpolate(
    problem: Problem,
    inputs: Inputs,
    config: StyleConfig,
    *,
    blends: Sequence[Sequence[float]],
    strengths: Sequence[float],
) -> Iterator[Frame]:
    """Yields a picture for each blend and strength.

    Each goes from coarse to fine, the first from the start, each further one from the one before,
    at the full size with half of the steps; content features and statistics of the styles are
    computed once for all of them, at each size.

    Args:
        problem: of the config.
        inputs: the pictures, with as many styles as each blend has weights.
        config: steps and optimizer; `style_strength` multiplies the strengths.
        blends: weights of the styles, of sum 1, for each frame.
        strengths: factors of the style loss, as many.

    Raises:
        ValueError: if there are regions or a content map.
        FloatingPointError: if value or gradient are not finite.
        MemoryError: if the size needs more memory than there is.
    """
    if inputs.regions is not None or inputs.content_map is not None:
        raise ValueError(
            "`inputs` must have neither regions nor a content map. Received: one of them. "
            "Use `stylize`, picture by picture."
        )
    weights = weights_of(config.loss)
    whole = pictures_of(inputs)
    sizes: list[_Shared] = []
    image: tf.Tensor = whole.start
    for number, (blend, strength) in enumerate(zip(blends, strengths, strict=True)):
        scaled = LossWeights(
            *(
                tf.constant(value, tf.float32)
                for value in (weights.content, strength * weights.style, weights.variation)
            )
        )
        with stages.enough_memory(inputs.content.shape[1:3]):
            sizes = sizes or _at_each_size(problem, whole, config)
            before, coarser, num_evaluations = image, None, 0
            for shared in sizes:
                is_full = shared is sizes[-1]
                start = resize(before, shared.size)
                if coarser is not None:
                    start = refined(coarser, start, before)
                stand = stages.go_on(
                    problem,
                    start,
                    shared.given(blend, scaled),
                    config,
                    num_steps=max(1, shared.steps // 2) if number and is_full else shared.steps,
                )
                coarser = stand.image
                num_evaluations += stand.num_evaluations
        image = stand.image
        yield Frame(
            image=image.numpy(),
            blend=tuple(blend),
            strength=strength,
            loss=stand.loss,
            num_evaluations=num_evaluations,
        )


def _at_each_size(problem: Problem, whole: Pictures, config: StyleConfig) -> list["_Shared"]:
    """Returns what all frames have in common, from the coarsest size to the full one."""
    stages = plan.plan(size_of(whole.content), config)
    return [
        _Shared(
            problem,
            at_scale(whole, stage.scale, smallest_side=smallest_side(config)),
            FINER if index else COARSEST,
            stage.steps,
        )
        for index, stage in enumerate(stages)
    ]


class _Shared:
    """What all frames have in common at one size.

    Attributes:
        size: height and width, px.
        steps: of the first frame.
    """

    def __init__(self, problem: Problem, pictures: Pictures, exponent: float, steps: int) -> None:
        objective = problem.objective
        config = objective.config
        self.size = size_of(pictures.content)
        self.steps = steps
        self._config = config
        self._content = objective.content_targets(pictures.content)
        self._statistics: list[dict[str, Any]] = [
            objective.style_statistics(style)[0] for style in pictures.styles
        ]
        self._basis = problem.parametrization.basis(*self.size, exponent)

    def given(self, blend: Sequence[float], weights: LossWeights) -> Given:
        """Returns what the problem is about, for a frame."""
        style = blended_targets(self._config, self._statistics, list(blend))
        return Given(Targets(self._content, style), self._basis, (weights,))
