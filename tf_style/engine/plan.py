"""The plan of a run, made before it starts: stages, sizes, steps and memory."""

from typing import NamedTuple

from tf_style.config.scales import Stage
from tf_style.config.style_config import StyleConfig
from tf_style.engine import schedule
from tf_style.engine.memory_plan import SizePlan, limit_of, plan_sizes
from tf_style.engine.run_state import restored_stages
from tf_style.inputs.sizes import smallest_side
from tf_style.optimizers.solution import State

MOST_STEPS = 1_000_000
"""The limit on steps at the full size if the run ends by the clock."""


class StagePlan(NamedTuple):
    """The plan of one stage.

    Attributes:
        stage: its scale and steps.
        size: height and width, px.
        size_plan: how its memory is used.
    """

    stage: Stage
    size: tuple[int, int]
    size_plan: SizePlan


def stages_of(size: tuple[int, int], config: StyleConfig) -> tuple[Stage, ...]:
    """Returns the stages that a config means for a result of this size, from coarse to fine."""
    return schedule.plan_stages(
        size,
        scales=config.optimizer.scales,
        steps=config.optimizer.steps,
        smallest_side=smallest_side(config),
    )


def plan_run(size: tuple[int, int], config: StyleConfig, limit: float) -> list[StagePlan]:
    """Returns the plan of each stage.

    Args:
        size: of the result, px.
        config: everything but the pictures.
        limit: bytes of memory that the run may use; 0 if unknown.
    """
    stages = stages_of(size, config)
    sizes = [schedule.scaled_size(size, stage.scale) for stage in stages]
    steps = [stage.steps for stage in stages]
    if config.compute.time_budget:
        steps[-1] = MOST_STEPS
    pixels = [height * width for height, width in sizes]
    plans = plan_sizes(list(zip(pixels, steps, strict=True)), config, limit)
    return [StagePlan(*each) for each in zip(stages, sizes, plans, strict=True)]


def limit_for(size: tuple[int, int], config: StyleConfig, resume_from: State | None) -> int:
    """Returns the bytes of memory that a run is planned with; 0 if unknown.

    A resumed run has the limit that it began with, so that it is computed in the same way. A lower
    `memory_limit` overrides it.

    Args:
        size: of the result, px.
        config: everything but the pictures.
        resume_from: as for `stages.run`.

    Raises:
        ValueError: if `resume_from` comes from another run.
    """
    limit = int(limit_of(config) or 0)
    if resume_from is None:
        return limit
    saved = restored_stages(resume_from, len(stages_of(size, config))).limit
    return min(limit, saved or limit) if config.compute.memory_limit else saved
