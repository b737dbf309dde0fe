"""Content losses: pure functions that compare features with the content's.

They are the loss of Gatys, Ecker & Bethge (2016) and alternatives to it; `CONTENT_LOSSES` lists
them. The module also has the Laplacian that the edge loss compares. Style losses are in `style`,
total variations in `variation`.

Features are float `[batch, h, w, channels]`. Sums are taken over the batch too, and so are means;
with `per_sample`, each sample gets its own loss, float `[batch]`. A `guide`, float
`[b or 1, h, w, 1]`, at least 0, weights the positions; with mean 1 the loss keeps its scale.
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
    """Returns half the sum of the squared differences of features.

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
    sum, so that a weight has the same effect at every size.

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
"""Largest number of positions that `self_similarity_loss` compares with each other."""

_DISTANCE_FLOOR = 1e-4  # A mean distance below it is rounding error.


def self_similarity_loss(
    features: tf.Tensor,
    target: tf.Tensor,
    *,
    guide: tf.Tensor | None = None,
    per_sample: bool = False,
) -> tf.Tensor:
    """Returns how much the self-similarity of the features differs from the content's.

    The matrix D holds the cosine distances, 1 - cosine, of all pairs of positions. The loss is the
    mean absolute difference of the two D, each column divided by its mean. Colors may change
    freely; positions that are similar stay similar.

    Differs from Kolkin et al. (2019): each layer is compared alone, without hypercolumns through
    all layers; positions lie on a fixed grid of at most `NUM_COMPARED`, not drawn again at each
    step, so that the loss is one fixed function, as L-BFGS needs; columns have mean 1, not sum 1,
    so that a weight has the same effect for every number of positions.

    Args:
        features: float `[b, h, w, c]`.
        target: float `[b, h, w, c]`, the content's features.
        guide: float `[b or 1, h, w, 1]`, weights of the positions, normalized here; None for all
            ones. The weight of a pair is the product of its positions' weights.
        per_sample: give `[b]` losses, not one.

    Returns:
        Scalar, 0..2. Needs a few times `NUM_COMPARED`**2 floats of memory per sample.

    References:
        Kolkin, Salavon & Shakhnarovich (2019), Style transfer by relaxed optimal transport and
        self-similarity, content loss.
    """
    shares = None
    if guide is not None:
        weights = tf.stop_gradient(_on_grid(guide))
        shares = weights / tf.reduce_sum(weights, [1, 2], keepdims=True)
    between = tf.abs(_relative_distances(features, shares) - _relative_distances(target, shares))
    if shares is not None:  # Mean over each column, then over the columns.
        between = tf.reduce_sum(shares * between, 1)
        losses = tf.reduce_sum(shares[:, :, 0] * between, 1)
        return losses if per_sample else tf.reduce_mean(losses)
    return tf.reduce_mean(between, sample_axes(between, per_sample))


def _relative_distances(features: tf.Tensor, shares: tf.Tensor | None) -> tf.Tensor:
    """Returns the cosine distances, each column divided by its mean, float `[b, n, n]`.

    Args:
        features: float `[b, h, w, c]`.
        shares: weights of the positions, float `[b or 1, n, 1]` with sum 1; None if equal.
    """
    unit = tf.math.l2_normalize(_on_grid(features), -1)
    distances = 1.0 - tf.matmul(unit, unit, transpose_b=True)
    if shares is None:
        means = tf.reduce_mean(distances, 1, keepdims=True)
    else:
        means = tf.reduce_sum(shares * distances, 1, keepdims=True)
    return distances / tf.maximum(means, tf.cast(_DISTANCE_FLOOR, distances.dtype))


def _on_grid(features: tf.Tensor) -> tf.Tensor:
    """Returns features at up to `NUM_COMPARED` positions of an even grid, float `[b, n, c]`."""
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
"""Content losses by the option `content_reduction`."""


def content_scale(reduction: str, target: tf.Tensor) -> tf.Tensor:
    """Returns the natural scale of a content loss: that of features that show nothing.

    These have one value everywhere, the mean of the target's. For "mean" the scale is the variance
    of all values; for "sum" half their summed squared deviations; "self_similarity" is 1 by itself.

    Args:
        reduction: name in `CONTENT_LOSSES`.
        target: float `[b, h, w, c]`, the content's features.

    Returns:
        Float `[b]`, at least 0.
    """
    if reduction == "self_similarity":
        return tf.ones(tf.shape(target)[:1], target.dtype)
    variance = tf.math.reduce_variance(target, [1, 2, 3])
    if reduction == "mean":
        return variance
    size = tf.reduce_prod(tf.cast(tf.shape(target)[1:], target.dtype))
    return 0.5 * size * variance


_ORDER = 10  # Of the binomial mean: 11 px wide, as wide at half its height as blocks of 4 px.


def laplacian(image: tf.Tensor) -> tf.Tensor:
    """Returns what a binomial mean over 11 by 11 px leaves of an image.

    It is a level of a Laplacian pyramid: where the image is smooth, it is -1.25 times its
    Laplacian. Waves of u and v radians per px are multiplied by 1 - (cos(u/2) cos(v/2))^10, which
    is 0 for a constant and grows up to 1 for the finest waves.

    Differs from Li et al. (2017), who compare the Laplacian of means over blocks of 4 by 4 px. The
    means of blocks do not see waves of 4 px, and no mean sees the finest ones: what the loss does
    not see, the style fills with rings and ripples on plain grounds. A fixed grid of blocks would
    show in the result, and so would an ignored border: the image is mirrored there.

    Args:
        image: float `[b, H, W, c]`, H and W at least 5.

    Returns:
        Float `[b, H, W, c]`. Depends on 5 px around each px.

    References:
        Li, Xu, Nie & Liu (2017), Laplacian-steered neural style transfer. Burt & Adelson (1983),
        The Laplacian pyramid as a compact image code.
    """
    sides = [_ORDER // 2, _ORDER // 2]
    mean = tf.pad(image, [[0, 0], sides, sides, [0, 0]], "SYMMETRIC")
    for _ in range(_ORDER):
        mean = tf.nn.avg_pool2d(mean, 2, 1, "VALID")
    return image - mean
