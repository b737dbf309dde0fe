"""Style losses based on moments: Gram matrices, covariances, means and deviations, Gaussians.

All are pure functions of features, float `[batch, h, w, channels]`, or of moments. In the symbols
of Gatys, Ecker & Bethge (2016), a layer has N filters (channels) and M positions (h * w). Every
moment is a mean over positions, so that no loss grows with the size of a picture. Losses are
summed over the batch; with `per_sample`, each sample gets its own loss, float `[batch]`.

A `guide`, float `[b or 1, h, w, 1]`, at least 0, with mean 1, weights the positions. It equals
M T^2, where T is the guidance channel of Gatys et al. (2017), whose squares add up to 1. No
gradient flows into the guide.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_style.graphs.gradients import custom_gradient
from tf_style.graphs.rounding import unrounded
from tf_style.losses.matrix_root import symmetric_root, trace_of_root, with_exact_products
from tf_style.losses.per_sample import sample_axes

_FEW_FILTERS = 128

VARIANCE_FLOOR = 1e-4
"""Added to variances to keep their roots above 0, as in crowsonkb/style-transfer-pytorch."""


@custom_gradient
def _self_product(rows: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """Returns rows^T rows; its gradient uses the symmetry and needs one product, not two."""

    def gradient(upstream: tf.Tensor) -> tf.Tensor:
        return tf.matmul(rows, upstream + tf.linalg.matrix_transpose(upstream))

    return tf.matmul(rows, rows, transpose_a=True), gradient


@custom_gradient
def _rounded_self_product(features: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """Returns `_self_product` of the rows of bfloat16 features, in float32.

    With few filters there is one product for each row of the picture. TensorFlow adds it up in
    float32 and rounds it to 8 bits; float32 adds these products up, so that their errors cancel out
    to less than 0.1 %. With many filters it is cheaper to convert the features first.

    Args:
        features: bfloat16 `[b, h, w, c]`.

    Returns:
        Float32 `[b, c, c]`.
    """
    shape, filters = tf.shape(features), features.shape[-1]
    rows = tf.reshape(features, [shape[0], shape[1] * shape[2], filters])

    def gradient(upstream: tf.Tensor) -> tf.Tensor:
        symmetric = upstream + tf.linalg.matrix_transpose(upstream)
        return tf.reshape(tf.matmul(rows, tf.cast(symmetric, tf.bfloat16)), shape)

    if filters > _FEW_FILTERS:
        exact = tf.cast(rows, tf.float32)
        return tf.matmul(exact, exact, transpose_a=True), gradient
    parts = tf.matmul(features, features, transpose_a=True)
    return tf.reduce_sum(tf.cast(parts, tf.float32), 1), gradient


def rows_of(features: tf.Tensor) -> tf.Tensor:
    """Returns features, float `[b, h, w, c]`, as one row per position, float `[b, h * w, c]`."""
    shape = tf.shape(features)
    return tf.reshape(features, [shape[0], shape[1] * shape[2], features.shape[-1]])


def gram_matrix(features: tf.Tensor, *, guide: tf.Tensor | None = None) -> tf.Tensor:
    """Returns the Gram matrix of the filters, divided by the number of positions.

    Differs from Gatys et al. (2016), eq. 3: divided by M, so that pictures of different
    sizes can be compared; in return, `style_loss` omits the M^2 of their eq. 4.

    Args:
        features: float `[b, h, w, c]`.
        guide: float `[b or 1, h, w, 1]`, weights of the positions with mean 1; None for all ones.

    Returns:
        Float `[b, c, c]`, symmetric: G / M with G = F F^T, where F is multiplied by the root of
        the guide. Float32 for bfloat16 features.

    References:
        Gatys et al. (2016), eq. 3; guided: Gatys et al. (2017), Controlling perceptual factors
        in neural style transfer, guided Gram matrices.
    """
    shape = tf.shape(features)
    positions = shape[1] * shape[2]
    if guide is not None:
        features = unrounded(features) * tf.stop_gradient(tf.sqrt(guide))
    if features.dtype == tf.bfloat16:
        return _rounded_self_product(features) / tf.cast(positions, tf.float32)
    rows = tf.reshape(features, [shape[0], positions, features.shape[-1]])
    return _self_product(rows) / tf.cast(positions, features.dtype)


def style_loss(gram: tf.Tensor, target: tf.Tensor, *, per_sample: bool = False) -> tf.Tensor:
    """Returns one layer's style loss E_l.

    Equals the paper's 1 / (4 N^2 M^2) * sum((G - A)^2) if both pictures have M positions,
    because each Gram matrix is already divided by its number of positions.

    Args:
        gram: float `[b, c, c]`, `gram_matrix` of the image.
        target: float `[b or 1, c, c]`, that of the style.
        per_sample: give `[b]` losses, not one.

    Returns:
        Scalar, at least 0. Does not grow with the size of a picture.

    References:
        Gatys et al. (2016), eq. 4.
    """
    filters = tf.cast(gram.shape[-1], gram.dtype)
    squares = tf.math.squared_difference(gram, target)
    return tf.reduce_sum(squares, sample_axes(squares, per_sample)) / (4.0 * filters**2)


def gram_scale(target: tf.Tensor) -> tf.Tensor:
    """Returns `style_loss` of a Gram matrix of 0, float `[b]`: |A|^2 / (4 N^2)."""
    return tf.reduce_mean(tf.square(target), [-2, -1]) / 4.0


class Moments(NamedTuple):
    """Mean and second raw moment of a layer's features; linear, so that styles can be blended.

    Attributes:
        mean: float `[b, c]`.
        second: float `[b, c, c]`, from `gram_matrix`.
    """

    mean: tf.Tensor
    second: tf.Tensor


class GaussianTarget(NamedTuple):
    """A Gaussian distribution, the target of `wasserstein_loss`.

    Attributes:
        mean: float `[b, c]`.
        root: float `[b, c, c]`, the square root of the covariance.
    """

    mean: tf.Tensor
    root: tf.Tensor


def mean_features(features: tf.Tensor, *, guide: tf.Tensor | None = None) -> tf.Tensor:
    """Returns the mean over positions, float `[b, c]`, of features, float `[b, h, w, c]`."""
    if guide is not None:
        features = features * tf.stop_gradient(guide)
    return tf.reduce_mean(features, [1, 2])


def moments(
    features: tf.Tensor,
    *,
    guide: tf.Tensor | None = None,
    gram: Callable[..., tf.Tensor] = gram_matrix,
) -> Moments:
    """Returns the mean and the second raw moment of the features.

    Sums are those of centered features, which is exact for features that are the same everywhere.
    Plain sums of a million equal numbers are off by 0.7%, so that the covariance of a picture of
    one color would be far from 0.

    Args:
        features: float `[b, h, w, c]`.
        guide: float `[b or 1, h, w, 1]`, weights of the positions with mean 1; None for all ones.
        gram: computes Gram matrices, as `gram_matrix`.
    """
    center = mean_features(features, guide=guide)
    share = tf.ones_like(center[:, :1])
    if guide is not None:
        share = mean_features(guide)
        center = tf.math.divide_no_nan(center, share)
    center = tf.stop_gradient(center)
    features = features - center[:, tf.newaxis, tf.newaxis]
    options = {} if guide is None else {"guide": guide}
    offset, spread = mean_features(features, **options), gram(features, **options)
    # x x^T = (x - a) (x - a)^T + a (x - a)^T + (x - a) a^T + a a^T for any center a.
    half = (offset + 0.5 * share * center)[:, tf.newaxis] * center[:, :, tf.newaxis]
    return Moments(share * center + offset, spread + half + tf.linalg.matrix_transpose(half))


def wasserstein_target(style: Moments) -> GaussianTarget:
    """Returns the target of `wasserstein_loss`; computed once for each style."""
    return GaussianTarget(style.mean, symmetric_root(covariance(style)))


def centered(raw: Moments) -> tf.Tensor:
    """Returns the covariance, float `[b, c, c]`: the Gram matrix of the centered features."""
    return raw.second - raw.mean[:, :, tf.newaxis] * raw.mean[:, tf.newaxis, :]


def covariance(raw: Moments) -> tf.Tensor:
    """Returns the covariance with `VARIANCE_FLOOR` added to its diagonal, float `[b, c, c]`.

    Channels that are constant except for rounding count as constant: a covariance that is nothing
    but rounding may have eigenvalues far below 0, and then no square root.
    """
    spread = centered(raw)
    identity = tf.eye(raw.mean.shape[-1], dtype=raw.mean.dtype)
    # Sums, because converters to other runtimes do not know the diagonal's operation.
    variances, squares = (tf.reduce_sum(identity * each, -1) for each in (spread, raw.second))
    rounding = 100.0 * np.finfo(raw.mean.dtype.as_numpy_dtype).eps
    varies = tf.cast(variances > rounding * squares, spread.dtype)
    spread *= varies[:, :, tf.newaxis] * varies[:, tf.newaxis, :]
    return spread + VARIANCE_FLOOR * identity


def wasserstein_loss(
    image: Moments, target: GaussianTarget, *, per_sample: bool = False
) -> tf.Tensor:
    """Returns the squared Wasserstein-2 distance of two Gaussians, divided by the channels.

    |m - m_s|^2 + trace(S + S_s - 2 (S_s^(1/2) S S_s^(1/2))^(1/2)), where m and S are the
    mean and the covariance of a layer's features, S with 1e-4 added to its diagonal. It grows
    with the square of the features, while `style_loss` grows with the fourth power.

    Variances below about 3% of the norm of S count more than they should, because the inner
    root has not converged there (see `matrix_root.trace_of_root`). The loss then stays above 0
    at its target (docs/notes/losses.md).

    Args:
        image: `moments` of the image.
        target: `wasserstein_target` of the style.
        per_sample: give `[b]` losses, not one.

    Returns:
        Scalar, at least 0 except for rounding. Does not grow with the size of a picture.

    References:
        Dowson & Landau (1982), The Frechet distance between multivariate normal
        distributions. As a style loss: crowsonkb/style-transfer-pytorch.
    """
    spread, root = (with_exact_products(each) for each in (covariance(image), target.root))
    inner = tf.matmul(root, tf.matmul(spread, root))
    traces = tf.linalg.trace(spread) + tf.reduce_sum(root**2, [-2, -1])
    between_spreads = tf.cast(traces - 2.0 * trace_of_root(inner), image.mean.dtype)
    between_means = tf.reduce_sum(tf.math.squared_difference(image.mean, target.mean), -1)
    channels = tf.cast(image.mean.shape[-1], image.mean.dtype)
    distances = between_means + between_spreads
    return tf.reduce_sum(distances, sample_axes(distances, per_sample)) / channels


def wasserstein_scale(target: GaussianTarget) -> tf.Tensor:
    """Returns the distance from the target to features of 0, float `[b]`, as `wasserstein_loss`."""
    variances = tf.reduce_sum(tf.square(target.root), -2)
    return tf.reduce_mean(tf.square(target.mean) + variances, -1)


def mean_scale(target: tf.Tensor) -> tf.Tensor:
    """Returns the mean squared difference of mean features, float `[b, c]`, from 0; `[b]`."""
    return tf.reduce_mean(tf.square(target), -1)


class ChannelMoments(NamedTuple):
    """Mean and mean square of each channel; linear, so that styles can be blended.

    Attributes:
        mean: float `[b, c]`.
        square: float `[b, c]`.
    """

    mean: tf.Tensor
    square: tf.Tensor


class ChannelTarget(NamedTuple):
    """Mean and standard deviation of each channel, which `mean_std_loss` compares.

    Attributes:
        mean: float `[b, c]`.
        deviation: float `[b, c]`, at least the root of `VARIANCE_FLOOR`.
    """

    mean: tf.Tensor
    deviation: tf.Tensor


def channel_moments(features: tf.Tensor, *, guide: tf.Tensor | None = None) -> ChannelMoments:
    """Returns the mean and the mean square of each channel.

    Args:
        features: float `[b, h, w, c]`.
        guide: float `[b or 1, h, w, 1]`, weights of the positions with mean 1; None for all ones.
    """
    return ChannelMoments(
        mean_features(features, guide=guide), mean_features(tf.square(features), guide=guide)
    )


def mean_std_target(raw: ChannelMoments) -> ChannelTarget:
    """Returns means and standard deviations, with `VARIANCE_FLOOR` added to the variances."""
    # Rounding may leave a variance a little below 0.
    variance = tf.maximum(raw.square - tf.square(raw.mean), 0.0)
    return ChannelTarget(raw.mean, tf.sqrt(variance + VARIANCE_FLOOR))


def mean_std_loss(
    image: ChannelMoments, target: ChannelTarget, *, per_sample: bool = False
) -> tf.Tensor:
    """Returns the squared differences of mean and deviation, averaged over the channels.

    Differs from Li et al. (2017): `VARIANCE_FLOOR` is added to the variances, because the root
    has no finite gradient for a filter that never fires.

    Args:
        image: `channel_moments` of the image.
        target: `mean_std_target` of the style.
        per_sample: give `[b]` losses, not one.

    Returns:
        Scalar, at least 0. Grows with the square of the features.

    References:
        Li, Wang, Liu & Hou (2017), Demystifying neural style transfer: "BN statistics matching".
    """
    measured = mean_std_target(image)
    squares = tf.math.squared_difference(measured.mean, target.mean)
    squares += tf.math.squared_difference(measured.deviation, target.deviation)
    channels = tf.cast(measured.mean.shape[-1], measured.mean.dtype)
    return tf.reduce_sum(squares, sample_axes(squares, per_sample)) / channels


def mean_std_scale(target: ChannelTarget) -> tf.Tensor:
    """Returns the distance from the target to features of 0, float `[b]`, as `mean_std_loss`."""
    return tf.reduce_mean(tf.square(target.mean) + tf.square(target.deviation), -1)
