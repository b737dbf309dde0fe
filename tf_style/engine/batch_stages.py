"""Runs of several pictures of one size, from coarse to fine, with one evaluation for all of them.

Each picture takes the steps of `stages.run`, with its own styles, weights and number of steps. At
small sizes one evaluation of a batch costs much less than one for each picture.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_style.config.scales import Stage
from tf_style.config.style_config import StyleConfig
from tf_style.engine.batch import MOST_PIXELS, batch_function, kind_of, num_pixels, stacked
from tf_style.engine.coarse_to_fine import refined
from tf_style.engine.memory_plan import limit_of, plan_sizes
from tf_style.engine.pictures import Pictures, at_scale
from tf_style.engine.plan import stages_of
from tf_style.engine.problem import Problem, ProblemData, StageProblem
from tf_style.engine.run_state import RunState
from tf_style.engine.solver import not_finite
from tf_style.graphs import slots
from tf_style.graphs.tracing import for_all_sizes, kept_by_function
from tf_style.inputs.sizes import smallest_side
from tf_style.objective.loss import LossWeights, weights_of
from tf_style.optimizers import batch_lbfgs, batch_state
from tf_style.optimizers.batch_state import BatchState
from tf_style.optimizers.cancellation import Cancellation
from tf_style.optimizers.pace import Pace, Pacing
from tf_style.optimizers.solution import Status

_WEIGHTS = ("content_weight", "style_weight", "style_strength", "tv_weight")


class BatchRun(NamedTuple):
    """One run of a batch.

    Attributes:
        number: what `on_slice` and messages call it.
        pictures: of the result's size, which all runs of a batch share.
        config: its steps and weights; all else is the same for the batch, see `shared_config`.
    """

    number: int
    pictures: Pictures
    config: StyleConfig


OnBatchSlice = Callable[[int, RunState], bool | None]
"""Called with the number of a run and how far it is, between slices of its steps; a true result
ends this run."""


def can_share(config: StyleConfig, size: tuple[int, int]) -> bool:
    """Returns whether runs of a config for results of this size can be computed as a batch.

    Those need our own L-BFGS, no clock, and memory for a whole batch without shortcuts. XLA does
    not compile a batch, so `jit_compile="auto"` means "off" in one; pictures that run one by one
    are compiled.
    """
    if config.optimizer.optimizer != "lbfgs" or config.compute.time_budget:
        return False
    if config.compute.jit_compile not in ("off", "auto"):
        return False
    steps = max(stage.steps for stage in stages_of(size, config))
    pixels = max(size[0] * size[1], MOST_PIXELS)
    (plan,) = plan_sizes([(pixels, steps)], config, limit_of(config) or 0)
    return plan.tiling is None and not plan.is_short and not plan.bfloat16_history


def shared_config(config: StyleConfig) -> StyleConfig:
    """Returns what the configs of a batch must have in common: all but steps and weights."""
    default = StyleConfig()
    loss = {name: getattr(default.loss, name) for name in _WEIGHTS}
    return config.replace(steps=default.optimizer.steps, **loss)


def run_batch(
    problem: Problem,
    runs: Sequence[BatchRun],
    *,
    pause_every: int | None = None,
    on_slice: OnBatchSlice | None = None,
    cancellation: Cancellation | None = None,
) -> list[RunState]:
    """Returns the end of each run, in their order.

    Args:
        problem: what is minimized, for a config that all runs share.
        runs: pictures of one size, at least one.
        pause_every: slices also end when a run has made a multiple of this many steps.
        on_slice: see `OnBatchSlice`.
        cancellation: ends all runs at the next step.

    Raises:
        FloatingPointError: if a value is not finite; names the run and the term.
    """
    size = tuple(runs[0].pictures.content.shape[1:3])
    stages = [stages_of(size, run.config) for run in runs]
    ends: dict[int, RunState] = {}
    control = _Control(slots.flag(), pause_every, on_slice, cancellation or Cancellation())
    with control.cancellation.calling(lambda: slots.set_flag(control.stop_flag)):
        for number in range(len(stages[0])):
            going = [
                _Going(row, run, stages[row], number, ends.get(row))
                for row, run in enumerate(runs)
                if row not in ends or ends[row].status is not Status.CANCELLED
            ]
            for chunk in _chunks(problem, going):
                ends.update(_minimized(problem, chunk, control))
    return [ends[row] for row in range(len(runs))]


class _Control(NamedTuple):
    """What pauses runs, and what may end them early.

    Attributes:
        stop_flag: handle of the flag (`graphs.slots`) that ends a slice after its current step.
        pause_every: as for `run_batch`.
        on_slice: see `OnBatchSlice`.
        cancellation: sets the flag.
    """

    stop_flag: tf.Tensor
    pause_every: int | None
    on_slice: OnBatchSlice | None
    cancellation: Cancellation


class _Going(NamedTuple):
    """A run at the start of a stage.

    Attributes:
        row: its number in the batch.
        run: its pictures and config.
        stages: all of them.
        number: of the stage.
        before: the end of the stage before; None for the first stage.
    """

    row: int
    run: BatchRun
    stages: Sequence[Stage]
    number: int
    before: RunState | None

    @property
    def stage(self) -> Stage:
        """The stage itself."""
        return self.stages[self.number]

    def problem(self, problem: Problem) -> StageProblem:
        """Returns the problem at the stage's size; its start continues the stage before."""
        whole, config = self.run.pictures, self.run.config
        here = at_scale(whole, self.stage.scale, smallest_side=smallest_side(config))
        if self.before is not None:
            start = refined(self.before.image, here.start, whole.start)
            here = here._replace(start=start)
        return problem.at(
            here,
            exponent=config.optimizer.exponent_at(self.number),
            weights=LossWeights(*map(tf.constant, weights_of(config.loss))),
        )


