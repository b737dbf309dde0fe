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
        Byrd, Nocedal & Schnabel (1994), eq. 3.1 and 3.13.
    """
    products = (
        state.inner,
        state.square,
        tf.cast(times(state.position_deltas, state.gradient), tf.float64),
        tf.cast(times(state.gradient_deltas, state.gradient), tf.float64),
        state.num_pairs,
    )
    scale, by_gradient_deltas, by_position_deltas = (
        tf.cast(each[0], state.gradient.dtype)
        for each in history_weights(*(each[tf.newaxis] for each in products))
    )
    return -(
        scale * state.gradient
        + combined(by_position_deltas, state.position_deltas)
        - combined(by_gradient_deltas, state.gradient_deltas)
    )


def history_weights(
    inner: tf.Tensor,
    square: tf.Tensor,
    along_positions: tf.Tensor,
    along_gradients: tf.Tensor,
    num_pairs: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns what the gradient and the rows of the history are multiplied by, for H g.

    Args:
        inner: float64 `[b, m, m]`, as in `LbfgsState`; the part above its diagonal is R of the
            paper.
        square: float64 `[b, m, m]`.
        along_positions: float64 `[b, m]`, the position deltas times the gradient.
        along_gradients: float64 `[b, m]`, the gradient deltas times the gradient.
        num_pairs: int32 `[b]`, at least 1.

    Returns:
        Float64: `[b]`, of the gradient; `[b, m]`, of the gradient deltas, to be subtracted; and
        `[b, m]`, of the position deltas, to be added.

    References:
        Byrd, Nocedal & Schnabel (1994), eq. 3.1 and 3.13.
    """
    history = tf.shape(inner)[1]
    rows = tf.range(history)
    # Oldest first, empty rows before them.
    order = (num_pairs[:, tf.newaxis] + rows) % history
    is_filled = order < num_pairs[:, tf.newaxis]
    both = is_filled[:, :, tf.newaxis] & is_filled[:, tf.newaxis]

    def in_order(values: tf.Tensor, axis: int) -> tf.Tensor:
        return tf.gather(values, order, axis=axis, batch_dims=1)

    def ordered(products: tf.Tensor) -> tf.Tensor:
        rows = in_order(products, 1)
        columns = in_order(tf.linalg.matrix_transpose(rows), 1)
        return tf.where(both, tf.linalg.matrix_transpose(columns), 0.0)

    def along(products: tf.Tensor) -> tf.Tensor:
        return tf.where(is_filled, in_order(products, 1), 0.0)[:, :, tf.newaxis]

    inner, square = ordered(inner), ordered(square)
    diagonal = tf.linalg.diag_part(inner)
    upper = tf.linalg.set_diag(
        tf.linalg.band_part(inner, 0, -1), tf.where(is_filled, diagonal, 1.0)
    )
    scale = (diagonal[:, -1] / square[:, -1, -1])[:, tf.newaxis, tf.newaxis]
    first = tf.linalg.triangular_solve(upper, along(along_positions), lower=False)
    right = diagonal[:, :, tf.newaxis] * first + scale * (square @ first - along(along_gradients))
    second = tf.linalg.triangular_solve(upper, right, lower=False, adjoint=True)

    back = (rows - num_pairs[:, tf.newaxis]) % history  # The inverse of `order`.

    def by_row(weights: tf.Tensor) -> tf.Tensor:
        return tf.gather(weights[:, :, 0], back, axis=1, batch_dims=1)

    return scale[:, 0, 0], by_row(scale * first), by_row(second)
