"""From pictures to the solution: the stages from coarse to fine, within time and memory."""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import tensorflow as tf

from tf_style import schedule
from tf_style.config import StyleConfig
from tf_style.inputs import Inputs, smallest_side
from tf_style.memory import WHOLE, SizePlan, limit_of, plan_sizes
from tf_style.parametrization import COARSEST, FINER
from tf_style.problem import Given, Problem
from tf_style.scene import Scene, at_scale, pictures_of, refined
from tf_style.solution import State, Status
from tf_style.solver import Before, Solver, Stand, resumed

_MOST_STEPS = 1_000_000  # Where time decides.
_LESS = 0.7  # Of the memory that was not there.


def run(
    problem: Problem,
    inputs: Inputs,
    config: StyleConfig,
    *,
    deadline: float | None = None,
    pause_every: int | None = None,
    on_slice: Callable[[Stand], bool | None] | None = None,
    resume_from: State | None = None,
) -> Stand:
    """Returns where the last stage ended.

    Args:
        problem: what is minimised.
        inputs: the pictures, of the result's size.
        config: `scales`, `steps` and the optimiser.
        deadline: when to end, on the clock of `time.perf_counter`. Each stage gets its share;
            a size for which too little time is left is not begun. The coarser ones take no
            more than their steps, the full size all the time that is left.
        pause_every: slices also end at every multiple of so many steps.
        on_slice: called between slices of steps; a true result ends the run.
        resume_from: what `Stand.state` gave in a run of the same problem, inputs and config.

    Raises:
        FloatingPointError: if value or gradient are not finite; names the term.
        ValueError: if `resume_from` is of another run.
    """
    whole = pictures_of(inputs)
    height, width = whole.content.shape[1:3]
    stages = plan((height, width), config)
    solver = Solver(
        problem=problem,
        config=config,
        size_plan=WHOLE,
        num_steps=sum(stage.steps for stage in stages),
        pause_every=pause_every,
        on_slice=on_slice,
    )
    clock = _Clock(deadline, height * width)
    before = Before(limit=limit_for((height, width), config, resume_from))
    first, begun_with = 0, None
    if resume_from is not None:
        found = resumed(resume_from, len(stages))
        first = found.stages
        begun_with = planned((height, width), config, found.limit)[first].size_plan
        before = found._replace(limit=before.limit)
    for index in range(first, len(stages)):
        stage, left = stages[index], stages[index:]
        if index > first and not clock.has_time_for(stage):
            break
        pictures = at_scale(whole, stage.scale, smallest_side=smallest_side(config))
        if before.image is not None:
            start = refined(before.image, pictures.start, whole.start)
            pictures = pictures._replace(start=start)
        exponent = FINER if index else COARSEST
        num_steps = _MOST_STEPS if deadline is not None and len(left) == 1 else stage.steps
        while True:
            size_plan = planned((height, width), config, before.limit)[index].size_plan
            if resume_from is not None and begun_with is not None:  # The state holds these pairs.
                size_plan = size_plan._replace(
                    history=begun_with.history, bfloat16_history=begun_with.bfloat16_history
                )
            solver = dataclasses.replace(solver, size_plan=size_plan)
            try:
                here = solver.scene(pictures, exponent)
                stand = clock.solve(solver, here, before, left, num_steps, resume_from)
                break
            except tf.errors.ResourceExhaustedError:
                less = before._replace(limit=int(_LESS * size_plan.memory))
                if planned((height, width), config, less.limit)[index].size_plan == size_plan:
                    raise  # There is no plan that takes less.
                before = less
        if stand.status is Status.CANCELLED:
            break
        resume_from = None
        before = Before(index + 1, stand.step, stand.num_evaluations, before.limit, stand.image)
    return stand


def go_on(
    problem: Problem, image: tf.Tensor, given: Given, config: StyleConfig, *, num_steps: int
) -> Stand:
    """Returns where a minimisation ends that begins at an image, at its size.

    Args:
        problem: what is minimised.
        image: float32 `[1, H, W, 3]`, RGB, nominally 0..1.
        given: what the problem is about, at that size.
        config: the optimiser.
        num_steps: at most.

    Raises:
        FloatingPointError: if value or gradient are not finite; names the term.
    """
    solver = Solver(problem, config, WHOLE._replace(history=config.optimizer.history), num_steps)
    start = problem.parametrization.to_position(problem.start(image), given.basis)
    return solver.solve(Scene(given, start), Before(), num_steps)


@contextlib.contextmanager
def enough_memory(size: tuple[int, int]) -> Iterator[None]:
    """Raises MemoryError, with ways out, where TensorFlow has none left for pictures of a size."""
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        height, width = size
        raise MemoryError(
            f"There is not enough memory for {width}x{height} px, or no space for maps in the "
            "folder for temporary files (TMPDIR). Use a smaller `size`, a shorter `history`, or "
            "the optimizer 'adam'."
        ) from error


class _Clock:
    """The time that stages may take.

    Attributes:
        deadline: when to end, on the clock of `time.perf_counter`, or None.
    """

    def __init__(self, deadline: float | None, num_pixels: int) -> None:
        """Makes it, for a result of so many pixels."""
        self.deadline = deadline
        self._num_pixels = num_pixels
        self._seconds_per_pixel: float | None = None

    def has_time_for(self, stage: schedule.Stage) -> bool:
        """Returns whether a further stage is worth being begun."""
        if self.deadline is None or self._seconds_per_pixel is None:
            return True
        cost = schedule.cost(stage.scale, self._num_pixels)
        needed = schedule.FEWEST * self._seconds_per_pixel * cost
        return self.deadline - time.perf_counter() >= needed

    def solve(
        self,
        solver: Solver,
        here: Scene,
        before: Before,
        stages: Sequence[schedule.Stage],
        num_steps: int,
        resume_from: State | None,
    ) -> Stand:
        """Minimises at the first of these stages, within its share of the time."""
        if self.deadline is None:
            return solver.solve(here, before, num_steps, resume_from=resume_from)
        cost = schedule.cost(stages[0].scale, self._num_pixels)
        if self._seconds_per_pixel is None:
            self._seconds_per_pixel = 0.0
            if len(stages) > 1:
                self._seconds_per_pixel = solver.seconds_an_evaluation(here) / cost
        began = time.perf_counter()
        share = schedule.first_share(
            stages,
            self._num_pixels,
            left=self.deadline - began,
            seconds_per_pixel=self._seconds_per_pixel,
        )
        stand = solver.solve(
            here, before, num_steps, deadline=began + share, resume_from=resume_from
        )
        num_evaluations = max(stand.num_evaluations - before.num_evaluations, 1)
        self._seconds_per_pixel = (time.perf_counter() - began) / num_evaluations / cost
        return stand


class Planned(NamedTuple):
    """One size of a run, before it is run.

    Attributes:
        stage: its scale and steps.
        size: height and width, px.
        size_plan: how it is computed.
    """

    stage: schedule.Stage
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
        steps[-1] = _MOST_STEPS
    pixels = [height * width for height, width in sizes]
    plans = plan_sizes(list(zip(pixels, steps, strict=True)), config, limit)
    return [Planned(*each) for each in zip(stages, sizes, plans, strict=True)]


def plan(size: tuple[int, int], config: StyleConfig) -> tuple[schedule.Stage, ...]:
    """Returns the stages that a config means for a result of this size."""
    return schedule.plan(
        size,
        scales=config.optimizer.scales,
        steps=config.optimizer.steps,
        smallest_side=smallest_side(config),
    )
