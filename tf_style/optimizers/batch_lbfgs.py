"""L-BFGS for several functions at once: one evaluation serves all of them.

Each function has a position, a history, a step length and an end of its own, so that its path is
the one that `lbfgs` takes for it alone, except for rounding. Operations of the surrounding graph.
Knows nothing about images.
"""

from collections.abc import Callable
from typing import TypeAlias

import tensorflow as tf

from tf_style.config.optimizer import OptimizerConfig
from tf_style.optimizers.batch_state import (
    BatchState,
    is_unfinished,
    pairs_of,
    state_of,
    with_entry,
    with_pairs,
    with_state,
)
from tf_style.optimizers.lbfgs_direction import direction_weights
from tf_style.optimizers.lbfgs_state import LbfgsState, initial_state, without_history
from tf_style.optimizers.lbfgs_steps import is_curved, judged
from tf_style.optimizers.line_search import search
from tf_style.optimizers.ring_buffers import combined, products
from tf_style.optimizers.scaling import unit_scale
from tf_style.optimizers.solution import MAX_RESTARTS_WITHOUT_GAIN

BatchFunction: TypeAlias = Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
"""Maps positions `[k, n]` and the int32 numbers `[k]` of their functions to values `[k]` and
gradients `[k, n]`."""


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
    zeros = tf.zeros([count], tf.int32)
    empty = initial_state(start[0], history)
    each = LbfgsState(*(tf.repeat(part[tf.newaxis], count, 0) for part in empty))
    each = each._replace(
        position=start,
        value=factor * value,
        gradient=factor[:, tf.newaxis] * gradient,
        pairs=tf.zeros([count * history, 2, tf.shape(start)[1]], start.dtype),
        num_steps=zeros,
        num_evaluations=zeros + 1,
    )
    return BatchState(each, scale, zeros, zeros)


def minimize_batch(
    function: BatchFunction,
    start: tf.Tensor,
    *,
    num_steps: tf.Tensor,
    history: int = OptimizerConfig.history,
) -> BatchState:
    """Returns where each minimization ends.

    Differs from `lbfgs`: where a unit step and shorter ones fail, which is rare, there is no line
    search. Its graph would be larger than everything else.

    Args:
        function: the functions.
        start: float `[b, n]`.
        num_steps: int32 `[b]`, the maximum number of steps of each.
        history: number of curvature pairs; each takes twice the start's memory.
    """

    def attempt(state: BatchState) -> tuple[BatchState]:
        state, _ = advance_batch(function, state, num_steps=num_steps)
        return (restarted(state),)

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
) -> tuple[BatchState, tf.Tensor]:
    """Returns the state after more trial steps of every unfinished minimization, and their number.

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
    done, state = tf.while_loop(continues, trial, begun, parallel_iterations=1)
    return state, done


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
    by_gradient, by_pairs = (
        tf.cast(weights, dtype)
        for weights in direction_weights(
            each.inner, each.square, each.along, tf.maximum(each.num_pairs, 1)
        )
    )
    direction = by_gradient[:, tf.newaxis] * gradient + combined(by_pairs, pairs_of(each))
    return tf.where(has_history, direction, -steepest)


def _advanced(each: LbfgsState, position: tf.Tensor, gradient: tf.Tensor) -> LbfgsState:
    """Returns the states after steps; stores the pairs whose curvature is positive.

    The counterpart of `lbfgs_steps.advanced`. A function that has not moved stores nothing.
    """
    count, history = tf.unstack(tf.shape(each.inner)[:2])
    row = each.num_pairs % history
    places = tf.range(count) * history + row
    vectors = tf.stack([position - each.position, gradient - each.gradient, gradient], 1)
    pair = vectors[:, :2]
    is_stored = is_curved(pair)
    kept = tf.gather(each.pairs, places)
    pair = tf.where(is_stored[:, tf.newaxis, tf.newaxis], pair, kept)
    each = each._replace(pairs=with_pairs(each.pairs, places, pair))
    found = tf.cast(products(vectors, pairs_of(each)), tf.float64)
    by_position_delta, by_gradient_delta, along = tf.unstack(found, axis=1)
    is_row = tf.equal(tf.range(history), row[:, tf.newaxis]) & is_stored[:, tf.newaxis]

    def with_row(matrix: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
        return tf.where(is_row[:, :, tf.newaxis], values[:, tf.newaxis], matrix)

    def with_column(matrix: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
        return tf.where(is_row[:, tf.newaxis], values[:, :, tf.newaxis], matrix)

    inner = with_row(each.inner, by_position_delta[:, :, 1])
    inner = with_column(inner, by_gradient_delta[:, :, 0])
    squares = by_gradient_delta[:, :, 1]
    return each._replace(
        position=position,
        gradient=gradient,
        inner=inner,
        square=with_column(with_row(each.square, squares), squares),
        along=along,
        num_pairs=each.num_pairs + tf.cast(is_stored, tf.int32),
    )


def restarted(state: BatchState) -> BatchState:
    """Returns the state with the history cleared of each function whose trials failed."""
    each, failed = state.each, state.each.failed
    made_none = tf.equal(each.num_steps, state.since)
    return state._replace(
        each=each._replace(
            num_pairs=tf.where(failed, 0, each.num_pairs),
            length=tf.where(failed, tf.ones_like(each.length), each.length),
            failed=tf.zeros_like(failed),
        ),
        restarts=tf.where(failed, tf.where(made_none, state.restarts, 0) + 1, state.restarts),
        since=tf.where(failed, each.num_steps, state.since),
    )


def search_failed(function: BatchFunction, state: BatchState) -> BatchState:
    """Returns the state after a line search for each function whose trials failed.

    Where that fails too, the history is cleared, as in `lbfgs`.
    """
    rows = tf.where(state.each.failed)[:, 0]

    def searched(index: tf.Tensor, state: BatchState) -> tuple[tf.Tensor, BatchState]:
        row = tf.cast(rows[index], tf.int32)
        one = search(
            lambda position: _alone(function, state, position, row),
            state_of(state.each, row),
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
            each=with_state(state.each, row, one),
            restarts=with_entry(state.restarts, row, restarts),
            since=with_entry(state.since, row, one.num_steps),
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
