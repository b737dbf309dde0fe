"""From pictures to the solution: the stages from coarse to fine, within time and memory."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator

import tensorflow as tf

from tf_style.config.style_config import StyleConfig
from tf_style.engine.clock import Clock
from tf_style.engine.memory_plan import WHOLE
from tf_style.engine.parametrization import COARSEST, FINER
from tf_style.engine.pictures import at_scale, pictures_of, refined
from tf_style.engine.plan import MOST_STEPS, limit_for, plan, planned
from tf_style.engine.problem import Given, Problem, Scene
from tf_style.engine.solver import Before, Solver, Stand, resumed
from tf_style.inputs.inputs import Inputs
from tf_style.inputs.sizes import smallest_side
from tf_style.optimizers.solution import State, Status

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
        problem: what is minimized.
        inputs: the pictures, of the result's size.
        config: `scales`, `steps` and the optimizer.
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
    clock = Clock(deadline, height * width)
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
        num_steps = MOST_STEPS if deadline is not None and len(left) == 1 else stage.steps
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
    """Returns where a minimization ends that begins at an image, at its size.

    Args:
        problem: what is minimized.
        image: float32 `[1, H, W, 3]`, RGB, nominally 0..1.
        given: what the problem is about, at that size.
        config: the optimizer.
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
