"""Interpolation between styles, or between strengths of one style: a row of pictures.

Each picture starts halfway between the one before and the photograph.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tf_style.config.scales import Stage
from tf_style.config.style_config import StyleConfig
from tf_style.engine.coarse_to_fine import StageStart, coarse_to_fine
from tf_style.engine.memory_plan import WHOLE
from tf_style.engine.pictures import Pictures, at_scale, pictures_of
from tf_style.engine.plan import stages_of
from tf_style.engine.problem import Problem, ProblemData, StageProblem
from tf_style.engine.run_state import RunState
from tf_style.engine.solver import Solver
from tf_style.engine.stages import enough_memory
from tf_style.images.graph_resizing import Size, resize, size_of
from tf_style.inputs.inputs import Inputs
from tf_style.inputs.sizes import smallest_side
from tf_style.objective.guides import guides
from tf_style.objective.loss import LossWeights, weights_of
from tf_style.objective.scales import blended_scale
from tf_style.objective.targets import Targets, blended_targets


@dataclasses.dataclass(frozen=True, kw_only=True)
class Frame:
    """One picture of the row.

    Attributes:
        image: float32 `[1, H, W, 3]`, RGB, nominally 0..1.
        blend: weights of the styles; their sum is 1.
        strength: of the style.
        loss: the minimized value.
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
    """Returns each frame's strength of the style: equal ratios from the first to the last.

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

    Each goes from coarse to fine. The first one starts from the start image, each later one halfway
    between the previous picture and the content, with half of the steps at the full size. The
    content's features and the styles' statistics are computed once for each size.

    Args:
        problem: of the config.
        inputs: the pictures, with as many styles as each blend has weights.
        config: steps and optimizer; `style_strength` multiplies the strengths.
        blends: weights of the styles for each frame; their sum is 1.
        strengths: of the style, one for each frame, beside `style_strength`.

    Raises:
        ValueError: if there are regions, a content map, or something to keep.
        FloatingPointError: if value or gradient is not finite.
        MemoryError: if the size needs more memory than there is.
    """
    if any(each is not None for each in (inputs.regions, inputs.content_map, inputs.keep)):
        raise ValueError(
            "`inputs` must have no regions, no content map and nothing to keep. Received: one of "
            "them. Use `stylize`, picture by picture."
        )
    row: _Row | None = None
    whole = pictures_of(inputs)
    image = whole.start
    for number, (blend, strength) in enumerate(zip(blends, strengths, strict=True)):
        with enough_memory(inputs.content.shape[1:3]):
            row = row or _Row(problem, whole, config)
            ends = list(row.stage_ends(image, blend, strength, is_first=number == 0))
        image = ends[-1].image
        yield Frame(
            image=image.numpy(),
            blend=tuple(blend),
            strength=strength,
            loss=ends[-1].loss,
            num_evaluations=sum(end.num_evaluations for end in ends),
        )


class _SharedSize(NamedTuple):
    """What all frames have in common at one size.

    Attributes:
        size: height and width, px.
        content: targets of the content.
        statistics: of each style.
        variations: of each style, the scale of total variation.
        basis: of the parametrization.
    """

    size: Size
    content: dict[str, tf.Tensor]
    statistics: list[dict[str, Any]]
    variations: list[dict[str, tf.Tensor]]
    basis: Any


class _Row:
    """What all frames have in common."""

    def __init__(self, problem: Problem, whole: Pictures, config: StyleConfig) -> None:
        """Computes the content's features and the styles' statistics at each size."""
        self._problem = problem
        self._content = whole.content
        self._weights = weights_of(config.loss)
        self._stages = stages_of(size_of(whole.content), config)
        num_steps = sum(stage.steps for stage in self._stages)
        self._solver = Solver(problem, config, num_steps)
        self._plan = WHOLE._replace(history=config.optimizer.history)
        smallest = smallest_side(config)
        self._sizes = [
            self._shared_size(
                at_scale(whole, stage.scale, smallest_side=smallest),
                config.optimizer.exponent_at(number),
            )
            for number, stage in enumerate(self._stages)
        ]

    def _shared_size(self, pictures: Pictures, exponent: float) -> _SharedSize:
        objective = self._problem.objective
        size = size_of(pictures.content)
        return _SharedSize(
            size,
            objective.content_targets(pictures.content),
            [
                objective.style_statistics(style, guides=[each])[0]
                for style, each in zip(pictures.styles, self._style_guides(pictures), strict=True)
            ],
            [objective.variation_scale(style) for style in pictures.styles],
            self._problem.parametrization.basis(*size, exponent),
        )

    def _style_guides(self, pictures: Pictures) -> list[dict[str, tf.Tensor]]:
        """Returns the weights of each style's positions by layer; none if all count the same."""
        config, masks = self._problem.objective.config, pictures.controls.style_masks
        if not masks:
            return [{} for _ in pictures.styles]
        layers = [name for name, _ in config.style_layers]
        return [guides(mask, layers, config.mask_mode).weights for mask in masks]

    def stage_ends(
        self, image: tf.Tensor, blend: Sequence[float], strength: float, *, is_first: bool
    ) -> Iterator[RunState]:
        """Yields the end of each stage of a frame.

        Args:
            image: float32 `[1, H, W, 3]`, to begin with.
            blend: weights of the styles.
            strength: strength of the style.
            is_first: whether it is the first frame, which makes all steps.
        """
        if not is_first:
            # Halfway back: forms of the previous style would stay as ghosts, because nothing in the
            # new style's statistics removes what the content does not mind.
            image = 0.5 * (image + self._content)
        power = self._problem.objective.config.strength_power
        weights = self._weights._replace(style=strength**power * self._weights.style)
        weights = LossWeights(*(tf.constant(value, tf.float32) for value in weights))

        def pictures_at(stage: Stage) -> Pictures:
            start = resize(image, self._sizes[self._stages.index(stage)].size)
            return Pictures(start, (), start)  # The rest is in `_SharedSize`.

        def minimize(start: StageStart) -> RunState:
            shared = self._sizes[start.number]
            objective = self._problem.objective
            targets = Targets(
                shared.content,
                blended_targets(objective.config, shared.statistics, list(blend)),
                scales=objective.scales(
                    shared.content, blended_scale(shared.variations, list(blend))
                ),
            )
            data = ProblemData(targets, shared.basis, (weights,))
            position = self._problem.position(start.pictures.start, data)
            num_steps = start.stage.steps
            if not is_first and shared is self._sizes[-1]:
                num_steps = max(1, num_steps // 2)
            return self._solver.minimize(StageProblem(data, position), self._plan, num_steps)

        return coarse_to_fine(self._stages, pictures_at=pictures_at, minimize=minimize)
