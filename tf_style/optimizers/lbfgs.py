"""L-BFGS that tries the unit step first: hardly more than one evaluation a step.

Knows nothing about images. Steps run in one graph, traced once for all shapes; only a step
that fails leaves it, for the line search of TensorFlow Probability.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_style._checks import check_number
from tf_style.config.optimizer import OptimizerConfig
from tf_style.graphs.slots import put, seen, slot, taken
from tf_style.graphs.tracing import for_all_sizes, kept_by_function
from tf_style.optimizers.lbfgs_steps import (
    Function,
    LbfgsState,
    advance,
    forgotten,
    initial_state,
    state_kinds,
)
from tf_style.optimizers.line_search import search
from tf_style.optimizers.pace import Pace
from tf_style.optimizers.scaling import scaled, unit_scale
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
    ended,
    norm,
    taken_up,
)

_RINGS = ("position_deltas", "gradient_deltas")  # Of a state: too large to be copied.


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
    resume_from: State | None = None,
) -> Solution:
    """Minimizes with L-BFGS, the unit step first, Hager and Zhang's search where that fails.

    Near a minimum the unit step is the best one (Nocedal & Wright (2006), section 7.2), and on
    style transfer it lowers the loss almost always. Where it does not, a shorter one along
    the same direction is tried, then the line search. When that fails too, the memory is
    emptied and a shorter step made along the gradient; after three that gain nothing the
    status is `LINE_SEARCH_FAILED`. Within a deadline the memory is emptied at once: to trace
    the search takes seconds.

    Args:
        value_and_gradient: maps (float tensor of the start's shape, *arguments) to (scalar,
            gradient of the same shape), for any size along each axis. Kept alive in a small
            cache of graphs.
        start: float tensor of any shape.
        arguments: tensors, or nests of tensors, handed through to `value_and_gradient`.
        num_steps: steps at most. One costs one evaluation, seldom more.
        history: curvature pairs kept; each takes twice the start's size.
        bfloat16_history: keep them rounded to bfloat16; of float32, they take half of that.
        jit_compile: let XLA compile the steps, for each shape anew.
        first_step: root-mean-square length of the first step, in the position's units.
        slice_seconds: time after which a slice ends, roughly.
        pause_every: slices also end at every multiple of so many steps.
        deadline: when to end, on the clock of `time.perf_counter`: no step begins that would
            end later, as far as the last ones tell.
        on_slice: called between slices.
        resume_from: what `Step.state` gave in a minimization of the same function from the same
            start, with the same options: this one goes on from there, to the bit.

    Returns:
        The solution. Its loss does not exceed the start's.

    Raises:
        TypeError: if the start is not of floats.
        ValueError: if a number is out of its range, or `resume_from` of another minimization.
        NotFiniteError: if value or gradient are NaN or infinite at the start.

    References:
        Liu & Nocedal (1989); Hager & Zhang (2005) for the line search.
    """
    check_number("history", history, minimum=1)
    start = checked_start(start, num_steps)
    kept_as = tf.bfloat16 if bfloat16_history else start.dtype
    graphs = _graphs(value_and_gradient, jit_compile, kept_as)
    pace = Pace(slice_seconds, pause_every, deadline)
    if resume_from is None:
        state = initial_state(tf.reshape(start, [-1]), history, kept_as=kept_as)
        state = state if jit_compile else _with_slots(state)
        pace.start(0)
        state = graphs.advance(state, start, arguments, 1.0, first_step, 0)
        pace.stop(1)
        if not np.isfinite(float(state.value)):
            raise NotFiniteError(start, 0)
        scale = float(unit_scale(state.gradient))
        state = state._replace(value=state.value * scale, gradient=state.gradient * scale)
        tries = _Tries(scale)
    else:
        state, tries = _resumed(resume_from, start, history, kept_as)
        state = state if jit_compile else _with_slots(state)
        scale = tries.scale
    while True:
        done = int(state.num_steps)
        begun = int(state.num_evaluations) > 1
        step = _step(state, start, tries, kept_as)
        if begun and on_slice is not None and on_slice(step):
            status = Status.CANCELLED
        elif done >= num_steps:
            status = Status.STEPS_USED
        elif pace.over:
            status = Status.TIME_USED
        elif norm(state.gradient) == 0.0:
            status = Status.CONVERGED
        elif tries.restarts > MAX_RESTARTS_WITHOUT_GAIN:
            status = Status.LINE_SEARCH_FAILED
        else:
            limit = min(num_steps, done + pace.start(done))
            length = first_step * 0.1**tries.restarts
            evaluations = int(state.num_evaluations)
            state = graphs.advance(state, start, arguments, scale, length, limit)
            pace.stop(int(state.num_evaluations) - evaluations)
            if bool(state.failed):
                if deadline is None:  # Tracing the search takes seconds.
                    state = graphs.search(state, start, arguments, scale, length)
                restarts = 0 if int(state.num_steps) > tries.since else tries.restarts
                if bool(state.failed):
                    state = forgotten(state)
                    restarts += 1
                tries = _Tries(scale, restarts, int(state.num_steps))
            continue
        return ended(step, status)


class _Tries(NamedTuple):
    """What is known beside the state.

    Attributes:
        scale: of value and gradient.
        restarts: times that the memory was emptied without a step since.
        since: steps done when the unit step last failed.
    """

    scale: float
    restarts: int = 0
    since: int = 0


def _with_slots(state: LbfgsState) -> LbfgsState:
    """Returns the state with slots in the place of the rings."""
    return state._replace(**{ring: slot(getattr(state, ring)) for ring in _RINGS})


def _step(state: LbfgsState, start: tf.Tensor, tries: _Tries, kept_as: tf.DType) -> Step:
    return Step(
        tf.reshape(state.position, start.shape),
        float(state.value) / tries.scale,
        int(state.num_steps),
        int(state.num_evaluations),
        functools.partial(_saved, state, tries, kept_as),
    )


def _saved(state: LbfgsState, tries: _Tries, kept_as: tf.DType) -> State:
    """Returns the state by name, with rings in the place of slots, and bits in that of bfloat16."""
    saved = {**state._asdict(), **tries._asdict()}
    for ring in _RINGS:
        if saved[ring].dtype == tf.resource:
            saved[ring] = seen(saved[ring], kept_as)
        if kept_as == tf.bfloat16:  # Which NumPy does not know.
            saved[ring] = tf.bitcast(saved[ring], tf.uint16)
    return saved


def _resumed(
    resume_from: State, start: tf.Tensor, history: int, kept_as: tf.DType
) -> tuple[LbfgsState, _Tries]:
    """Returns what `_saved` has given."""
    saved_as = tf.uint16 if kept_as == tf.bfloat16 else kept_as
    kinds = state_kinds(int(tf.size(start)), history, start.dtype, kept_as=saved_as)
    tensors = taken_up(resume_from, kinds)
    if saved_as != kept_as:
        tensors |= {ring: tf.bitcast(tensors[ring], kept_as) for ring in _RINGS}
    state = LbfgsState(**tensors)
    kinds = {"scale": ([], tf.float64), "restarts": ([], tf.int64), "since": ([], tf.int64)}
    tries = taken_up(resume_from, kinds)
    return state, _Tries(*(tensor.numpy().item() for tensor in tries.values()))


def _on_slots(
    function: Callable[[LbfgsState], LbfgsState], state: LbfgsState, kept_as: tf.DType
) -> LbfgsState:
    """Returns the function of a state whose rings are taken from slots and left there again."""
    like = tf.TensorSpec([None, None], kept_as)
    handles = {ring: getattr(state, ring) for ring in _RINGS}
    state = function(
        state._replace(**{ring: taken(handle, like) for ring, handle in handles.items()})
    )
    for ring, handle in handles.items():
        put(handle, getattr(state, ring))
    return state._replace(**handles)


class _Graphs(NamedTuple):
    """The graphs of a minimization, each traced once for all sizes."""

    advance: Callable[..., LbfgsState]
    search: Callable[..., LbfgsState]


@kept_by_function
def _graphs(value_and_gradient: ValueAndGradient, jit_compile: bool, kept_as: tf.DType) -> _Graphs:
    in_place = not jit_compile  # XLA changes its arrays in place of itself, and knows no slots.

    def on_rings(function: Callable[[LbfgsState], LbfgsState], state: LbfgsState) -> LbfgsState:
        return _on_slots(function, state, kept_as) if in_place else function(state)

    def flat(like: tf.Tensor, arguments: tuple, scale: tf.Tensor) -> Function:
        def function(position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            position = tf.reshape(position, tf.shape(like))
            value, gradient = value_and_gradient(position, *arguments)
            return value, tf.reshape(gradient, [-1])

        return scaled(function, scale)

    def further(
        state: LbfgsState,
        like: tf.Tensor,
        arguments: tuple,
        scale: tf.Tensor,
        first_step: tf.Tensor,
        last: tf.Tensor,
    ) -> LbfgsState:
        function = flat(like, arguments, scale)

        def work(state: LbfgsState) -> LbfgsState:
            return advance(
                function, state, first_step=first_step, last_step=last, in_place=in_place
            )

        return on_rings(work, state)

    def searched(
        state: LbfgsState,
        like: tf.Tensor,
        arguments: tuple,
        scale: tf.Tensor,
        first_step: tf.Tensor,
    ) -> LbfgsState:
        function = flat(like, arguments, scale)

        def work(state: LbfgsState) -> LbfgsState:
            return search(function, state, first_step=first_step, in_place=in_place)

        return on_rings(work, state)

    compiled = functools.partial(for_all_sizes, jit_compile=jit_compile)
    return _Graphs(compiled(further), compiled(searched))
