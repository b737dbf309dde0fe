"""L-BFGS for several functions at once: one evaluation serves all of them.

Each function has a position, a history, a step length and an end of its own, so that its path is
the one that `lbfgs` takes for it alone, except for rounding. Operations of the surrounding graph.
Knows nothing about images.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import tensorflow as tf

from tf_style.config.optimizer import OptimizerConfig
from tf_style.graphs.tracing import called_when_reached
from tf_style.optimizers.lbfgs_direction import history_weights
from tf_style.optimizers.lbfgs_state import LbfgsState, initial_state, without_history
from tf_style.optimizers.lbfgs_steps import is_curved, judged
from tf_style.optimizers.line_search import search
from tf_style.optimizers.ring_buffers import with_row_in_place
from tf_style.optimizers.scaling import unit_scale
from tf_style.optimizers.solution import MAX_RESTARTS_WITHOUT_GAIN

BatchFunction: TypeAlias = Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
"""Maps positions `[k, n]` and the int32 numbers `[k]` of their functions to values `[k]` and
gradients `[k, n]`."""


class BatchState(NamedTuple):
    """Several minimizations between two steps.

    Attributes:
        each: the state of each, with one more dimension in front, `[b, ...]`; but rings are float
            `[b * m, n]`, with the m rows of each function together.
        scale: float64 `[b]`, factor of each value and gradient.
        restarts: int32 `[b]`, number of times that a history was cleared without a step since.
        since: int32 `[b]`, steps made when the unit step last failed.
    """

    each: LbfgsState
    scale: tf.Tensor
    restarts: tf.Tensor
    since: tf.Tensor


def begin(function: BatchFunction, start: tf.Tensor, history: int) -> BatchState:
    """Returns the state at the start, with the value and gradient of each function there.

    Args:
        function: the functions.
        start: float `[b, n]`.
        history: number of curvature pairs, m.
    """
    count = tf.shape(start)[0]
    value, gradient = function(start, tf.range(count))
    scale = tf.map_fn(unit_scale, gradient, fn_output_signature=tf.float64)
    factor = tf.cast(scale, start.dtype)

    def ring() -> tf.Tensor:
        return tf.zeros([count * history, tf.shape(start)[1]], start.dtype)

    zeros = tf.zeros([count], tf.int32)
    empty = initial_state(start[0], history)
    each = LbfgsState(*(tf.repeat(part[tf.newaxis], count, 0) for part in empty))
    each = each._replace(
        position=start,
        value=factor * value,
        gradient=factor[:, tf.newaxis] * gradient,
        position_deltas=ring(),
        gradient_deltas=ring(),
        num_steps=zeros,
        num_evaluations=zeros + 1,
    )
    return BatchState(each, scale, zeros, zeros)


def values(state: BatchState) -> tf.Tensor:
    """Returns the value of each function at its position, float `[b]`."""
    return tf.cast(tf.cast(state.each.value, tf.float64) / state.scale, state.each.value.dtype)


def is_unfinished(state: BatchState, num_steps: tf.Tensor) -> tf.Tensor:
    """Returns whether each function's minimization goes on, bool `[b]`.

    Args:
        state: where it is.
        num_steps: int32 `[b]`, the maximum number of steps of each.
    """
    return ~(is_flat(state) | has_failed(state)) & (state.each.num_steps < num_steps)


def is_flat(state: BatchState) -> tf.Tensor:
    """Returns where the gradient is 0, bool `[b]`."""
    return tf.reduce_all(tf.equal(state.each.gradient, 0.0), 1)


def has_failed(state: BatchState) -> tf.Tensor:
    """Returns where too many restarts gained nothing, bool `[b]`."""
    return state.restarts > MAX_RESTARTS_WITHOUT_GAIN


def minimize_batch(
    function: BatchFunction,
    start: tf.Tensor,
    *,
    num_steps: tf.Tensor,
    history: int = OptimizerConfig.history,
) -> BatchState:
    """Returns where each minimization ends.

    Args:
        function: the functions.
        start: float `[b, n]`.
        num_steps: int32 `[b]`, the maximum number of steps of each.
        history: number of curvature pairs; each takes twice the start's memory.
    """

    def attempt(state: BatchState) -> tuple[BatchState]:
        state = advance_batch(function, state, num_steps=num_steps)
        searched = called_when_reached(lambda: search_failed(function, state))
        return (tf.cond(tf.reduce_any(state.each.failed), searched, lambda: state),)

    return tf.while_loop(
        lambda state: tf.reduce_any(is_unfinished(state, num_steps)),
        attempt,
        (begin(function, start, history),),
        parallel_iterations=1,
    )[0]


def advance_batch(
    function: BatchFunction,
    state: BatchState,
    *,
    num_steps: tf.Tensor,
    num_trials: tf.Tensor | int = 2**31 - 1,
    is_stopped: Callable[[], tf.Tensor] = lambda: tf.constant(False),
) -> BatchState:
    """Returns the state after more trial steps of every unfinished minimization.

    A trial that lowers its value is a step. Ends where even a short trial does not, for
    `search_failed`.

    Args:
        function: the functions. It is called for the unfinished ones only.
        state: where to start; none has failed.
        num_steps: int32 `[b]`, the maximum number of steps of each.
        num_trials: int32, the maximum number of trials.
        is_stopped: returns whether to end before the next trial.
    """

    def continues(done: tf.Tensor, state: BatchState) -> tf.Tensor:
        is_over = tf.reduce_any(state.each.failed) | (done >= num_trials) | is_stopped()
        return ~is_over & tf.reduce_any(is_unfinished(state, num_steps))

    def trial(done: tf.Tensor, state: BatchState) -> tuple[tf.Tensor, BatchState]:
        return done + 1, _after_trial(function, state, is_unfinished(state, num_steps))

    begun = (tf.constant(0), state)
    return tf.while_loop(continues, trial, begun, parallel_iterations=1)[1]


_FIRST_STEPS = tuple(0.01 * 0.1**restarts for restarts in range(MAX_RESTARTS_WITHOUT_GAIN + 2))
"""Root-mean-square length of the first step after each number of restarts, as in `lbfgs`."""


def _after_trial(function: BatchFunction, state: BatchState, active: tf.Tensor) -> BatchState:
    """Returns the state after one trial step of the active minimizations; others stay."""
    each, rows = state.each, tf.cast(tf.where(active)[:, 0], tf.int32)
    direction = _directions(each, tf.gather(_FIRST_STEPS, state.restarts))
    position = each.position + each.length[:, tf.newaxis] * direction
    found = function(tf.gather(position, rows), rows)
    factor = tf.cast(tf.gather(state.scale, rows), each.value.dtype)
    value = tf.tensor_scatter_nd_update(each.value, rows[:, tf.newaxis], factor * found[0])
    gradient = tf.tensor_scatter_nd_update(
        each.gradient, rows[:, tf.newaxis], factor[:, tf.newaxis] * found[1]
    )
    trial = judged(
        each.value,
        value,
        slope=each.length * tf.reduce_sum(each.gradient * direction, 1),
        length=each.length,
        is_finite=tf.reduce_all(tf.math.is_finite(gradient), 1),
    )
    lowered = (trial.lowered & active)[:, tf.newaxis]
    after = _advanced(
        each,
        tf.where(lowered, position, each.position),
        tf.where(lowered, gradient, each.gradient),
    )
    return state._replace(
        each=after._replace(
            value=tf.where(lowered[:, 0], value, each.value),
            num_steps=each.num_steps + tf.cast(lowered[:, 0], tf.int32),
            num_evaluations=each.num_evaluations + tf.cast(active, tf.int32),
            length=tf.where(active, trial.length, each.length),
            failed=trial.failed & active,
        )
    )


def _directions(each: LbfgsState, first_step: tf.Tensor) -> tf.Tensor:
    """Returns `lbfgs_direction.step_direction` of each, float `[b, n]`."""
    gradient, dtype = each.gradient, each.gradient.dtype
    size = tf.cast(tf.shape(gradient)[1], dtype)
    length = tf.cast(first_step, dtype) * tf.sqrt(size)
    steepest = tf.math.divide_no_nan(length, tf.norm(gradient, axis=1))[:, tf.newaxis] * gradient
    has_history = (each.num_pairs > 0)[:, tf.newaxis]
    position_deltas, gradient_deltas = _rings(each)
    scale, by_gradient_deltas, by_position_deltas = (
        tf.cast(weights, dtype)
        for weights in history_weights(
            each.inner,
            each.square,
            tf.cast(tf.linalg.matvec(position_deltas, gradient), tf.float64),
            tf.cast(tf.linalg.matvec(gradient_deltas, gradient), tf.float64),
            tf.maximum(each.num_pairs, 1),
        )
    )
    direction = (
        scale[:, tf.newaxis] * gradient
        + tf.linalg.matvec(position_deltas, by_position_deltas, transpose_a=True)
        - tf.linalg.matvec(gradient_deltas, by_gradient_deltas, transpose_a=True)
    )
    return -tf.where(has_history, direction, steepest)


def _rings(each: LbfgsState) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns both rings as float `[b, m, n]`."""
    shape = [*tf.unstack(tf.shape(each.inner)[:2]), tf.shape(each.position)[1]]
    return tf.reshape(each.position_deltas, shape), tf.reshape(each.gradient_deltas, shape)


