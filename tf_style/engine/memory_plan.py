"""Memory as a plan: what each size of a run takes, and how it is made to fit. No TensorFlow here.

An estimate is the sum of what is held at the peak. Its constants were measured on CPUs
(BUILD_NOTES.md, "Plan of memory").
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tf_style import vgg19
from tf_style.config.optimizer import OptimizerConfig
from tf_style.config.style_config import StyleConfig
from tf_style.engine import machine_memory
from tf_style.tiling.tiles import Tiling

GB = 1e9
_FLOATS = 12  # Bytes of an image's pixel.

_PROGRAM = 1.2 * GB  # TensorFlow, the network, and the graphs.
_FEATURES = 2300.0  # Bytes a pixel, of a whole image's evaluation.
_IMAGES = 20  # Images that pictures, positions, gradients and the line search take together.
_KEPT = 310.0  # Bytes a pixel, of what tiles keep; none in files.
_TILE_GRAPHS = 0.3 * GB  # Those of tiles of each size and border, with their loading ahead.
_TILE = 950.0  # Bytes a pixel of a tile of the first block; of each further one half of that.
_SIDES = (1024, 768, 512, 256, 128)  # px, of tiles.
_STRIP = 256
_SHORTEST_HISTORY = 3


class SizePlan(NamedTuple):
    """How one size of a run is computed.

    Attributes:
        tiling: into which parts; None for the whole image at once.
        history: curvature pairs that L-BFGS keeps.
        bfloat16_history: whether it keeps them rounded to bfloat16, to spare memory.
        is_short: whether these are fewer than asked for.
        pool: bytes that TensorFlow takes, estimated. It never gives them back: a run takes the
            most of its sizes.
        kept: bytes that what tiles keep takes besides, while they are computed.
    """

    tiling: Tiling | None
    history: int
    bfloat16_history: bool = False
    is_short: bool = False
    pool: float = 0.0
    kept: float = 0.0

    @property
    def memory(self) -> float:
        """Bytes that the process takes at this size, estimated."""
        return self.pool + self.kept


WHOLE = SizePlan(None, OptimizerConfig.history)
"""Where nothing is known."""


def plan_sizes(
    sizes: Sequence[tuple[int, int]], config: StyleConfig, limit: float
) -> list[SizePlan]:
    """Returns how the sizes of a run are computed.

    Each whole if that fits, else in tiles, else with the history rounded, then shorter, too: the
    first way that fits, or the one that takes least where none does.

    Args:
        sizes: pixels and steps of each size, the largest one last; L-BFGS keeps no more pairs
            than it makes steps.
        config: losses and optimizer.
        limit: bytes that may be taken; 0 if that is not known: then all are computed whole.
    """
    *smaller, largest = (list(_plans(pixels, steps, config)) for pixels, steps in sizes)
    last = _fitting(largest, limit)
    return [*(_fitting(plans, limit and max(limit - last.kept, 1.0)) for plans in smaller), last]


def peak(plans: Sequence[SizePlan]) -> float:
    """Returns the bytes that a run takes, estimated."""
    pools = itertools.accumulate((plan.pool for plan in plans), max)
    return max(pool + plan.kept for pool, plan in zip(pools, plans, strict=True))


def excess(plans: Sequence[SizePlan], config: StyleConfig, limit: float) -> str | None:
    """Returns a line that tells of a run which takes more than may be taken; None if it fits."""
    most = peak(plans)
    if not limit or most <= limit:
        return None
    losses = ", ".join(config.loss.untileable)
    way_out = f"losses other than {losses}, which allow tiles" if losses else "fewer `steps`"
    return (
        f"This takes about {most / GB:.1f} GB, more than the {limit / GB:.1f} GB that it may take: "
        f"use a smaller `size`, or {way_out}."
    )


def _fitting(plans: list[SizePlan], limit: float) -> SizePlan:
    if not limit:
        return plans[0]
    fitting = (plan for plan in plans if plan.memory <= limit)
    return next(fitting, min(plans, key=lambda plan: plan.memory))


def _plans(pixels: int, steps: int, config: StyleConfig) -> Iterator[SizePlan]:
    """Yields plans from the fastest to the one of least memory."""
    optimizer = config.optimizer.optimizer
    histories = [(min(config.optimizer.history, steps), False)]
    if optimizer == "lbfgs":  # TFP's cannot round what it keeps.
        histories.append((histories[0][0], True))
    while histories[-1][0] > _SHORTEST_HISTORY and optimizer != "adam":
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
        # TFP's L-BFGS copies its pairs; Adam's two moments take as much as one.
        pairs = {"adam": 1, "tfp_lbfgs": 5 * history}.get(optimizer, history)
        images = _IMAGES + (1 if rounded else 2) * pairs
        held = _PROGRAM + pixels * _FLOATS * images
        for tiling in tilings:
            if tiling is None:
                pool = held + pixels * (content + _FEATURES)
                yield SizePlan(None, history, rounded, is_short, pool)
            else:
                tile = _TILE_GRAPHS + sum(
                    _TILE / 2**block * min(pixels, side**2)
                    for block, side in enumerate(tiling.sides)
                )
                kept = 0.0 if tiling.on_disk else pixels * (content + _KEPT)
                yield SizePlan(tiling, history, rounded, is_short, held + tile, kept)


def _tiling(side: int, *, on_disk: bool) -> Tiling:
    # Units are fewer in later blocks: their tiles may be larger, and have less margin then.
    sides = side, side, 2 * side, 3 * side, 4 * side
    return Tiling(vgg19.POOLINGS[:-1], sides, _STRIP, on_disk)


def described(plan: SizePlan) -> str:
    """Returns how a size is computed, in words."""
    memory = f"{plan.memory / GB:.1f} GB"
    rounded = " in bfloat16" if plan.bfloat16_history else ""
    history = f"history {plan.history}{rounded}{', shortened' if plan.is_short else ''}"
    if plan.tiling is None:
        as_asked = not (plan.bfloat16_history or plan.is_short)
        return f"whole, {memory}" if as_asked else f"whole, {history}, {memory}"
    where = "on disk" if plan.tiling.on_disk else "in memory"
    return f"in tiles of {plan.tiling.sides[0]} px, maps {where}, {history}, {memory}"


def limit_of(config: StyleConfig) -> float | None:
    """Returns the bytes that a run may take: `memory_limit`, or what is left of the machine's.

    A deterministic run's is a share of all that the machine has: what is left of it is chance.
    """
    if config.compute.memory_limit:
        return config.compute.memory_limit * GB
    return machine_memory.total() if config.compute.deterministic else machine_memory.available()
