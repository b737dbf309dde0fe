"""L-BFGS that tries the unit step first: little more than one evaluation a step.

Knows nothing about images. The steps run in one graph, traced once for all shapes. Only a failed
step leaves that graph, for the line search of TensorFlow Probability.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_style._checks import check_number
from tf_style.config.optimizer import OptimizerConfig
from tf_style.graphs.slots import flag, put, seen, slot, stopped_by, taken
from tf_style.graphs.tracing import for_all_sizes, kept_by_function
from tf_style.optimizers import slices
from tf_style.optimizers.cancellation import Cancellation
from tf_style.optimizers.lbfgs_state import LbfgsState, initial_state, state_kinds, without_history
from tf_style.optimizers.lbfgs_steps import Function, advance
from tf_style.optimizers.line_search import search
from tf_style.optimizers.pace import Pace, Pacing
from tf_style.optimizers.scaling import scaled_function, unit_scale
from tf_style.optimizers.solution import (
    MAX_RESTARTS_WITHOUT_GAIN,
    NotFiniteError,
    OnSlice,
    Solution,
    State,
    Status,
    Step,
    ValueAndGradient,
    checked_start,
    norm,
    restored,
)


def minimize_lbfgs(
    value_and_gradient: ValueAndGradient,
    start: tf.Tensor,
    *,
    arguments: tuple = (),
    num_steps: int,
    history: int = OptimizerConfig.history,
    bfloat16_history: bool = False,
    jit_compile: bool = False,
    first_step: float = 0.01,
    slice_seconds: float = 5.0,
    pause_every: int | None = None,
    deadline: float | None = None,
    on_slice: OnSlice | None = None,
    cancellation: Cancellation | None = None,
    resume_from: State | None = None,
) -> Solution:
    """Minimizes with L-BFGS: the unit step first, Hager and Zhang's line search if it fails.

    Near a minimum the unit step is the best one (Nocedal & Wright (2006), section 7.2). In style
    transfer it almost always lowers the loss. If it does not, a shorter step in the same direction
    is tried, then the line search. If that fails too, the history is cleared and a shorter step is
    made along the gradient. After three such restarts without gain the status is
    `LINE_SEARCH_FAILED`. With a deadline the line search is skipped, because tracing it takes
    seconds.

    Args:
        value_and_gradient: maps (float tensor of the start's shape, *arguments) to (scalar,
            gradient of the same shape), for any size along each axis. A small cache of graphs
            keeps it alive.
        start: float tensor of any shape.
        arguments: tensors, or nests of tensors, passed on to `value_and_gradient`.
        num_steps: maximum number of steps. A step costs one evaluation, rarely more.
        history: number of curvature pairs; each takes twice the start's memory.
        bfloat16_history: store the pairs in bfloat16, in half of float32's memory.
        jit_compile: compile the steps with XLA, for each shape anew.
        first_step: root-mean-square length of the first step, in the position's units.
        slice_seconds: rough length of a slice, in seconds.
        pause_every: slices also end at every multiple of this many steps.
        deadline: latest end, on the clock of `time.perf_counter`. No step starts that would end
            later, judging by the time of the previous steps.
        on_slice: called between slices; a true result cancels the minimization.
        cancellation: cancels it from any thread, at the next step; under XLA after the slice.
        resume_from: what `Step.state` gave in a minimization of the same function from the same
            start with the same options. The path continues bit for bit.

    Returns:
        The solution. Its loss does not exceed the start's.

    Raises:
        TypeError: if the start is not of floats.
        ValueError: if a number is out of its range, or `resume_from` comes from another
            minimization.
        NotFiniteError: if value or gradient is NaN or infinite at the start.

    References:
        Liu & Nocedal (1989); Hager & Zhang (2005) for the line search.
    """
    check_number("history", history, minimum=1)
    start = checked_start(start, num_steps)
    method = Lbfgs(
        value_and_gradient,
        start,
        arguments=arguments,
        history=history,
        bfloat16_history=bfloat16_history,
        jit_compile=jit_compile,
        first_step=first_step,
    )
    pacing = Pacing(
        slice_seconds=slice_seconds,
        pause_every=pause_every,
        deadline=deadline,
        on_slice=on_slice,
        cancellation=cancellation,
    )
    return slices.run(method, num_steps=num_steps, pacing=pacing, resume_from=resume_from)


class LbfgsRun(NamedTuple):
    """A minimization between two slices.

    Attributes:
        state: L-BFGS's own; its pairs are in a slot, except under XLA.
        scale: factor of value and gradient.
        restarts: number of times that the history was cleared without a step since.
        since: steps made when the unit step last failed.
    """

    state: LbfgsState
    scale: float
    restarts: int = 0
    since: int = 0


class Lbfgs:
    """L-BFGS as a `slices.Method`, whose state is a `LbfgsRun`."""

    def __init__(
        self,
        value_and_gradient: ValueAndGradient,
        start: tf.Tensor,
        *,
        arguments: tuple,
        history: int,
        bfloat16_history: bool,
        jit_compile: bool,
        first_step: float = 0.01,
    ) -> None:
        """Takes what `minimize_lbfgs` takes; traces nothing yet."""
        self._start = start
        self._arguments = arguments
        self._history = history
        self._first_step = first_step
        self._stored_as = tf.bfloat16 if bfloat16_history else start.dtype
        self._in_slots = not jit_compile
        self._graphs = _graphs(value_and_gradient, jit_compile, self._stored_as)

    def begin(self, pace: Pace) -> LbfgsRun:
        """Evaluates the function at the start; see `slices.Method`."""
        state = self._stored(
            initial_state(tf.reshape(self._start, [-1]), self._history, stored_as=self._stored_as)
        )
        pace.start(0)
        arguments = self._start, self._arguments, 1.0, self._first_step
        state = self._graphs.advance(state, *arguments, 0, self._flags(flag()))
        pace.stop(1)
        if not np.isfinite(float(state.value)):
            raise NotFiniteError(self._start, 0)
        scale = float(unit_scale(state.gradient))
        state = state._replace(value=state.value * scale, gradient=state.gradient * scale)
        return LbfgsRun(state, scale)

    def resume(self, saved: State) -> LbfgsRun:
        """Restores what `Step.state` gave; see `slices.Method`."""
        # NumPy has no bfloat16: such pairs are saved as bits.
        saved_as = tf.uint16 if self._stored_as == tf.bfloat16 else self._stored_as
        num_values = int(tf.size(self._start))
        kinds = state_kinds(num_values, self._history, self._start.dtype, stored_as=saved_as)
        tensors = restored(saved, kinds)
        if saved_as != self._stored_as:
            tensors |= {"pairs": tf.bitcast(tensors["pairs"], self._stored_as)}
        kinds = {"scale": ([], tf.float64), "restarts": ([], tf.int64), "since": ([], tf.int64)}
        numbers = (tensor.numpy().item() for tensor in restored(saved, kinds).values())
        return LbfgsRun(self._stored(LbfgsState(**tensors)), *numbers)

    def advance(self, state: LbfgsRun, last_step: int, pace: Pace, *, may_trace: bool) -> LbfgsRun:
        """Makes steps; see `slices.Method`."""
        length = self._first_step * 0.1**state.restarts
        arguments = self._start, self._arguments, state.scale, length
        num_before = int(state.state.num_evaluations)
        lbfgs = self._graphs.advance(
            state.state, *arguments, last_step, self._flags(pace.stop_flag)
        )
        pace.stop(int(lbfgs.num_evaluations) - num_before)
        if not bool(lbfgs.failed):
            return state._replace(state=lbfgs)
        if may_trace:
            lbfgs = self._graphs.search(lbfgs, *arguments)
        restarts = 0 if int(lbfgs.num_steps) > state.since else state.restarts
        if bool(lbfgs.failed):
            lbfgs = without_history(lbfgs)
            restarts += 1
        return LbfgsRun(lbfgs, state.scale, restarts, int(lbfgs.num_steps))

    def step(self, state: LbfgsRun) -> Step:
        """Returns what has been reached; see `slices.Method`."""
        lbfgs = state.state
        return Step(
            tf.reshape(lbfgs.position, self._start.shape),
            float(lbfgs.value) / state.scale,
            int(lbfgs.num_steps),
            int(lbfgs.num_evaluations),
            functools.partial(_saved, state, self._stored_as),
        )

    def status(self, state: LbfgsRun) -> Status | None:
        """Returns why no further step can be made; see `slices.Method`."""
        if norm(state.state.gradient) == 0.0:
            return Status.CONVERGED
        failed = state.restarts > MAX_RESTARTS_WITHOUT_GAIN
        return Status.LINE_SEARCH_FAILED if failed else None

    def _flags(self, stop: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Returns the flags that stop a slice: none under XLA, which reads them only once."""
        return (stop,) if self._in_slots else ()

    def _stored(self, state: LbfgsState) -> LbfgsState:
        """Returns the state with its pairs, too large to copy, in a slot; except under XLA."""
        return state._replace(pairs=slot(state.pairs)) if self._in_slots else state


