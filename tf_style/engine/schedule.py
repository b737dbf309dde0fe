"""The schedule: the stages of a run from coarse to fine, and their shares of the time.

Takes the size of the result and the options, gives scales, steps, sizes and seconds. At a coarse
size the network sees large parts of the picture at once, and an evaluation costs little. Each
finer size adds its detail. No TensorFlow here.
"""

import math
from collections.abc import Sequence

from tf_style.config.scales import Stage, parse_scales

SMALLEST_EDGE = 96  # px. Below it, VGG-19's deepest style layer has hardly any positions.
FULL_EDGE = 512  # px. A full size of at least this length gets exactly the planned steps.
MOST_TIMES = 4  # A smaller full size gets at most this many times the planned steps.

FEWEST = 3
"""A larger size starts only if there is time for this many evaluations, targets included."""

OVERHEAD = 12_000
"""Fixed cost of an evaluation besides the image's pixels, in pixels; measured on two cores."""


def plan_stages(
    size: tuple[int, int], *, scales: str, steps: int, smallest_side: int
) -> tuple[Stage, ...]:
    """Returns the stages of a run, from the coarsest to the full size.

    'auto' halves the size as long as the longer edge keeps at least 96 px and the shorter one at
    least `smallest_side`. The half size gets `steps` steps, each smaller size twice as many; more
    would lose the content. A full size below 512 px gets proportionally more steps, up to four
    times as many, so that small results look as finished as large ones.

    Args:
        size: height and width of the result, px.
        scales: 'auto', 'none' (the full size alone), or 'scale:steps,...'.
        steps: steps at the full size, for 'auto' and 'none'.
        smallest_side: shortest side that the layers in use allow, px.
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
    """Returns the cost of an evaluation at a scale, in pixels; the result has `num_pixels`."""
    return scale**2 * num_pixels + OVERHEAD


def first_share(
    stages: Sequence[Stage], num_pixels: int, *, left: float, seconds_per_pixel: float
) -> float:
    """Returns the seconds for the first of the remaining stages.

    Each stage gets its share. Time for a few evaluations of each later stage is reserved, because
    an enlarged coarse picture is worth little. The first stage gets all the time if there is not
    even enough for that.

    Args:
        stages: the remaining stages.
        num_pixels: pixels of the result.
        left: seconds left for all of them.
        seconds_per_pixel: seconds of an evaluation divided by its `cost`.
    """
    reserved = (
        FEWEST * seconds_per_pixel * sum(cost(stage.scale, num_pixels) for stage in stages[1:])
    )
    if len(stages) == 1 or left <= reserved:
        return left
    costs = [stage.steps * cost(stage.scale, num_pixels) for stage in stages]
    return min(left * costs[0] / sum(costs), left - reserved)


def scaled_size(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """Returns height and width at a scale, rounded, each at least 1 px."""
    height, width = (max(1, math.floor(side * scale + 0.5)) for side in size)
    return height, width
