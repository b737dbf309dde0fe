"""Losses, each a pure function of features or of the image.

Those of Gatys, Ecker & Bethge (2016), and others' that presets name. Features are float
`[batch, h, w, channels]`. In the paper's symbols a layer has N filters (channels) and M
positions (h * w). Losses that are sums are summed over the batch, means are taken over it too;
with `per_sample` each is that of every sample alone, float `[batch]`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from tf_style.matrix_root import symmetric_root, trace_of_root


def _all_but_batch(values: tf.Tensor, per_sample: bool) -> list[int] | None:
    """Returns the axes to reduce: all of them, or all but the first."""
    return list(range(1, len(values.shape))) if per_sample else None


def content_loss(features: tf.Tensor, target: tf.Tensor, *, per_sample: bool = False) -> tf.Tensor:
    """Returns half the sum of squared differences of features.

    Args:
        features: float `[b, h, w, c]`.
        target: float `[b, h, w, c]`, the content's features.
        per_sample: give `[b]` losses, not one.

    Returns:
        Scalar, at least 0. Grows with the number of positions.

    References:
        Gatys et al. (2016), eq. 1.
    """
    squares = tf.math.squared_difference(features, target)
    return 0.5 * tf.reduce_sum(squares, _all_but_batch(squares, per_sample))


def mean_content_loss(
    features: tf.Tensor, target: tf.Tensor, *, per_sample: bool = False
) -> tf.Tensor:
    """Returns the mean squared difference of features.

    Differs from Gatys et al. (2016), eq. 1: mean over positions and channels, not half the
    sum, so that a weight means the same at every size.

    Args:
        features: float `[b, h, w, c]`.
        target: float `[b, h, w, c]`, the content's features.
        per_sample: give `[b]` losses, not one.

    Returns:
        Scalar, at least 0: `content_loss * 2 / (h * w * c)` for a batch of one.
    """
    squares = tf.math.squared_difference(features, target)
    return tf.reduce_mean(squares, _all_but_batch(squares, per_sample))


CONTENT_LOSSES: dict[str, Callable[..., tf.Tensor]] = {
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


def style_loss(gram: tf.Tensor, target: tf.Tensor, *, per_sample: bool = False) -> tf.Tensor:
    """Returns one layer's style loss E_l.

    Equals the paper's 1 / (4 N^2 M^2) * sum((G - A)^2) when both pictures have M positions,
    as Gram matrices come divided by their own number of positions.

    Args:
        gram: float `[b, c, c]` of `gram_matrix`.
        target: float `[b, c, c]` or `[1, c, c]`, the style's.
        per_sample: give `[b]` losses, not one.

    Returns:
        Scalar, at least 0. Does not grow with the pictures' sizes.

    References:
        Gatys et al. (2016), eq. 4.
    """
    filters = tf.cast(gram.shape[-1], gram.dtype)
    squares = tf.math.squared_difference(gram, target)
    return tf.reduce_sum(squares, _all_but_batch(squares, per_sample)) / (4.0 * filters**2)


class Moments(NamedTuple):
    """Mean and second raw moment of a layer's features: linear, so that styles can be blended.

    Attributes:
        mean: float `[b, c]`.
        second: float `[b, c, c]`, `gram_matrix`.
    """

    mean: tf.Tensor
    second: tf.Tensor


class GaussianTarget(NamedTuple):
    """The Gaussian that `wasserstein_loss` measures the distance to.

    Attributes:
        mean: float `[b, c]`.
        root: float `[b, c, c]`, the square root of the covariance.
    """

    mean: tf.Tensor
    root: tf.Tensor


def moments(features: tf.Tensor) -> Moments:
    """Returns the mean and the second raw moment of the features, float `[b, h, w, c]`."""
    return Moments(tf.reduce_mean(features, [1, 2]), gram_matrix(features))


def wasserstein_target(style: Moments) -> GaussianTarget:
    """Returns what `wasserstein_loss` needs of the style, worked out once for each picture."""
    return GaussianTarget(style.mean, symmetric_root(covariance(style)))


def covariance(of: Moments) -> tf.Tensor:
    """Returns the covariance with 1e-4 added to its diagonal, float `[b, c, c]`."""
    # 1e-4, as in crowsonkb/style-transfer-pytorch, keeps the roots off 0.
    floor = 1e-4 * tf.eye(of.mean.shape[-1], dtype=of.mean.dtype)
    return of.second - of.mean[:, :, tf.newaxis] * of.mean[:, tf.newaxis, :] + floor


def wasserstein_loss(
    image: Moments, target: GaussianTarget, *, per_sample: bool = False
) -> tf.Tensor:
    """Returns the squared Wasserstein-2 distance of two Gaussians, divided by the channels.

    |m - m_s|^2 + trace(S + S_s - 2 (S_s^(1/2) S S_s^(1/2))^(1/2)), where m and S are the
    mean and the covariance of a layer's features, S with 1e-4 added to its diagonal. It grows
    with the square of the features, `style_loss` with the fourth power.

    Variances below about 3 % of the norm of S count for more than they should, as the inner
    root has not converged there (`matrix_root.trace_of_root`): at its target the loss then
    stays above 0 (BUILD_NOTES.md).

    Args:
        image: of `moments`.
        target: of `wasserstein_target`, the style's.
        per_sample: give `[b]` losses, not one.

    Returns:
        Scalar, at least 0 but for rounding. Does not grow with the pictures' sizes.

    References:
        Dowson & Landau (1982), The Frechet distance between multivariate normal
        distributions. As a style loss: crowsonkb/style-transfer-pytorch.
    """
    spread = covariance(image)
    inner = tf.matmul(target.root, tf.matmul(spread, target.root))
    traces = tf.linalg.trace(spread) + tf.reduce_sum(target.root**2, [-2, -1])
    between_means = tf.reduce_sum(tf.math.squared_difference(image.mean, target.mean), -1)
    channels = tf.cast(image.mean.shape[-1], image.mean.dtype)
    distances = between_means + traces - 2.0 * trace_of_root(inner)
    return tf.reduce_sum(distances, _all_but_batch(distances, per_sample)) / channels


class StyleLoss(NamedTuple):
    """A way to compare styles, in three steps: what is kept of a picture, and what is compared.

    Attributes:
        statistics: features float `[b, h, w, c]` to a nest of tensors without positions.
        target: the style picture's statistics to a nest of tensors, once for each picture.
        loss: the image's statistics and the target to a scalar; takes `per_sample`.
    """

    statistics: Callable[[tf.Tensor], Any]
    target: Callable[[Any], Any]
    loss: Callable[..., tf.Tensor]


STYLE_LOSSES: dict[str, StyleLoss] = {
    "gram": StyleLoss(gram_matrix, lambda gram: gram, style_loss),
    "wasserstein": StyleLoss(moments, wasserstein_target, wasserstein_loss),
}
"""Style losses by `style_loss`."""


def total_variation(image: tf.Tensor, *, per_sample: bool = False) -> tf.Tensor:
    """Returns the mean squared difference of vertical plus that of horizontal neighbours.

    Not in Gatys et al. (2016); Mahendran & Vedaldi (2015), eq. 3 with beta = 2. Differs:
    means, not sums, so that a weight means the same at every size.

    Args:
        image: float `[b, h, w, c]`, h and w at least 2.
        per_sample: give `[b]` values, not one.

    Returns:
        Scalar, at least 0; 2 for a checkerboard of 0 and 1.
    """
    vertical = tf.math.squared_difference(image[:, 1:], image[:, :-1])
    horizontal = tf.math.squared_difference(image[:, :, 1:], image[:, :, :-1])
    axes = _all_but_batch(image, per_sample)
    return tf.reduce_mean(vertical, axes) + tf.reduce_mean(horizontal, axes)


def total_variation_sum(image: tf.Tensor, *, per_sample: bool = False) -> tf.Tensor:
    """Returns half the sum of squared differences of neighbours.

    As in jcjohnson/neural-style, where it acts on values of 0..256: a weight w there is
    65536 w here. As there, the last row and the last column have no differences along them.

    Args:
        image: float `[b, h, w, c]`, h and w at least 2.
        per_sample: give `[b]` values, not one.

    Returns:
        Scalar, at least 0. Grows with the picture; c (h - 1) (w - 1) for a checkerboard of
        0 and 1.
    """
    corner = image[:, :-1, :-1]
    vertical = tf.math.squared_difference(image[:, 1:, :-1], corner)
    horizontal = tf.math.squared_difference(image[:, :-1, 1:], corner)
    return 0.5 * tf.reduce_sum(vertical + horizontal, _all_but_batch(image, per_sample))


def total_variation_nine_point(image: tf.Tensor, *, per_sample: bool = False) -> tf.Tensor:
    """Returns a mean of squared differences with the eight neighbours.

    2/3 of that of vertical plus that of horizontal neighbours, and 1/6 of those along both
    diagonals, in the picture with its border repeated once. As in
    crowsonkb/style-transfer-pytorch.

    Args:
        image: float `[b, h, w, c]`.
        per_sample: give `[b]` values, not one.

    Returns:
        Scalar, at least 0.
    """
    axes = _all_but_batch(image, per_sample)
    # SYMMETRIC by 1 px repeats the border.
    padded = tf.pad(image, [[0, 0], [1, 1], [1, 1], [0, 0]], "SYMMETRIC")
    inner = padded[:, 1:-1, 1:-1]
    straight = (padded[:, 2:, 1:-1] - inner, padded[:, 1:-1, 2:] - inner)
    diagonal = (
        padded[:, 1:, 1:] - padded[:, :-1, :-1],
        padded[:, 1:, :-1] - padded[:, :-1, 1:],
    )
    return tf.add_n(
        [2.0 / 3.0 * tf.reduce_mean(tf.square(difference), axes) for difference in straight]
        + [1.0 / 6.0 * tf.reduce_mean(tf.square(difference), axes) for difference in diagonal]
    )


TOTAL_VARIATIONS: dict[str, Callable[..., tf.Tensor]] = {
    "mean_square": total_variation,
    "sum_square": total_variation_sum,
    "nine_point": total_variation_nine_point,
}
"""Total variations by `tv_form`."""
