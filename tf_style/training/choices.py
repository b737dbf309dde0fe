"""What a step of a training looks at besides photographs, by its number. No TensorFlow here.

Every choice follows from the seed and the step, so that a training that goes on makes the choices
that it would have made.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tf_style.config.training import TrainingConfig
from tf_style.training.photographs import own_part

REACH = 4
"""Pixels by which photographs are moved at most, along each axis: a period of the network."""

STYLE_SIDE = 224
"""Side of the parts of other pictures in whose style is painted, px."""

_WARM_UP = 20  # Steps in which the learning rate rises.
_FALLS_FROM, _LEAST = 0.65, 0.02  # Share of the training, and of the learning rate.
_CHOICES, _TURNS = 3, 4  # Streams of random numbers, beside those of `photographs`.


class Reached(NamedTuple):
    """How far a training has come.

    Attributes:
        step: number of steps made.
        seconds: time spent, with what is done between steps, such as previews; without the first
            step of each run, and without pauses between runs.
    """

    step: int = 0
    seconds: float = 0.0


class Choices(NamedTuple):
    """What a step looks at besides photographs, as in `step.Batch`.

    Attributes:
        named: int32 `[m]`.
        parts: float32 `[m, side, side, 3]`, `[0, side, side, 3]` without a discriminator.
        move: int32 `[2]`.
        seed: int32 `[2]`, of the noise.
        rate: float32 scalar.
    """

    named: np.ndarray
    parts: np.ndarray
    move: np.ndarray
    seed: np.ndarray
    rate: np.float32


def share_of(config: TrainingConfig, reached: Reached) -> float:
    """Returns how much of a training has passed, 0..1."""
    if config.steps:
        return min(1.0, reached.step / config.steps)
    return min(1.0, reached.seconds / (60.0 * config.minutes))


def choices(
    config: TrainingConfig,
    paintings: Sequence[np.ndarray],
    *,
    step: int,
    share: float,
    side: int,
) -> Choices:
    """Returns what a step looks at.

    Args:
        config: of the training.
        paintings: of the named styles, float32 `[1, h, w, 3]`, RGB 0..1.
        step: its number.
        share: how much of the training has passed, 0..1.
        side: of painted pictures, px.
    """
    rng = np.random.default_rng([config.seed, _CHOICES, step])
    num_named = config.num_named
    first = step * num_named
    # In turn, in an order that changes each time all have been painted.
    named = [
        _turn(number, len(paintings), config.seed) for number in range(first, first + num_named)
    ]
    parts = np.zeros([0, side, side, 3], np.float32)
    if config.adversarial_weight and named:
        parts = np.stack([own_part(paintings[style], side, rng) for style in named])
    rising = min(1.0, (step + 1) / _WARM_UP)
    falling = max(_LEAST, min(1.0, (1.0 - share) / (1.0 - _FALLS_FROM)))
    return Choices(
        np.array(named, np.int32),
        parts,
        rng.integers(-REACH, REACH + 1, 2).astype(np.int32),
        rng.integers(0, 2**31, 2).astype(np.int32),
        np.float32(config.learning_rate * rising * falling),
    )


def _turn(number: int, num_styles: int, seed: int) -> int:
    """Returns the style of the photograph with this number among those with a named style."""
    turn, place = divmod(number, num_styles)
    return int(np.random.default_rng([seed, _TURNS, turn]).permutation(num_styles)[place])
