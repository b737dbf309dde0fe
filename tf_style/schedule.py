"""Coarse to fine: which sizes a picture goes through, with how many steps. No TensorFlow here.

At a coarse size the network sees large parts of the picture at once, and an evaluation costs
little; each finer size then adds its detail.
"""

import math
from typing import NamedTuple

_SMALLEST_EDGE = 96  # px: below, VGG-19's deepest style layer has next to no positions.
_FULL_EDGE = 512  # px: from here on, a full size gets the steps asked for.
_TIMES, _MOST_HALVINGS = 3, 2  # Each of the first two halvings, three times the steps.


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
            f"steps, as in '0.25:135,0.5:45,1:15'. Received: scales={text!r}."
        )
    return stages


def plan(
    size: tuple[int, int], *, scales: str, steps: int, smallest_side: int
) -> tuple[Stage, ...]:
    """Returns the stages for a result of this size.

    'auto' halves the size while the longer edge keeps 96 px and the shorter what the layers
    need. Each of the first two halvings costs a quarter and gets three times the steps; so do
    the first two below 512 px, so that small results are as finished as large ones.

    Args:
        size: height and width of the result, px.
        scales: 'auto', 'none' (the full size alone), or 'scale:steps,...'.
        steps: at the full size, for 'auto' and 'none'.
        smallest_side: px, of the layers in use.
    """
    stages = parse_scales(scales) or (Stage(1.0, steps),)
    if scales == "auto":
        edges = [float(max(size))]
        while edges[-1] >= 2 * _SMALLEST_EDGE:
            edges.append(edges[-1] / 2)
        stages = tuple(
            Stage(edge / edges[0], _steps(edge, halvings, steps))
            for halvings, edge in reversed(list(enumerate(edges)))
        )
    return tuple(
        stage
        for stage in stages
        if stage.scale == 1.0 or min(scaled(size, stage.scale)) >= smallest_side
    )


def _steps(edge: float, halvings: int, steps: int) -> int:
    """Returns the steps at a size that is so many halvings below the full one."""
    below = max(halvings, math.log2(_FULL_EDGE / edge))
    return round(steps * _TIMES ** min(below, _MOST_HALVINGS))


def scaled(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """Returns height and width at a scale, rounded, at least 1 px."""
    height, width = (max(1, math.floor(side * scale + 0.5)) for side in size)
    return height, width
