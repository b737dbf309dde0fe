"""The stability term: a photograph that moves or gets noise must not change how it is painted.

Instead of films with their flow, it takes photographs, moved by whole pixels: the flow is known,
and nothing is hidden.

References:
    Gupta et al. (2017), Characterizing and improving stability in neural style transfer;
    Huang et al. (2017), Real-time neural style transfer for videos.
"""

import tensorflow as tf

REACH = 4
"""Pixels by which photographs are moved at most, along each axis: a period of the network."""

_NOISE = 0.02  # Standard deviation, of 1: that of a film at dusk.


def still_and_moved(
    photographs: tf.Tensor, move: tf.Tensor, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the inner part of photographs, and the same moved and with noise.

    Args:
        photographs: float32 `[b, h, w, 3]`, RGB 0..1.
        move: int32 `[2]`, rows and columns, each within -`REACH`..`REACH`.
        seed: int32 `[2]`, of the noise.

    Returns:
        Two float32 `[b, h - 2 REACH, w - 2 REACH, 3]`.
    """
    height, width = (side - 2 * REACH for side in tf.unstack(tf.shape(photographs)[1:3]))
    row, column = REACH + move[0], REACH + move[1]
    still = photographs[:, REACH : REACH + height, REACH : REACH + width]
    moved = photographs[:, row : row + height, column : column + width]
    noise = tf.random.stateless_normal(tf.shape(moved), seed, stddev=_NOISE)
    return still, tf.clip_by_value(moved + noise, 0.0, 1.0)


def stability_loss(still: tf.Tensor, moved: tf.Tensor, move: tf.Tensor) -> tf.Tensor:
    """Returns the mean squared difference of two pictures where they show the same.

    Args:
        still: float32 `[b, h, w, 3]`, painted.
        moved: float32 `[b, h, w, 3]`, painted; its pixel (y, x) shows what `still` shows at
            (y + rows, x + columns).
        move: int32 `[2]`, rows and columns.

    Returns:
        Scalar, at least 0.
    """
    first, second = _overlap(still, move), _overlap(moved, -move)
    return tf.reduce_mean(tf.math.squared_difference(first, second))


def _overlap(pictures: tf.Tensor, move: tf.Tensor) -> tf.Tensor:
    """Returns the part that starts at `move` where it is positive, and ends before it elsewhere."""
    sides = tf.shape(pictures)[1:3]
    begin, end = tf.maximum(move, 0), sides + tf.minimum(move, 0)
    return pictures[:, begin[0] : end[0], begin[1] : end[1]]