class _Chunk(NamedTuple):
    """Runs at the start of a stage that are computed together, with their problems."""

    going: list[_Going]
    problems: list[StageProblem]


def _chunks(problem: Problem, going: Sequence[_Going]) -> Iterator[_Chunk]:
    """Yields the runs of a stage in the chunks that are computed together."""
    waiting: dict[str, _Chunk] = {}
    for each in going:
        own = each.problem(problem)
        kind = kind_of(own)
        chunk = waiting.setdefault(kind, _Chunk([], []))
        chunk.going.append(each)
        chunk.problems.append(own)
        if (len(chunk.going) + 1) * num_pixels(own) > MOST_PIXELS:
            yield waiting.pop(kind)
    yield from waiting.values()


def _minimized(problem: Problem, chunk: _Chunk, control: _Control) -> dict[int, RunState]:
    """Returns the ends of the runs of a chunk, by their numbers in the batch."""
    together = stacked(chunk.problems)
    graphs = _graphs(problem.values_and_gradients, problem)
    steps = np.array([each.stage.steps for each in chunk.going], np.int32)
    history = min(chunk.going[0].run.config.optimizer.history, int(steps.max()))
    state = graphs.begin(together.start, together.data, history)
    _check_finite(problem, chunk, state)
    cancelled = np.zeros(len(steps), bool)
    pace = Pace(Pacing(), control.stop_flag)
    while (going := batch_state.is_unfinished(state, steps).numpy()).any():
        if control.cancellation.is_cancelled:
            cancelled |= going
            break
        if state.each.failed.numpy().any():
            state = graphs.search(state, together.start, together.data)
        else:
            num_trials = pace.start(0)
            if control.pause_every:
                num_trials = min(num_trials, _trials_to_pause(chunk, state, going, control))
            state, num_done = graphs.advance(
                state, together.start, together.data, steps, num_trials, control.stop_flag
            )
            pace.stop(int(num_done))
        if control.on_slice is None:
            continue
        for row in np.flatnonzero(going).tolist():
            now = _run_state(problem, chunk, state, row)
            if control.on_slice(chunk.going[row].run.number, now):
                cancelled[row], steps[row] = True, 0
    ends = {}
    for row, each in enumerate(chunk.going):
        status = Status.CANCELLED if cancelled[row] else _status(state, row)
        end = _run_state(problem, chunk, state, row)
        ends[each.row] = dataclasses.replace(end, status=status)
    return ends


