"""The memory plan: how each size of a run is computed so that it fits.

An estimate is the sum of everything in memory at the peak. Its constants were measured on CPUs
(docs/notes/engine.md, "Memory plan"). No TensorFlow here.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tf_style import vgg19
from tf_style.config.optimizer import OptimizerConfig
from tf_style.config.style_config import StyleConfig
from tf_style.engine import machine_memory
from tf_style.optimizers.table import OPTIMIZERS
from tf_style.tiling.tiles import Tiling

GB = 1e9
"""Bytes of a gigabyte."""

_PIXEL = 12  # Bytes per pixel of an image: three floats.
_PROGRAM = 1.2 * GB  # TensorFlow, the network, and the graphs.
_FEATURES = 2300.0  # Bytes per pixel, for the features of a whole image.
_IMAGES = 20  # Images besides the history: pictures, positions, gradients, line search.
_TILE_MAPS = 310.0  # Bytes per pixel, for the maps of tiled passes; none if they are on disk.
_TILE_GRAPHS = 0.3 * GB  # Graphs for tiles of each size and border, and tiles loaded ahead.
_TILE = 950.0  # Bytes per pixel of a tile in the first block; half of that in each further block.
_SIDES = (1024, 768, 512, 256, 128)  # px, of tiles.
_STRIP = 256  # Rows.
_SHORTEST_HISTORY = 3


class SizePlan(NamedTuple):
    """How one size of a run is computed.

    Attributes:
        tiling: segments and tiles; None for the whole image at once.
        history: number of curvature pairs of L-BFGS.
        bfloat16_history: whether they are rounded to bfloat16, to save memory.
        is_short: whether there are fewer pairs than asked for.
        pool: estimated bytes that TensorFlow allocates. It never returns them, so a run needs the
            maximum over its sizes.
        maps: estimated bytes of the maps that tiles read and write. TensorFlow's pool does not
            include them, and they are needed only while the size is computed.
    """

    tiling: Tiling | None
    history: int
    bfloat16_history: bool = False
    is_short: bool = False
    pool: float = 0.0
    maps: float = 0.0

    @property
    def memory(self) -> float:
        """Estimated bytes that the process needs at this size."""
        return self.pool + self.maps


WHOLE = SizePlan(None, OptimizerConfig.history)
"""The plan if nothing is known about memory."""


def plan_sizes(
    sizes: Sequence[tuple[int, int]], config: StyleConfig, limit: float
) -> list[SizePlan]:
    """Returns how the sizes of a run are computed.

    Each size gets the first plan that fits: whole, or else in tiles; then the same with a rounded
    history, then with shorter ones. If none fits, it gets the plan that needs the least.

    Args:
        sizes: pixels and steps of each size, the largest last. L-BFGS stores at most one pair for
            each step.
        config: losses and optimizer.
        limit: bytes that the run may use; 0 if unknown: then every size is computed whole.
    """
    *smaller, largest = (list(_plans(pixels, steps, config)) for pixels, steps in sizes)
    last = _fitting(largest, limit)
    return [*(_fitting(plans, limit and max(limit - last.maps, 1.0)) for plans in smaller), last]


def peak(plans: Sequence[SizePlan]) -> float:
    """Returns the estimated bytes that a run needs."""
    pools = itertools.accumulate((plan.pool for plan in plans), max)
    return max(pool + plan.maps for pool, plan in zip(pools, plans, strict=True))


def excess(plans: Sequence[SizePlan], config: StyleConfig, limit: float) -> str | None:
    """Returns a warning if a run needs more memory than it may use, else None."""
    most = peak(plans)
    if not limit or most <= limit:
        return None
    losses = ", ".join(config.loss.untileable)
    way_out = f"losses other than {losses}, which allow tiles" if losses else "fewer `steps`"
    return (
        f"This needs about {most / GB:.1f} GB, more than the {limit / GB:.1f} GB that it may use. "
        f"Use a smaller `size`, or {way_out}."
    )


def _fitting(plans: list[SizePlan], limit: float) -> SizePlan:
    if not limit:
        return plans[0]
    fitting = (plan for plan in plans if plan.memory <= limit)
    return next(fitting, min(plans, key=lambda plan: plan.memory))


def _plans(pixels: int, steps: int, config: StyleConfig) -> Iterator[SizePlan]:
    """Yields plans, from the fastest one to the one that needs the least memory."""
    optimizer = OPTIMIZERS[config.optimizer.optimizer]
    histories = [(min(config.optimizer.history, steps), False)]
    if optimizer.can_round:
        histories.append((histories[0][0], True))
    while optimizer.can_shorten and histories[-1][0] > _SHORTEST_HISTORY:
        history, rounded = histories[-1]
        histories.append((max(history // 2, _SHORTEST_HISTORY), rounded))
    tilings: list[Tiling | None] = [None]
    if not config.loss.untileable:
        tilings.append(_tiling(_SIDES[0], on_disk=False))
        tilings += [_tiling(side, on_disk=True) for side in _SIDES]
    content = sum(
        4 * vgg19.channels_of(name) / vgg19.minimum_side([name]) ** 2
        for name, _ in config.loss.content_layers
    )
    for history, rounded in histories:
        is_short = history < histories[0][0]
        images = _IMAGES + (1 if rounded else 2) * optimizer.pairs_stored(history)
        base = _PROGRAM + pixels * _PIXEL * images
        for tiling in tilings:
            if tiling is None:
                pool = base + pixels * (content + _FEATURES)
                yield SizePlan(None, history, rounded, is_short, pool)
            else:
                tile = _TILE_GRAPHS + sum(
                    _TILE / 2**block * min(pixels, side**2)
                    for block, side in enumerate(tiling.sides)
                )
                maps = 0.0 if tiling.on_disk else pixels * (content + _TILE_MAPS)
                yield SizePlan(tiling, history, rounded, is_short, base + tile, maps)


def _tiling(side: int, *, on_disk: bool) -> Tiling:
    # Later blocks have fewer units, so their tiles may be larger, with a smaller share of margin.
    sides = side, side, 2 * side, 3 * side, 4 * side
    return Tiling(vgg19.POOLINGS[:-1], sides, _STRIP, on_disk)


def described(plan: SizePlan) -> str:
    """Returns a plan in words."""
    memory = f"{plan.memory / GB:.1f} GB"
    rounded = " in bfloat16" if plan.bfloat16_history else ""
    history = f"history {plan.history}{rounded}{', shortened' if plan.is_short else ''}"
    if plan.tiling is None:
        as_asked = not (plan.bfloat16_history or plan.is_short)
        return f"whole, {memory}" if as_asked else f"whole, {history}, {memory}"
    where = "on disk" if plan.tiling.on_disk else "in memory"
    return f"in tiles of {plan.tiling.sides[0]} px, maps {where}, {history}, {memory}"


def limit_of(config: StyleConfig) -> float | None:
    """Returns the bytes that a run may use: `memory_limit`, or what the machine has left.

    None if unknown. A deterministic run may use a share of all the memory, because what is left
    depends on chance.
    """
    if config.compute.memory_limit:
        return config.compute.memory_limit * GB
    return machine_memory.total() if config.compute.deterministic else machine_memory.available()
