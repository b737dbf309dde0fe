"""Coarse to fine: which sizes a picture goes through, with how many steps. No TensorFlow here.

At a coarse size the network sees large parts of the picture at once, and an evaluation costs
little; each finer size then adds its detail.
"""

import math
from typing import NamedTuple

_SMALLEST_EDGE = 96  # px: below, VGG-19's deepest style layer has next to no positions.
_MOST = 4  # Times as many steps at a coarse size as at the full one.


class Stage(NamedTuple):
    """One size of the schedule.

    Attributes:
        scale: the size relative to the result's, at most 1.
        steps: of the optimiser.
    """

    scale: float
    steps: int


def parse_scales(text: str) -> tuple[Stage, ...]:
    """Returns the stages of 'scale:steps,...'; none for 'auto' and 'none'.

    Raises:
        ValueError: if the text is not of this form, the scales do not rise to 1, or steps are
            below 1.
    """
    if text in ("auto", "none"):
        return ()
    try:
        pairs = [part.split(":") for part in text.split(",")]
        stages = tuple(Stage(float(scale), int(steps)) for scale, steps in pairs)
    except ValueError:
        stages = ()
    scales = [stage.scale for stage in stages]
    if (
        not stages
        or scales[-1] != 1.0
        or not all(low < high for low, high in zip([0.0, *scales], scales, strict=False))
        or any(stage.steps < 1 for stage in stages)
    ):
        raise ValueError(
            "`scales` must be 'auto', 'none', or rising scales that end with 1, each with its "
            f"steps, as in '0.25:80,0.5:40,1:20'. Received: scales={text!r}."
        )
    return stages


def plan(
    size: tuple[int, int], *, scales: str, steps: int, smallest_side: int
) -> tuple[Stage, ...]:
    """Returns the stages for a result of this size.

    'auto' halves the size while the longer edge keeps 96 px and the shorter what the layers
    need. Each halving costs a quarter and gets twice the steps, four times at most: with more,
    coarse sizes give the photograph away.

    Args:
        size: height and width of the result, px.
        scales: 'auto', 'none' (the full size alone), or 'scale:steps,...'.
        steps: at the full size, for 'auto' and 'none'.
        smallest_side: px, of the layers in use.
    """
    stages = parse_scales(scales) or (Stage(1.0, steps),)
    if scales == "auto":
        scale = 0.5
        while scale * max(size) >= _SMALLEST_EDGE and scale * min(size) >= smallest_side:
            times = min(_MOST, round(1.0 / scale))
            stages = (Stage(scale, times * steps), *stages)
            scale *= 0.5
    return tuple(stage for stage in stages if min(scaled(size, stage.scale)) >= smallest_side)


def scaled(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """Returns height and width at a scale, rounded, at least 1 px."""
    height, width = (max(1, math.floor(side * scale + 0.5)) for side in size)
    return height, width
