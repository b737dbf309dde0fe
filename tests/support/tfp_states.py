"""L-BFGS states converted to TensorFlow Probability's (TFP) and back, to compare the two."""

from typing import Any

import tensorflow as tf

from tf_style.optimizers.lbfgs_state import LbfgsState


def to_tfp(state: LbfgsState) -> Any:
    """Returns the state as `tfp.optimizer.lbfgs_minimize` takes it.

    TFP takes the last min(num_iterations, m) pairs to be valid: the number of iterations is
    that of the pairs kept.
    """
    from tensorflow_probability.python.optimizer.lbfgs import LBfgsOptimizerResults

    history = tf.shape(state.pairs)[0]
    oldest_first = (state.num_pairs + tf.range(history)) % history
    empty = (tf.range(history) < history - state.num_pairs)[:, None]

    position_deltas, gradient_deltas = (
        tf.where(empty, tf.zeros_like(deltas), tf.gather(deltas, oldest_first))
        for deltas in tf.unstack(state.pairs, axis=1)
    )
    return LBfgsOptimizerResults(
        converged=tf.constant(False),
        failed=state.failed,
        num_iterations=state.num_pairs,
        num_objective_evaluations=state.num_evaluations,
        position=state.position,
        objective_value=state.value,
        objective_gradient=state.gradient,
        position_deltas=position_deltas,
        gradient_deltas=gradient_deltas,
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
        pairs=tf.stack([position_deltas, gradient_deltas], 1),
        inner=products(position_deltas, gradient_deltas),
        square=products(gradient_deltas, gradient_deltas),
        along=tf.concat(
            [
                products(deltas, results.objective_gradient[tf.newaxis])
                for deltas in (position_deltas, gradient_deltas)
            ],
            1,
        ),
        num_pairs=num_pairs,
        num_steps=results.num_iterations,
        num_evaluations=results.num_objective_evaluations,
        length=tf.ones([], results.position.dtype),
        failed=tf.constant(False),
    )
