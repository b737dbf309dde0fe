"""A run: from the pictures to the last stage's end, within time and memory."""

import contextlib
from collections.abc import Callable, Iterator, Sequence

import tensorflow as tf

from tf_style.config.scales import Stage
from tf_style.config.style_config import StyleConfig
from tf_style.engine.clock import Clock
from tf_style.engine.coarse_to_fine import StageStart, coarse_to_fine
from tf_style.engine.memory_plan import SizePlan
from tf_style.engine.pictures import at_scale, pictures_of
from tf_style.engine.plan import MOST_STEPS, limit_for, plan_run, stages_of
from tf_style.engine.problem import Problem
from tf_style.engine.run_state import FinishedStages, RunState, restored_stages
from tf_style.engine.solver import Solver
from tf_style.inputs.inputs import Inputs
from tf_style.inputs.sizes import smallest_side
from tf_style.optimizers.cancellation import Cancellation
from tf_style.optimizers.solution import State, Status

_LESS = 0.7  # Share of the memory of a plan that did not fit, for the next plan.


def run(
    problem: Problem,
    inputs: Inputs,
    config: StyleConfig,
    *,
    deadline: float | None = None,
    pause_every: int | None = None,
    on_slice: Callable[[RunState], bool | None] | None = None,
    cancellation: Cancellation | None = None,
    resume_from: State | None = None,
) -> RunState:
    """Returns the end of the last stage that ran.

    Args:
        problem: what is minimized.
        inputs: the pictures, of the result's size.
        config: `scales`, `steps` and the optimizer.
        deadline: latest end, on the clock of `time.perf_counter`. Each stage gets its share. A
            stage for which too little time is left does not start. Coarse stages make at most
            their planned steps, the full size uses all the time that is left.
        pause_every: slices also end at every multiple of this many steps.
        on_slice: called between slices of steps; a true result ends the run.
        cancellation: ends the run at the next step.
        resume_from: what `RunState.state` gave in a run of the same problem, inputs and config.

    Raises:
        FloatingPointError: if value or gradient is not finite; names the term.
        ValueError: if `resume_from` comes from another run.
    """
    whole = pictures_of(inputs)
    size = whole.content.shape[1:3]
    stages = stages_of(size, config)
    clock = Clock(deadline, size[0] * size[1])
    num_steps = sum(stage.steps for stage in stages)
    solver = Solver(problem, config, num_steps, pause_every, on_slice, cancellation)
    staged = _StagedRun(solver, stages, size, clock, resume_from)
    smallest = smallest_side(config)
    for state in coarse_to_fine(
        stages,
        pictures_at=lambda stage: at_scale(whole, stage.scale, smallest_side=smallest),
        minimize=staged.minimize,
        first=staged.finished.stages,
    ):
        if state.status is Status.CANCELLED or not staged.has_time_for_next:
            break
    return state


class _StagedRun:
    """The stages of a run, one after the other.

    Attributes:
        finished: what the finished stages add up to.
    """

    def __init__(
        self,
        solver: Solver,
        stages: Sequence[Stage],
        size: tuple[int, int],
        clock: Clock,
        resume_from: State | None,
    ) -> None:
        self._solver = solver
        self._stages = stages
        self._size = size
        self._clock = clock
        self._resume_from = resume_from
        self._stored: SizePlan | None = None  # How the resumed optimizer stores its history.
        self.finished = FinishedStages(limit=limit_for(size, solver.config, resume_from))
        if resume_from is not None:
            saved = restored_stages(resume_from, len(stages))
            self._stored = self._plan(saved.stages, saved.limit)
            self.finished = saved._replace(limit=self.finished.limit)

    @property
    def has_time_for_next(self) -> bool:
        """Whether the next stage, if there is one, is worth starting."""
        following = self._stages[self.finished.stages :]
        return not following or self._clock.has_time_for(following[0])

    def minimize(self, start: StageStart) -> RunState:
        """Returns the end of a stage; plans it with less memory if there is not enough."""
        while True:
            plan = self._plan(start.number, self.finished.limit)
            if self._stored is not None:
                plan = plan._replace(
                    history=self._stored.history, bfloat16_history=self._stored.bfloat16_history
                )
            try:
                state = self._minimize(start, plan)
                break
            except tf.errors.ResourceExhaustedError:
                limit = int(_LESS * plan.memory)
                if self._plan(start.number, limit) == plan:
                    raise  # No plan needs less.
                self.finished = self.finished._replace(limit=limit)
        self._resume_from = self._stored = None
        self.finished = self.finished._replace(
            stages=start.number + 1, step=state.step, num_evaluations=state.num_evaluations
        )
        return state

    def _minimize(self, start: StageStart, plan: SizePlan) -> RunState:
        solver, finished = self._solver, self.finished
        stage = solver.problem_for(plan).at(
            start.pictures, exponent=solver.config.optimizer.exponent_at(start.number)
        )
        is_last = start.number == len(self._stages) - 1
        by_clock = self._clock.deadline is not None and is_last

        deadline = self._clock.start(
            self._stages[start.number :],
            time_evaluation=lambda: solver.time_evaluation(stage, plan),
        )
        state = solver.minimize(
            stage,
            plan,
            MOST_STEPS if by_clock else start.stage.steps,
            finished=finished,
            deadline=deadline,
            resume_from=self._resume_from,
        )
        self._clock.stop(start.stage, state.num_evaluations - finished.num_evaluations)
        return state

    def _plan(self, index: int, limit: int) -> SizePlan:
        return plan_run(self._size, self._solver.config, limit)[index].size_plan


@contextlib.contextmanager
def enough_memory(size: tuple[int, int]) -> Iterator[None]:
    """Raises MemoryError, with ways out, if TensorFlow runs out of memory for this size."""
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        height, width = size
        raise MemoryError(
            f"There is not enough memory for {width}x{height} px, or no space for maps in the "
            "folder for temporary files (TMPDIR). Use a smaller `size`, a shorter `history`, or "
            "the optimizer 'adam'."
        ) from error