def _advanced(each: LbfgsState, position: tf.Tensor, gradient: tf.Tensor) -> LbfgsState:
    """Returns the states after steps; stores the pairs whose curvature is positive.

    The counterpart of `lbfgs_steps.advanced`. A function that has not moved stores nothing.
    """
    count, history = tf.unstack(tf.shape(each.inner)[:2])
    row = each.num_pairs % history
    places = tf.range(count) * history + row
    deltas = position - each.position, gradient - each.gradient
    is_stored = is_curved(*deltas)
    before = tf.gather(each.position_deltas, places), tf.gather(each.gradient_deltas, places)
    position_delta, gradient_delta = (
        tf.where(is_stored[:, tf.newaxis], *pair) for pair in zip(deltas, before, strict=True)
    )
    each = each._replace(
        position_deltas=_with_rows(each.position_deltas, places, position_delta),
        gradient_deltas=_with_rows(each.gradient_deltas, places, gradient_delta),
    )

    def products(ring: tf.Tensor, delta: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.linalg.matvec(ring, delta), tf.float64)

    position_deltas, gradient_deltas = _rings(each)
    is_row = tf.equal(tf.range(history), row[:, tf.newaxis])

    def with_row(matrix: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
        return tf.where(is_row[:, :, tf.newaxis], values[:, tf.newaxis], matrix)

    def with_column(matrix: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
        return tf.where(is_row[:, tf.newaxis], values[:, :, tf.newaxis], matrix)

    inner = with_row(each.inner, products(gradient_deltas, position_delta))
    inner = with_column(inner, products(position_deltas, gradient_delta))
    squares = products(gradient_deltas, gradient_delta)
    return each._replace(
        position=position,
        gradient=gradient,
        inner=inner,
        square=with_column(with_row(each.square, squares), squares),
        num_pairs=each.num_pairs + tf.cast(is_stored, tf.int32),
    )


def _with_rows(ring: tf.Tensor, places: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """Returns the ring with some rows replaced, one by one and in place."""
    return tf.while_loop(
        lambda index, _: index < tf.size(places),
        lambda index, rest: (
            index + 1,
            tf.ensure_shape(with_row_in_place(rest, places[index], rows[index]), ring.shape),
        ),
        (tf.constant(0), ring),
        parallel_iterations=1,
    )[1]


def search_failed(function: BatchFunction, state: BatchState) -> BatchState:
    """Returns the state after a line search for each function whose trials failed.

    Where that fails too, the history is cleared, as in `lbfgs`.
    """
    rows = tf.where(state.each.failed)[:, 0]

    def searched(index: tf.Tensor, state: BatchState) -> tuple[tf.Tensor, BatchState]:
        row = tf.cast(rows[index], tf.int32)
        one = search(
            lambda position: _alone(function, state, position, row),
            _taken(state.each, row),
            first_step=tf.gather(_FIRST_STEPS, state.restarts[row]),
        )
        restarts = tf.where(one.num_steps > state.since[row], 0, state.restarts[row])
        restarts += tf.cast(one.failed, tf.int32)
        cleared = without_history(one)
        one = one._replace(
            num_pairs=tf.where(one.failed, cleared.num_pairs, one.num_pairs),
            length=tf.where(one.failed, cleared.length, one.length),
            failed=cleared.failed,
        )
        return index + 1, state._replace(
            each=_put(state.each, row, one),
            restarts=_with_entry(state.restarts, row, restarts),
            since=_with_entry(state.since, row, one.num_steps),
        )

    return tf.while_loop(
        lambda index, _: index < tf.size(rows),
        searched,
        (tf.constant(0), state),
        parallel_iterations=1,
    )[1]


def _alone(
    function: BatchFunction, state: BatchState, position: tf.Tensor, row: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the scaled value and gradient `[n]` of one function at a position `[n]`."""
    value, gradient = function(position[tf.newaxis], row[tf.newaxis])
    factor = tf.cast(state.scale[row], position.dtype)
    return factor * value[0], factor * gradient[0]


_RINGS = ("position_deltas", "gradient_deltas")


def _taken(each: LbfgsState, row: tf.Tensor) -> LbfgsState:
    """Returns the state of one function."""
    history = tf.shape(each.inner)[1]
    rows = {ring: getattr(each, ring)[row * history : (row + 1) * history] for ring in _RINGS}
    return LbfgsState(*(part[row] for part in each))._replace(**rows)


def _put(each: LbfgsState, row: tf.Tensor, one: LbfgsState) -> LbfgsState:
    """Returns the states with that of one function replaced."""
    history = tf.shape(each.inner)[1]
    places = row * history + tf.range(history)
    rings = {ring: _with_rows(getattr(each, ring), places, getattr(one, ring)) for ring in _RINGS}
    parts = {
        name: _with_entry(getattr(each, name), row, part)
        for name, part in one._asdict().items()
        if name not in _RINGS
    }
    return LbfgsState(**parts, **rings)


def _with_entry(values: tf.Tensor, row: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
    return tf.tensor_scatter_nd_update(values, [[row]], value[tf.newaxis])
