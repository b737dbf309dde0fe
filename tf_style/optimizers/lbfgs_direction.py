"""The direction of L-BFGS: from its state to the next unit step.

Operations of the surrounding graph. Knows nothing about images.
"""

import tensorflow as tf

from tf_style.optimizers.lbfgs_state import LbfgsState
from tf_style.optimizers.ring_buffers import combined, filled


def step_direction(state: LbfgsState, first_step: tf.Tensor, *, in_place: bool = True) -> tf.Tensor:
    """Returns the next unit step: that of L-BFGS, or steepest descent if there is no history.

    Args:
        state: where the step starts.
        first_step: root-mean-square length of a step without history.
        in_place: as for `lbfgs_steps.advance`.
    """

    def steepest() -> tf.Tensor:
        size = tf.cast(tf.size(state.gradient), state.gradient.dtype)
        length = tf.cast(first_step, size.dtype) * tf.sqrt(size)
        return -state.gradient * tf.math.divide_no_nan(length, tf.norm(state.gradient))

    return tf.cond(
        state.num_pairs > 0, lambda: search_direction(state, in_place=in_place), steepest
    )


def search_direction(state: LbfgsState, *, in_place: bool = True) -> tf.Tensor:
    """Returns L-BFGS's direction -H g in compact form: one pass over the history, no loop.

    References:
        Byrd, Nocedal & Schnabel (1994), eq. 3.1 and 3.13.
    """
    products = state.inner, state.square, state.along, state.num_pairs
    by_gradient, by_pairs = (
        tf.cast(each[0], state.gradient.dtype)
        for each in direction_weights(*(each[tf.newaxis] for each in products))
    )
    pairs = filled(state.pairs, state.num_pairs, in_place=in_place)
    return by_gradient * state.gradient + combined(by_pairs[: tf.shape(pairs)[0]], pairs)


def direction_weights(
    inner: tf.Tensor,
    square: tf.Tensor,
    along: tf.Tensor,
    num_pairs: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns what the gradient and the pairs are multiplied by, for the direction -H g.

    Args:
        inner: float64 `[b, m, m]`, as in `LbfgsState`; the part above its diagonal is R of the
            paper.
        square: float64 `[b, m, m]`.
        along: float64 `[b, m, 2]`.
        num_pairs: int32 `[b]`, at least 1.

    Returns:
        Float64 `[b]`, of the gradient, and `[b, m, 2]`, of the pairs; 0 for rows without a pair.

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

    inner, square = ordered(inner), ordered(square)
    along = tf.where(is_filled[:, :, tf.newaxis], in_order(along, 1), 0.0)
    diagonal = tf.linalg.diag_part(inner)
    upper = tf.linalg.set_diag(
        tf.linalg.band_part(inner, 0, -1), tf.where(is_filled, diagonal, 1.0)
    )
    scale = (diagonal[:, -1] / square[:, -1, -1])[:, tf.newaxis, tf.newaxis]
    first = tf.linalg.triangular_solve(upper, along[:, :, :1], lower=False)
    right = diagonal[:, :, tf.newaxis] * first + scale * (square @ first - along[:, :, 1:])
    second = tf.linalg.triangular_solve(upper, right, lower=False, adjoint=True)

    back = (rows - num_pairs[:, tf.newaxis]) % history  # The inverse of `order`.
    weights = tf.concat([-second, scale * first], 2)
    return -scale[:, 0, 0], tf.gather(weights, back, axis=1, batch_dims=1)
