"""The stages of a run before it runs: sizes, steps and memory."""

from typing import NamedTuple

from tf_style.config import scales
from tf_style.config.style_config import StyleConfig
from tf_style.engine import schedule
from tf_style.engine.memory_plan import SizePlan, limit_of, plan_sizes
from tf_style.engine.solver import resumed
from tf_style.inputs.sizes import smallest_side
from tf_style.optimizers.solution import State

MOST_STEPS = 1_000_000  # Where time decides.


class Planned(NamedTuple):
    """One size of a run, before it is run.

    Attributes:
        stage: its scale and steps.
        size: height and width, px.
        size_plan: how it is computed.
    """

    stage: scales.Stage
    size: tuple[int, int]
    size_plan: SizePlan


def limit_for(size: tuple[int, int], config: StyleConfig, resume_from: State | None) -> int:
    """Returns the bytes of memory that a run is planned with; 0 if that is not known.

    One that goes on has the limit it was begun with, so that it is computed in the same way,
    unless a lower one is given.

    Args:
        size: of the result, px.
        config: everything but the pictures.
        resume_from: as for `run`.

    Raises:
        ValueError: if `resume_from` is of another run.
    """
    given = int(limit_of(config) or 0)
    if resume_from is None:
        return given
    saved = resumed(resume_from, len(plan(size, config))).limit
    return min(given, saved or given) if config.compute.memory_limit else saved


def planned(size: tuple[int, int], config: StyleConfig, limit: float) -> list[Planned]:
    """Returns the sizes of a run and how each is computed.

    Args:
        size: of the result, px.
        config: everything but the pictures.
        limit: bytes of memory that may be taken; 0 if that is not known.
    """
    stages = plan(size, config)
    sizes = [schedule.scaled(size, stage.scale) for stage in stages]
    steps = [stage.steps for stage in stages]
    if config.compute.time_budget:
        steps[-1] = MOST_STEPS
    pixels = [height * width for height, width in sizes]
    plans = plan_sizes(list(zip(pixels, steps, strict=True)), config, limit)
    return [Planned(*each) for each in zip(stages, sizes, plans, strict=True)]


def plan(size: tuple[int, int], config: StyleConfig) -> tuple[scales.Stage, ...]:
    """Returns the stages that a config means for a result of this size."""
    return schedule.plan(
        size,
        scales=config.optimizer.scales,
        steps=config.optimizer.steps,
        smallest_side=smallest_side(config),
    )
