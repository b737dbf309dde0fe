"""The steps of L-BFGS as graph operations: little more than one evaluation each.

Pure functions from state to state. They know nothing about images and are part of the surrounding
graph.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import tensorflow as tf

from tf_style.graphs.tracing import called_when_reached
from tf_style.optimizers.lbfgs_direction import step_direction
from tf_style.optimizers.lbfgs_state import LbfgsState
from tf_style.optimizers.ring_buffers import filled, products, with_column, with_pair, with_row

_SUFFICIENT_DECREASE = 1e-4  # Nocedal & Wright (2006), eq. 3.4.
_LEAST_CURVATURE = 1e-6  # Smallest cosine between a step and its change of gradient.
SHORTEST = 0.1
"""Share of the unit step. If so short a step fails, a line search takes over."""

Function: TypeAlias = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
"""Maps a position `[n]` to its value and gradient `[n]`."""


def advance(
    function: Function,
    state: LbfgsState,
    *,
    first_step: tf.Tensor,
    last_step: tf.Tensor,
    is_stopped: Callable[[], tf.Tensor] | None = None,
    in_place: bool = True,
    shortest: float = SHORTEST,
) -> LbfgsState:
    """Returns the state after more steps: up to `last_step`, a failed step, or a zero gradient.

    Args:
        function: maps a position `[n]` to its value and gradient.
        state: where to start.
        first_step: root-mean-square length of a step without history.
        last_step: int32, number of the last step.
        is_stopped: returns whether to end before the next evaluation.
        in_place: change the history in place, and read no more of it than is filled; False under
            XLA.
        shortest: share of the unit step below which a step has failed.
    """

    def step(state: LbfgsState) -> LbfgsState:
        direction = step_direction(state, first_step, in_place=in_place)
        position = state.position + state.length * direction
        value, gradient = function(position)
        trial = judged(
            state.value,
            value,
            slope=state.length * dot(state.gradient, direction),
            length=state.length,
            is_finite=tf.reduce_all(tf.math.is_finite(gradient)),
            shortest=shortest,
        )
        lowered = trial.lowered
        after = advanced(
            state,
            tf.where(lowered, position, state.position),
            tf.where(lowered, value, state.value),
            tf.where(lowered, gradient, state.gradient),
            in_place=in_place,
        )
        return after._replace(
            num_steps=state.num_steps + tf.cast(lowered, tf.int32),
            num_evaluations=state.num_evaluations + 1,
            length=trial.length,
            failed=trial.failed,
        )

    def continues(state: LbfgsState) -> tf.Tensor:
        is_flat = (state.num_steps >= 0) & tf.reduce_all(tf.equal(state.gradient, 0.0))
        continues = (state.num_steps < last_step) & ~state.failed & ~is_flat
        return continues if is_stopped is None else continues & ~is_stopped()

    # XLA writes the body of a loop once for each loop around it, and a called function once.
    body = step if in_place else called_when_reached(step)
    return tf.while_loop(
        continues,
        lambda state: (body(state),),
        (state,),
        parallel_iterations=1,
    )[0]


class Trial(NamedTuple):
    """What a trial step leads to; scalars, or `[b]` for a batch.

    Attributes:
        lowered: bool, whether it lowered the value enough.
        length: share of the direction to try next: 1, or less if it did not.
        failed: bool, whether even a short step did not.
    """

    lowered: tf.Tensor
    length: tf.Tensor
    failed: tf.Tensor


def judged(
    before: tf.Tensor,
    value: tf.Tensor,
    *,
    slope: tf.Tensor,
    length: tf.Tensor,
    is_finite: tf.Tensor,
    shortest: float = SHORTEST,
) -> Trial:
    """Returns what a trial step leads to; of scalars, or of `[b]` for a batch.

    Args:
        before: the value where the step started.
        value: the value where it ended.
        slope: the gradient at the start times the step.
        length: share of the direction that was tried.
        is_finite: bool, whether the gradient at the end is finite.
        shortest: share of the direction below which a trial has failed.
    """
    # Rounding may turn a direction uphill. Even then the value must not rise.
    lowered = value <= before + _SUFFICIENT_DECREASE * tf.minimum(slope, 0.0)
    lowered &= is_finite
    # Nocedal & Wright (2006), eq. 3.57: the minimum of the interpolating parabola.
    parabola = -slope / (2.0 * (value - before - slope))
    shorter = length * tf.clip_by_value(parabola, 0.1, 0.5)
    shorter = tf.where(tf.math.is_finite(parabola), shorter, 0.1 * length)
    return Trial(
        lowered, tf.where(lowered, tf.ones_like(shorter), shorter), ~lowered & (shorter < shortest)
    )


def is_curved(pair: tf.Tensor) -> tf.Tensor:
    """Returns whether pairs, float `[..., 2, n]`, have enough curvature to be stored: `[...]`."""
    # Not a matrix product: GPUs round its factors to ten bits.
    position_delta, gradient_delta = tf.unstack(pair, axis=-2)
    lengths = tf.norm(position_delta, axis=-1) * tf.norm(gradient_delta, axis=-1)
    return tf.reduce_sum(position_delta * gradient_delta, -1) > _LEAST_CURVATURE * lengths


def advanced(
    state: LbfgsState,
    position: tf.Tensor,
    value: tf.Tensor,
    gradient: tf.Tensor,
    *,
    in_place: bool = True,
) -> LbfgsState:
    """Returns the state after a step; stores the pair if its curvature is positive.

    All products with the history come from one pass over it.
    """

    def as_stored(delta: tf.Tensor) -> tf.Tensor:  # So that the products match the history.
        return tf.cast(tf.cast(delta, state.pairs.dtype), position.dtype)

    deltas = as_stored(position - state.position), as_stored(gradient - state.gradient)
    vectors = tf.stack([*deltas, gradient])
    pair = vectors[:2]
    is_stored = is_curved(pair)
    history = tf.shape(state.inner)[0]
    row = state.num_pairs % history
    pairs = with_pair(state.pairs, row, pair, is_stored, in_place=in_place)
    num_pairs = state.num_pairs + tf.cast(is_stored, tf.int32)
    found = tf.cast(products(vectors, filled(pairs, num_pairs, in_place=in_place)), tf.float64)
    found = tf.pad(found, [[0, 0], [0, history - tf.shape(found)[1]], [0, 0]])
    by_position_delta, by_gradient_delta, along = tf.unstack(found)
    inner = with_row(state.inner, row, by_position_delta[:, 1])
    inner = with_column(inner, row, by_gradient_delta[:, 0])
    squares = by_gradient_delta[:, 1]
    square = with_column(with_row(state.square, row, squares), row, squares)
    return state._replace(
        position=position,
        value=value,
        gradient=gradient,
        pairs=pairs,
        inner=tf.where(is_stored, inner, state.inner),
        square=tf.where(is_stored, square, state.square),
        along=tf.ensure_shape(along, state.along.shape),
        num_pairs=num_pairs,
        num_steps=state.num_steps + 1,
    )


def dot(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """Returns the scalar product of two vectors."""
    return tf.reduce_sum(left * right)
