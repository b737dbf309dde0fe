"""States of L-BFGS as TensorFlow Probability (TFP) stores them, and its steps between them."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tf_style.optimizers.lbfgs_steps import Function
from tf_style.optimizers.scaling import scaled_function
from tf_style.optimizers.solution import Kind


def tfp_state(position: tf.Tensor, value: tf.Tensor, gradient: tf.Tensor, history: int) -> Any:
    """Returns TFP's state at a position with known value and gradient, without history."""
    from tensorflow_probability.python.optimizer.lbfgs import LBfgsOptimizerResults

    position = tf.reshape(position, [-1])
    queue = tf.zeros([history, tf.size(position)], position.dtype)
    return LBfgsOptimizerResults(
        converged=tf.constant(False),
        failed=tf.constant(False),
        num_iterations=tf.constant(0),
        num_objective_evaluations=tf.constant(0),
        position=position,
        objective_value=value,
        objective_gradient=tf.reshape(gradient, [-1]),
        position_deltas=queue,
        gradient_deltas=queue,
    )


def advance_tfp(
    function: Function,
    state: Any,
    *,
    scale: tf.Tensor,
    history: int,
    max_iterations: tf.Tensor,
    is_stopped: Callable[[], tf.Tensor] | None = None,
) -> Any:
    """Returns TFP's state after more iterations, as operations of the surrounding graph.

    Args:
        function: maps a position `[n]` to its value and gradient.
        state: TFP's, of the function times `scale`.
        scale: factor of value and gradient.
        history: number of curvature pairs.
        max_iterations: int32, counted since the state was made.
        is_stopped: returns whether to end before the next iteration.
    """
    import tensorflow_probability as tfp

    def is_over(converged: tf.Tensor, failed: tf.Tensor) -> tf.Tensor:
        is_over = tfp.optimizer.converged_all(converged, failed)
        return is_over if is_stopped is None else is_over | is_stopped()

    return tfp.optimizer.lbfgs_minimize(
        scaled_function(function, scale),
        initial_position=None,
        previous_optimizer_results=state,
        num_correction_pairs=history,
        tolerance=0.0,
        x_tolerance=0.0,
        f_relative_tolerance=0.0,
        max_iterations=max_iterations,
        stopping_condition=is_over,
    )


def num_steps_of(state: Any) -> tf.Tensor:
    """Returns the steps made: TFP counts a failed search as an iteration, but it moves nothing."""
    return state.num_iterations - tf.cast(state.failed, tf.int32)


def named_tfp_state(tensors: dict[str, tf.Tensor]) -> Any:
    """Returns TFP's state from its tensors by name."""
    from tensorflow_probability.python.optimizer.lbfgs import LBfgsOptimizerResults

    return LBfgsOptimizerResults(**tensors)


def tfp_state_kinds(num_values: int, history: int, dtype: tf.DType) -> dict[str, Kind]:
    """Returns the shapes and types of `tfp_state`'s tensors, by name."""
    ring = [history, num_values]
    return {
        "converged": ([], tf.bool),
        "failed": ([], tf.bool),
        "num_iterations": ([], tf.int32),
        "num_objective_evaluations": ([], tf.int32),
        "position": ([num_values], dtype),
        "objective_value": ([], dtype),
        "objective_gradient": ([num_values], dtype),
        "position_deltas": (ring, dtype),
        "gradient_deltas": (ring, dtype),
    }
