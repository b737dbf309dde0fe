"""States of L-BFGS as TensorFlow Probability (TFP) keeps them, and turned into ours and back."""

from typing import Any

import tensorflow as tf

from tf_style.optimizers.lbfgs_steps import LbfgsState
from tf_style.optimizers.solution import Kind


def tfp_state(position: tf.Tensor, value: tf.Tensor, gradient: tf.Tensor, history: int) -> Any:
    """Returns TFP's state at a position whose value and gradient are known."""
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


def named_tfp_state(tensors: dict[str, tf.Tensor]) -> Any:
    """Returns TFP's state of tensors by name."""
    from tensorflow_probability.python.optimizer.lbfgs import LBfgsOptimizerResults

    return LBfgsOptimizerResults(**tensors)


def tfp_state_kinds(num_values: int, history: int, dtype: tf.DType) -> dict[str, Kind]:
    """Returns shapes and types of `tfp_state`'s tensors, by name."""
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


def to_tfp(state: LbfgsState) -> Any:
    """Returns the state as `tfp.optimizer.lbfgs_minimize` takes it.

    TFP takes the last min(num_iterations, m) pairs to be valid: the number of iterations is
    that of the pairs kept.
    """
    from tensorflow_probability.python.optimizer.lbfgs import LBfgsOptimizerResults

    history = tf.shape(state.position_deltas)[0]
    oldest_first = (state.num_pairs + tf.range(history)) % history
    empty = (tf.range(history) < history - state.num_pairs)[:, None]

    def ordered(deltas: tf.Tensor) -> tf.Tensor:
        return tf.where(empty, tf.zeros_like(deltas), tf.gather(deltas, oldest_first))

    return LBfgsOptimizerResults(
        converged=tf.constant(False),
        failed=state.failed,
        num_iterations=state.num_pairs,
        num_objective_evaluations=state.num_evaluations,
        position=state.position,
        objective_value=state.value,
        objective_gradient=state.gradient,
        position_deltas=ordered(state.position_deltas),
        gradient_deltas=ordered(state.gradient_deltas),
    )


def from_tfp(results: Any) -> LbfgsState:
    """Returns the state that goes on from one of `tfp.optimizer.lbfgs_minimize`."""
    history = tf.shape(results.position_deltas)[0]
    num_pairs = tf.minimum(results.num_iterations, history)
    # TFP keeps the newest pair last, a ring that is not full its oldest first.
    position_deltas, gradient_deltas = (
        tf.roll(deltas, num_pairs, axis=0)
        for deltas in (results.position_deltas, results.gradient_deltas)
    )

    def products(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.matmul(left, right, transpose_b=True), tf.float64)

    return LbfgsState(
        position=results.position,
        value=results.objective_value,
        gradient=results.objective_gradient,
        position_deltas=position_deltas,
        gradient_deltas=gradient_deltas,
        inner=products(position_deltas, gradient_deltas),
        square=products(gradient_deltas, gradient_deltas),
        num_pairs=num_pairs,
        num_steps=results.num_iterations,
        num_evaluations=results.num_objective_evaluations,
        length=tf.ones([], results.position.dtype),
        failed=tf.constant(False),
    )
