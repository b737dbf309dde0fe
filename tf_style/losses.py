"""The losses of Gatys, Ecker & Bethge (2016), each a pure function of features.

Features are float `[batch, h, w, channels]`. In the paper's symbols a layer has N filters
(channels) and M positions (h * w). Losses are summed over the batch.
"""

from collections.abc import Callable

import tensorflow as tf


def content_loss(features: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """Returns half the sum of squared differences of features.

    Args:
        features: float `[b, h, w, c]`.
        target: float `[b, h, w, c]`, the content's features.

    Returns:
        Scalar, at least 0. Grows with the number of positions.

    References:
        Gatys et al. (2016), eq. 1.
    """
    return 0.5 * tf.reduce_sum(tf.math.squared_difference(features, target))


def mean_content_loss(features: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """Returns the mean squared difference of features.

    Differs from Gatys et al. (2016), eq. 1: mean over positions and channels, not half the
    sum, so that a weight means the same at every size.

    Args:
        features: float `[b, h, w, c]`.
        target: float `[b, h, w, c]`, the content's features.

    Returns:
        Scalar, at least 0: `content_loss * 2 / (h * w * c)` for a batch of one.
    """
    return tf.reduce_mean(tf.math.squared_difference(features, target))


CONTENT_LOSSES: dict[str, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]] = {
    "sum": content_loss,
    "mean": mean_content_loss,
}
"""Content losses by `content_reduction`."""


@tf.custom_gradient
def _self_product(rows: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """Returns rows^T rows, with a gradient that uses its symmetry: one product, not two."""

    def gradient(upstream: tf.Tensor) -> tf.Tensor:
        return tf.matmul(rows, upstream + tf.linalg.matrix_transpose(upstream))

    return tf.matmul(rows, rows, transpose_a=True), gradient


def gram_matrix(features: tf.Tensor) -> tf.Tensor:
    """Returns the Gram matrix of the filters, divided by the number of positions.

    Differs from Gatys et al. (2016), eq. 3: divided by M, so that pictures of different
    sizes can be compared; `style_loss` leaves the M^2 of their eq. 4 out in return.

    Args:
        features: float `[b, h, w, c]`.

    Returns:
        Float `[b, c, c]`, symmetric: G / M with G = F F^T.
    """
    shape = tf.shape(features)
    positions = shape[1] * shape[2]
    rows = tf.reshape(features, [shape[0], positions, features.shape[-1]])
    return _self_product(rows) / tf.cast(positions, features.dtype)


def style_loss(gram: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """Returns one layer's style loss E_l.

    Equals the paper's 1 / (4 N^2 M^2) * sum((G - A)^2) when both pictures have M positions,
    as Gram matrices come divided by their own number of positions.

    Args:
        gram: float `[b, c, c]` of `gram_matrix`.
        target: float `[b, c, c]`, the style's.

    Returns:
        Scalar, at least 0. Does not grow with the pictures' sizes.

    References:
        Gatys et al. (2016), eq. 4.
    """
    filters = tf.cast(gram.shape[-1], gram.dtype)
    return tf.reduce_sum(tf.math.squared_difference(gram, target)) / (4.0 * filters**2)


def total_variation(image: tf.Tensor) -> tf.Tensor:
    """Returns the mean squared difference of vertical plus that of horizontal neighbours.

    Not in Gatys et al. (2016); Mahendran & Vedaldi (2015), eq. 3 with beta = 2. Differs:
    means, not sums, so that a weight means the same at every size.

    Args:
        image: float `[b, h, w, c]`, h and w at least 2.

    Returns:
        Scalar, at least 0; 2 for a checkerboard of 0 and 1.
    """
    vertical = tf.math.squared_difference(image[:, 1:], image[:, :-1])
    horizontal = tf.math.squared_difference(image[:, :, 1:], image[:, :, :-1])
    return tf.reduce_mean(vertical) + tf.reduce_mean(horizontal)
