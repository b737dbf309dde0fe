"""Coarse to fine: which sizes a picture goes through, with how many steps. No TensorFlow here.

At a coarse size the network sees large parts of the picture at once, and an evaluation costs
little; each finer size then adds its detail.
"""

import math
from collections.abc import Sequence

from tf_style.config.scales import Stage, parse_scales

SMALLEST_EDGE = 96  # px: below, VGG-19's deepest style layer has next to no positions.
FULL_EDGE = 512  # px: from here on, a full size gets the steps asked for.
MOST_TIMES = 4  # As many steps, at most, for a small full size.

FEWEST = 3
"""Evaluations that make a larger size worth its time, targets included."""

OVERHEAD = 12_000
"""Pixels that an evaluation costs beside those of the image; measured on two cores."""


def plan_stages(
    size: tuple[int, int], *, scales: str, steps: int, smallest_side: int
) -> tuple[Stage, ...]:
    """Returns the stages for a result of this size.

    'auto' halves the size while the longer edge keeps 96 px and the shorter what the layers
    need. The half gets the steps of the full size, each smaller one twice as many; more would
    lose the content. A full size below 512 px gets more in proportion, up to four times, so
    that small results are as finished as large ones.

    Args:
        size: height and width of the result, px.
        scales: 'auto', 'none' (the full size alone), or 'scale:steps,...'.
        steps: at the full size, for 'auto' and 'none'.
        smallest_side: px, of the layers in use.
    """
    stages = parse_scales(scales) or (Stage(1.0, steps),)
    if scales == "auto":
        edges = [float(max(size))]
        while edges[-1] >= 2 * SMALLEST_EDGE:
            edges.append(edges[-1] / 2)
        times = [min(max(1.0, FULL_EDGE / edges[0]), MOST_TIMES), 1.0] + [2.0] * len(edges)
        stages = tuple(
            Stage(edge / edges[0], round(steps * more))
            for edge, more in reversed(list(zip(edges, times, strict=False)))
        )
    return tuple(
        stage
        for stage in stages
        if stage.scale == 1.0 or min(scaled_size(size, stage.scale)) >= smallest_side
    )


def cost(scale: float, num_pixels: int) -> float:
    """Returns what an evaluation at a scale costs, in pixels; the result has `num_pixels`."""
    return scale**2 * num_pixels + OVERHEAD


def first_share(
    stages: Sequence[Stage], num_pixels: int, *, left: float, seconds_per_pixel: float
) -> float:
    """Returns the seconds that the first of these stages may take, for each to get its share.

    The later ones get a few evaluations each at least, as a coarse picture that is enlarged
    is worth little. The first gets all the time if there is not even enough for that.

    Args:
        stages: those to come.
        num_pixels: of the result.
        left: seconds for all of them.
        seconds_per_pixel: of an evaluation's `cost`.
    """
    kept = FEWEST * seconds_per_pixel * sum(cost(stage.scale, num_pixels) for stage in stages[1:])
    if len(stages) == 1 or left <= kept:
        return left
    costs = [stage.steps * cost(stage.scale, num_pixels) for stage in stages]
    return min(left * costs[0] / sum(costs), left - kept)


def scaled_size(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """Returns height and width at a scale, rounded, at least 1 px."""
    height, width = (max(1, math.floor(side * scale + 0.5)) for side in size)
    return height, width