def _saved(progress: LbfgsRun, stored_as: tf.DType) -> State:
    """Returns the parts by name: a slot replaced by its pairs, bfloat16 by its bits."""
    saved = {**progress.state._asdict(), **progress._asdict()}
    del saved["state"]
    if saved["pairs"].dtype == tf.resource:
        saved["pairs"] = seen(saved["pairs"], stored_as)
    if stored_as == tf.bfloat16:
        saved["pairs"] = tf.bitcast(saved["pairs"], tf.uint16)
    return saved


def _on_slot(
    function: Callable[[LbfgsState], LbfgsState], state: LbfgsState, stored_as: tf.DType
) -> LbfgsState:
    """Returns `function(state)`, with the pairs taken from their slot and put back."""
    handle = state.pairs
    pairs = taken(handle, tf.TensorSpec([None, 2, None], stored_as))
    state = function(state._replace(pairs=pairs))
    put(handle, state.pairs)
    return state._replace(pairs=handle)


class _Graphs(NamedTuple):
    """The graphs of a minimization, each traced once for all sizes."""

    advance: Callable[..., LbfgsState]
    search: Callable[..., LbfgsState]


@kept_by_function
def _graphs(
    value_and_gradient: ValueAndGradient, jit_compile: bool, stored_as: tf.DType
) -> _Graphs:
    in_place = not jit_compile  # XLA updates arrays in place by itself, without slots.

    def on_pairs(function: Callable[[LbfgsState], LbfgsState], state: LbfgsState) -> LbfgsState:
        return _on_slot(function, state, stored_as) if in_place else function(state)

    def flat(like: tf.Tensor, arguments: tuple, scale: tf.Tensor) -> Function:
        def function(position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            position = tf.reshape(position, tf.shape(like))
            value, gradient = value_and_gradient(position, *arguments)
            return value, tf.reshape(gradient, [-1])

        return scaled_function(function, scale)

    def advance_graph(
        state: LbfgsState,
        like: tf.Tensor,
        arguments: tuple,
        scale: tf.Tensor,
        first_step: tf.Tensor,
        last_step: tf.Tensor,
        flags: tuple[tf.Tensor, ...],
    ) -> LbfgsState:
        function = flat(like, arguments, scale)
        steps = functools.partial(
            advance,
            function,
            first_step=first_step,
            last_step=last_step,
            is_stopped=stopped_by(flags),
            in_place=in_place,
        )
        return on_pairs(steps, state)

    def search_graph(
        state: LbfgsState,
        like: tf.Tensor,
        arguments: tuple,
        scale: tf.Tensor,
        first_step: tf.Tensor,
    ) -> LbfgsState:
        function = flat(like, arguments, scale)
        step = functools.partial(search, function, first_step=first_step, in_place=in_place)
        return on_pairs(step, state)

    compiled = functools.partial(for_all_sizes, jit_compile=jit_compile)
    return _Graphs(compiled(advance_graph), compiled(search_graph))