def _trials_to_pause(chunk: _Chunk, state: BatchState, going: np.ndarray, control: _Control) -> int:
    """Returns the number of trials after which a run may have made a multiple of its steps."""
    every = control.pause_every or 1
    made = state.each.num_steps.numpy() + [
        each.before.step if each.before else 0 for each in chunk.going
    ]
    return int((every - made % every)[going].min())


def _status(state: BatchState, row: int) -> Status:
    if bool(batch_state.has_failed(state)[row]):
        return Status.LINE_SEARCH_FAILED
    return Status.CONVERGED if bool(batch_state.is_flat(state)[row]) else Status.STEPS_USED


def _run_state(problem: Problem, chunk: _Chunk, state: BatchState, row: int) -> RunState:
    """Returns how far one run of a chunk is."""
    (_, _, stages, _, before), (data, start) = chunk.going[row], chunk.problems[row]
    position = tf.reshape(state.each.position[row], tf.shape(start))
    num_steps, num_evaluations = (
        int(counts[row]) for counts in (state.each.num_steps, state.each.num_evaluations)
    )
    return RunState(
        step=num_steps + (before.step if before else 0),
        num_steps=sum(stage.steps for stage in stages),
        num_evaluations=num_evaluations + (before.num_evaluations if before else 0),
        image=problem.picture(position, data),
        targets=data.targets,
        objective=problem.objective,
        loss=float(batch_state.values(state)[row]),
        weights=data.weights[0],
    )


def _check_finite(problem: Problem, chunk: _Chunk, state: BatchState) -> None:
    """Raises FloatingPointError if the value of a run is not finite at its start."""
    for row, value in enumerate(state.each.value.numpy()):
        if not np.isfinite(value):
            data = chunk.problems[row].data
            image = problem.picture(chunk.problems[row].start, data)
            terms = problem.objective.terms(image, data.targets, weights=data.weights[0])
            run, before = chunk.going[row].run, chunk.going[row].before
            message = not_finite(terms, before.step if before else 0)
            raise FloatingPointError(f"{run.number}: {message}")


class _Graphs(NamedTuple):
    """The graphs of a batch, each traced once for all sizes."""

    begin: Callable[..., BatchState]
    advance: Callable[..., tuple[BatchState, tf.Tensor]]
    search: Callable[..., BatchState]


@kept_by_function
def _graphs(values_and_gradients: Callable, problem: Problem) -> _Graphs:
    def begin(start: tf.Tensor, data: ProblemData, history: tf.Tensor) -> BatchState:
        count = tf.shape(tf.nest.flatten(data.targets)[0])[0]
        flat = tf.reshape(start, [count, -1])
        return batch_lbfgs.begin(batch_function(problem, data, start), flat, history)

    def advance(
        state: BatchState,
        like: tf.Tensor,
        data: ProblemData,
        num_steps: tf.Tensor,
        num_trials: tf.Tensor,
        stop_flag: tf.Tensor,
    ) -> tuple[BatchState, tf.Tensor]:
        function = batch_function(problem, data, like)
        return batch_lbfgs.advance_batch(
            function,
            state,
            num_steps=num_steps,
            num_trials=num_trials,
            is_stopped=slots.stopped_by((stop_flag,)),
        )

    def search(state: BatchState, like: tf.Tensor, data: ProblemData) -> BatchState:
        return batch_lbfgs.search_failed(batch_function(problem, data, like), state)

    return _Graphs(for_all_sizes(begin), for_all_sizes(advance), for_all_sizes(search))
