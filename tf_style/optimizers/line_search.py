"""The line search of TensorFlow Probability (TFP), for a step of L-BFGS that fails."""

from typing import NamedTuple

import tensorflow as tf

from tf_style.optimizers.lbfgs_steps import Function, LbfgsState, advanced, dot, step_direction

_MAX_SEARCH_ITERATIONS = 10


def search(
    function: Function,
    state: LbfgsState,
    *,
    first_step: tf.Tensor,
    in_place: bool = True,
) -> LbfgsState:
    """Returns the state after one step of a length that TFP's line search finds.

    Args:
        function: maps a position `[n]` to its value and gradient.
        state: whose unit step failed.
        first_step: as for `advance`.
        in_place: as for `advance`.

    References:
        Hager & Zhang (2005).
    """
    from tensorflow_probability.python.optimizer.linesearch import hager_zhang

    direction = step_direction(state, first_step)

    class Point(NamedTuple):  # The fields that TFP asks for by name.
        x: tf.Tensor
        f: tf.Tensor
        df: tf.Tensor
        full_gradient: tf.Tensor

    def along(length: tf.Tensor) -> Point:
        value, gradient = function(state.position + length * direction)
        return Point(length, value, dot(gradient, direction), gradient)

    zero = tf.zeros([], state.value.dtype)
    found = hager_zhang(
        along,
        initial_step_size=state.length,  # Longer ones have been tried.
        value_at_zero=Point(zero, state.value, dot(state.gradient, direction), state.gradient),
        max_iterations=_MAX_SEARCH_ITERATIONS,
    )
    point = found.left
    lowered = found.converged & (point.f < state.value)
    after = advanced(
        state,
        tf.where(lowered, state.position + point.x * direction, state.position),
        tf.where(lowered, point.f, state.value),
        tf.where(lowered, point.full_gradient, state.gradient),
        in_place=in_place,
    )
    return after._replace(
        num_steps=state.num_steps + tf.cast(lowered, tf.int32),
        num_evaluations=state.num_evaluations + tf.cast(found.func_evals, tf.int32),
        length=tf.ones_like(state.length),
        failed=~lowered,
    )
