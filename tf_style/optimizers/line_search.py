"""The line search of TensorFlow Probability (TFP), for L-BFGS when its unit step fails."""

from typing import NamedTuple

import tensorflow as tf

from tf_style.optimizers.lbfgs_direction import step_direction
from tf_style.optimizers.lbfgs_state import LbfgsState
from tf_style.optimizers.lbfgs_steps import Function, advanced, dot

_MAX_SEARCH_ITERATIONS = 10


def search(
    function: Function,
    state: LbfgsState,
    *,
    first_step: tf.Tensor,
    in_place: bool = True,
) -> LbfgsState:
    """Returns the state after one step whose length TFP's line search chooses.

    Args:
        function: maps a position `[n]` to its value and gradient.
        state: a state whose unit step, and shorter ones, failed.
        first_step: as for `advance`.
        in_place: as for `advance`.

    References:
        Hager & Zhang (2005).
    """
    from tensorflow_probability.python.optimizer.linesearch import hager_zhang

    direction = step_direction(state, first_step, in_place=in_place)

    class Point(NamedTuple):  # TFP expects fields of these names.
        x: tf.Tensor
        f: tf.Tensor
        df: tf.Tensor
        full_gradient: tf.Tensor

    def along(length: tf.Tensor) -> Point:
        value, gradient = function(state.position + length * direction)
        return Point(length, value, dot(gradient, direction), gradient)

    zero = tf.zeros([], state.value.dtype)
    result = hager_zhang(
        along,
        initial_step_size=state.length,  # Longer steps have failed.
        value_at_zero=Point(zero, state.value, dot(state.gradient, direction), state.gradient),
        max_iterations=_MAX_SEARCH_ITERATIONS,
    )
    point = result.left
    lowered = result.converged & (point.f < state.value)
    after = advanced(
        state,
        tf.where(lowered, state.position + point.x * direction, state.position),
        tf.where(lowered, point.f, state.value),
        tf.where(lowered, point.full_gradient, state.gradient),
        in_place=in_place,
    )
    return after._replace(
        num_steps=state.num_steps + tf.cast(lowered, tf.int32),
        num_evaluations=state.num_evaluations + tf.cast(result.func_evals, tf.int32),
        length=tf.ones_like(state.length),
        failed=~lowered,
    )
