"""The direction of L-BFGS: from its state to the next unit step.

Operations of the surrounding graph. Knows nothing about images.
"""

import tensorflow as tf

from tf_style.optimizers.lbfgs_state import LbfgsState
from tf_style.optimizers.ring_buffers import combined, times


def step_direction(state: LbfgsState, first_step: tf.Tensor) -> tf.Tensor:
    """Returns the next unit step: that of L-BFGS, or steepest descent if there is no history."""

    def steepest() -> tf.Tensor:
        size = tf.cast(tf.size(state.gradient), state.gradient.dtype)
        length = tf.cast(first_step, size.dtype) * tf.sqrt(size)
        return -state.gradient * tf.math.divide_no_nan(length, tf.norm(state.gradient))

    return tf.cond(state.num_pairs > 0, lambda: search_direction(state), steepest)


def search_direction(state: LbfgsState) -> tf.Tensor:
    """Returns L-BFGS's direction -H g in compact form: two passes over the history, no loop.

    References:
        Byrd, Nocedal & Schnabel (1994), eq. 3.1 and 3.13 (`inner` above its diagonal is R).
    """
    history = tf.shape(state.inner)[0]
    is_filled = tf.range(history) < state.num_pairs
    order = (state.num_pairs + tf.range(history)) % history  # Oldest first, empty rows before them.
    is_filled = tf.gather(is_filled, order)
    both = is_filled[:, None] & is_filled[None]

    def ordered(products: tf.Tensor) -> tf.Tensor:
        products = tf.gather(tf.gather(products, order), order, axis=1)
        return tf.where(both, products, tf.zeros_like(products))

    def along(deltas: tf.Tensor) -> tf.Tensor:
        products = tf.cast(times(deltas, state.gradient), tf.float64)
        return tf.where(is_filled, tf.gather(products, order), 0.0)

    inner, square = ordered(state.inner), ordered(state.square)
    diagonal = tf.linalg.diag_part(inner)
    upper = tf.linalg.set_diag(
        tf.linalg.band_part(inner, 0, -1), tf.where(is_filled, diagonal, tf.ones_like(diagonal))
    )
    scale = diagonal[-1] / square[-1, -1]
    first = tf.linalg.triangular_solve(upper, along(state.position_deltas)[:, None], lower=False)
    right = diagonal[:, None] * first + scale * (
        square @ first - along(state.gradient_deltas)[:, None]
    )
    second = tf.linalg.triangular_solve(upper, right, lower=False, adjoint=True)

    def by_row(weights: tf.Tensor) -> tf.Tensor:
        weights = tf.scatter_nd(order[:, None], weights[:, 0], history[None])
        return tf.cast(weights, state.gradient.dtype)

    return -(
        tf.cast(scale, state.gradient.dtype) * state.gradient
        + combined(by_row(second), state.position_deltas)
        - combined(by_row(scale * first), state.gradient_deltas)
    )
