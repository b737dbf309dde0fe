"""Content losses, each a pure function of features or of the image.

Those of Gatys, Ecker & Bethge (2016), and others' that presets name; style losses are in
`style_losses`, total variations in `variations`. Features are float `[batch, h, w, channels]`.
Losses that are sums are summed over the batch, means are taken over it too; with `per_sample`
each is that of every sample alone, float `[batch]`.

A `guide`, float `[b or 1, h, w, 1]`, at least 0, weights the positions: with mean 1 the loss keeps
its scale.
"""

from collections.abc import Callable

import tensorflow as tf

from tf_style.losses.per_sample import sample_axes


def content_loss(
    features: tf.Tensor,
    target: tf.Tensor,
    *,
    guide: tf.Tensor | None = None,
    per_sample: bool = False,
) -> tf.Tensor:
    """Returns half the sum of squared differences of features.

    Args:
        features: float `[b, h, w, c]`.
        target: float `[b, h, w, c]`, the content's features.
        guide: float `[b or 1, h, w, 1]`, weights of the positions; None for all ones.
        per_sample: give `[b]` losses, not one.

    Returns:
        Scalar, at least 0. Grows with the number of positions.

    References:
        Gatys et al. (2016), eq. 1.
    """
    squares = _weighted(tf.math.squared_difference(features, target), guide)
    return 0.5 * tf.reduce_sum(squares, sample_axes(squares, per_sample))


def mean_content_loss(
    features: tf.Tensor,
    target: tf.Tensor,
    *,
    guide: tf.Tensor | None = None,
    per_sample: bool = False,
) -> tf.Tensor:
    """Returns the mean squared difference of features.

    Differs from Gatys et al. (2016), eq. 1: mean over positions and channels, not half the
    sum, so that a weight means the same at every size.

    Args:
        features: float `[b, h, w, c]`.
        target: float `[b, h, w, c]`, the content's features.
        guide: float `[b or 1, h, w, 1]`, weights of the positions; None for all ones.
        per_sample: give `[b]` losses, not one.

    Returns:
        Scalar, at least 0: `content_loss * 2 / (h * w * c)` for a batch of one.
    """
    squares = _weighted(tf.math.squared_difference(features, target), guide)
    return tf.reduce_mean(squares, sample_axes(squares, per_sample))


def _weighted(values: tf.Tensor, guide: tf.Tensor | None) -> tf.Tensor:
    return values if guide is None else values * tf.stop_gradient(guide)


NUM_COMPARED = 1024
"""Positions that `self_similarity_loss` compares with each other at most."""

_DISTANCE_FLOOR = 1e-4  # Below it the mean distance of a position to the others is rounding.


def self_similarity_loss(
    features: tf.Tensor,
    target: tf.Tensor,
    *,
    guide: tf.Tensor | None = None,
    per_sample: bool = False,
) -> tf.Tensor:
    """Returns how far the positions' likeness to each other is from the content's.

    The mean absolute difference of D / mean of its column, where D holds the cosine distances,
    1 - cosine, of all pairs of positions. Colors may change freely; what is alike stays alike.

    Differs from Kolkin et al. (2019): each layer alone, not columns through all of
    them; positions on a fixed grid, of at most `NUM_COMPARED`, not drawn anew at each step, so
    that it is one function, as L-BFGS needs; columns brought to mean 1, not to sum 1, so that a
    weight means the same for every number of positions.

    Args:
        features: float `[b, h, w, c]`.
        target: float `[b, h, w, c]`, the content's features.
        guide: float `[b or 1, h, w, 1]`, weights of the positions, of which the shares count; None
            for all ones. A pair has the product of its positions' weights.
        per_sample: give `[b]` losses, not one.

    Returns:
        Scalar, 0..2. Takes `NUM_COMPARED`^2 floats a few times over, for each sample.

    References:
        Kolkin, Salavon & Shakhnarovich (2019), Style transfer by relaxed optimal transport and
        self-similarity, content loss.
    """
    shares = None
    if guide is not None:
        weights = tf.stop_gradient(_on_grid(guide))
        shares = weights / tf.reduce_sum(weights, [1, 2], keepdims=True)
    between = tf.abs(_relative_distances(features, shares) - _relative_distances(target, shares))
    if shares is not None:  # Mean over the columns' positions, then over the columns.
        between = tf.reduce_sum(shares * between, 1)
        losses = tf.reduce_sum(shares[:, :, 0] * between, 1)
        return losses if per_sample else tf.reduce_mean(losses)
    return tf.reduce_mean(between, sample_axes(between, per_sample))


def _relative_distances(features: tf.Tensor, shares: tf.Tensor | None) -> tf.Tensor:
    """Returns the cosine distances, each column over its mean, float `[b, n, n]`.

    Args:
        features: float `[b, h, w, c]`.
        shares: of the positions, float `[b or 1, n, 1]` with sum 1; None for equal ones.
    """
    unit = tf.math.l2_normalize(_on_grid(features), -1)
    distances = 1.0 - tf.matmul(unit, unit, transpose_b=True)
    if shares is None:
        means = tf.reduce_mean(distances, 1, keepdims=True)
    else:
        means = tf.reduce_sum(shares * distances, 1, keepdims=True)
    return distances / tf.maximum(means, tf.cast(_DISTANCE_FLOOR, distances.dtype))


def _on_grid(features: tf.Tensor) -> tf.Tensor:
    """Returns at most `NUM_COMPARED` positions of an even grid, float `[b, n, c]`."""
    shape = tf.shape(features)
    height, width = shape[1], shape[2]
    ratio = tf.cast(height, tf.float32) / tf.cast(width, tf.float32)
    rows = tf.cast(tf.sqrt(NUM_COMPARED * ratio), tf.int32)
    rows = tf.clip_by_value(rows, 1, tf.minimum(height, NUM_COMPARED))
    columns = tf.minimum(NUM_COMPARED // rows, width)
    is_small = height * width <= NUM_COMPARED
    rows, columns = tf.where(is_small, height, rows), tf.where(is_small, width, columns)
    for axis, count in ((1, rows), (2, columns)):
        places = (2 * tf.range(count) + 1) * shape[axis] // (2 * count)
        features = tf.gather(features, places, axis=axis)
    return tf.reshape(features, [shape[0], rows * columns, shape[3]])


CONTENT_LOSSES: dict[str, Callable[..., tf.Tensor]] = {
    "sum": content_loss,
    "mean": mean_content_loss,
    "self_similarity": self_similarity_loss,
}
"""Content losses by `content_reduction`."""


def laplacian(image: tf.Tensor) -> tf.Tensor:
    """Returns the Laplacian of an image whose blocks of 4 by 4 px are averaged.

    Differs from Li et al. (2017): blocks begin at every px, not at every fourth, and beyond the
    border lies the picture's mirror image: a fixed grid of blocks, and a border that does not
    count, are seen in the result.

    Args:
        image: float `[b, H, W, c]`, H and W at least 12.

    Returns:
        Float `[b, H, W, c]`: four times a block less its four neighbors, 4 px away.

    References:
        Li, Xu, Nie & Liu (2017), Laplacian-steered neural style transfer.
    """
    image = tf.pad(image, [[0, 0], [5, 6], [5, 6], [0, 0]], "SYMMETRIC")
    pooled = tf.nn.avg_pool2d(image, 4, 1, "VALID")
    vertical = pooled[:, :-8, 4:-4] + pooled[:, 8:, 4:-4]
    horizontal = pooled[:, 4:-4, :-8] + pooled[:, 4:-4, 8:]
    return 4.0 * pooled[:, 4:-4, 4:-4] - vertical - horizontal
