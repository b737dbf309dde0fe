"""The stability term: a photograph that moves or gets noise must not change how it is painted.

References:
    Gupta et al. (2017), Characterizing and improving stability in neural style transfer;
    Huang et al. (2017), Real-time neural style transfer for videos. Differs from both: photographs
    that are moved by whole pixels, not films with their flow. The flow is known, nothing is hidden,
    and any folder of photographs will do.
"""

import tensorflow as tf

from tf_style.training.choices import REACH

_NOISE = 0.02  # Standard deviation, of 1: that of a film at dusk.


def still_and_moved(
    photographs: tf.Tensor, move: tf.Tensor, noise: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the inner part of photographs, and the same moved and with noise.

    Args:
        photographs: float32 `[b, h, w, 3]`, RGB 0..1.
        move: int32 `[2]`, rows and columns, each within -`REACH`..`REACH`.
        noise: float32 `[b, h - 2 REACH, w - 2 REACH, 3]`, with mean 0 and deviation 1. It is an
            argument because TensorFlow and XLA draw other numbers from the same seed.

    Returns:
        Two float32 `[b, h - 2 REACH, w - 2 REACH, 3]`.
    """
    # Not by slices that begin at `move`: XLA takes their begin for a constant.
    still, moved = (
        pictures[:, REACH:-REACH, REACH:-REACH]
        for pictures in (photographs, tf.roll(photographs, -move, [1, 2]))
    )
    return still, tf.clip_by_value(moved + _NOISE * noise, 0.0, 1.0)


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
    sides = tf.shape(still)[1:3]
    rows, columns = (
        tf.cast((place >= 0) & (place < side), still.dtype)
        for place, side in ((tf.range(sides[axis]) + move[axis], sides[axis]) for axis in (0, 1))
    )
    in_both = rows[:, tf.newaxis] * columns
    error = tf.math.squared_difference(tf.roll(still, -move, [1, 2]), moved)
    return tf.reduce_sum(in_both * tf.reduce_mean(error, [0, 3])) / tf.reduce_sum(in_both)
