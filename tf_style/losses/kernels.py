"""Style losses of kernels: the maximum mean discrepancy (MMD) of two layers' features.

MMD^2 is the mean kernel value within the one, plus that within the other, less twice that
between them: the squared distance of the means of what the kernel maps a position to. Those
means are kept here, never all pairs of positions. For the polynomial kernel (x y)^2 it is
the Gram loss (`style_losses`), for the linear one the distance of mean features.

Features are float `[batch, h, w, channels]`; batch, `per_sample` and `guide` are as in
`moment_losses`.

References:
    Li, Wang, Liu & Hou (2017), Demystifying neural style transfer.
"""

import functools
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_style.losses.moments import channel_moments, rows_of
from tf_style.losses.per_sample import sample_axes

RUNGS = tuple(4.0**power for power in range(-4, 17))
"""Squared bandwidths of Gaussian kernels, each four times the last, 0.004 to 4.3e9."""

_SEED = 20170104  # Of the frequencies; any would do.


def mmd_linear_loss(
    image_mean: tf.Tensor, target: tf.Tensor, *, per_sample: bool = False
) -> tf.Tensor:
    """Returns MMD^2 with the kernel x y, divided by the channels: the distance of mean features.

    Args:
        image_mean: float `[b, c]` of `mean_features`.
        target: float `[b or 1, c]`, the style's.
        per_sample: give `[b]` losses, not one.

    Returns:
        Scalar, at least 0. Grows with the square of the features.

    References:
        Li et al. (2017), linear kernel.
    """
    squares = tf.math.squared_difference(image_mean, target)
    channels = tf.cast(image_mean.shape[-1], image_mean.dtype)
    return tf.reduce_sum(squares, sample_axes(squares, per_sample)) / channels


@functools.cache
def frequencies(channels: int) -> np.ndarray:
    """Returns the fixed directions of the waves, float64 `[c, 2 c]`, normally distributed.

    Two for each channel, so that every direction in which features differ is seen.
    """
    return np.random.RandomState(_SEED).standard_normal((channels, 2 * channels))


class KernelMeans(NamedTuple):
    """Mean waves at every bandwidth, and the moments that choose one; linear, to be blended.

    Attributes:
        mean: mean features, float `[b, c]`.
        square: mean squares, float `[b, c]`.
        cosines: mean cosines, float `[b, rungs, 2 c]`.
        sines: mean sines, float `[b, rungs, 2 c]`.
    """

    mean: tf.Tensor
    square: tf.Tensor
    cosines: tf.Tensor
    sines: tf.Tensor


class KernelTarget(NamedTuple):
    """Mean waves of a style at its own bandwidth.

    Attributes:
        scale: float `[b]`, 1 over the bandwidth.
        cosines: mean cosines, float `[b, 2 c]`.
        sines: mean sines, float `[b, 2 c]`.
    """

    scale: tf.Tensor
    cosines: tf.Tensor
    sines: tf.Tensor


def kernel_means(features: tf.Tensor, *, guide: tf.Tensor | None = None) -> KernelMeans:
    """Returns a style's mean waves at each bandwidth of `RUNGS`.

    At all of them, as the bandwidth of several styles is known only once they are blended.

    Args:
        features: float `[b, h, w, c]`.
        guide: float `[b or 1, h, w, 1]`, weights of the positions with mean 1; None for all ones.
    """
    rows, weights = rows_of(features), _weights(guide)
    waves = tf.constant(frequencies(features.shape[-1]), features.dtype)
    angles = tf.matmul(rows, waves)
    scales = tf.constant([rung**-0.5 for rung in RUNGS], features.dtype)
    # One after the other, as each takes twice the features' memory.
    cosines, sines = tf.map_fn(
        lambda scale: _mean_waves(scale * angles, weights),
        scales,
        fn_output_signature=(features.dtype, features.dtype),
        parallel_iterations=1,
    )
    shape = [None, len(RUNGS), waves.shape[-1]]
    cosines, sines = (
        tf.ensure_shape(tf.transpose(means, [1, 0, 2]), shape) for means in (cosines, sines)
    )
    return KernelMeans(*channel_moments(features, guide=guide), cosines, sines)


def kernel_target(style: KernelMeans) -> KernelTarget:
    """Returns a style's mean waves at its bandwidth.

    Its square is the mean squared distance of two positions, 2 (E|x|^2 - |E x|^2), rounded to
    the nearest of `RUNGS`.
    """
    distance = 2.0 * tf.reduce_sum(style.square - tf.square(style.mean), -1)
    distance = tf.maximum(distance, tf.cast(RUNGS[0], distance.dtype))
    place = tf.math.log(distance / tf.cast(RUNGS[0], distance.dtype)) / np.log(4.0)
    place = tf.clip_by_value(tf.cast(tf.round(place), tf.int32), 0, len(RUNGS) - 1)
    scales = tf.constant([rung**-0.5 for rung in RUNGS], distance.dtype)
    return KernelTarget(
        tf.gather(scales, place),
        tf.gather(style.cosines, place, axis=1, batch_dims=1),
        tf.gather(style.sines, place, axis=1, batch_dims=1),
    )


def image_waves(
    features: tf.Tensor, target: KernelTarget, *, guide: tf.Tensor | None = None
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns an image's mean cosines and sines at the style's bandwidth, float `[b, 2 c]`.

    Args:
        features: float `[b, h, w, c]`.
        target: of `kernel_target`, the style's.
        guide: float `[b or 1, h, w, 1]`, weights of the positions with mean 1; None for all ones.
    """
    waves = tf.constant(frequencies(features.shape[-1]), features.dtype)
    angles = tf.matmul(rows_of(features), waves * target.scale[:, tf.newaxis, tf.newaxis])
    return _mean_waves(angles, _weights(guide))


def mmd_gaussian_loss(
    image: tuple[tf.Tensor, tf.Tensor], target: KernelTarget, *, per_sample: bool = False
) -> tf.Tensor:
    """Returns MMD^2 with the kernel exp(-|x - y|^2 / (2 s^2)), s the style's bandwidth.

    By waves of random, fixed frequencies: the kernel is the mean of cos(w (x - y)) over normally
    distributed w of deviation 1 / s (Bochner), so that MMD^2 is about the mean squared difference
    of the mean cosines plus that of the mean sines.

    Differs from Li et al. (2017): all positions through waves, not sampled pairs, so that the
    loss is one function, as L-BFGS needs, and never below 0; s is rounded, see `kernel_target`.

    Args:
        image: of `image_waves`.
        target: of `kernel_target`, the style's.
        per_sample: give `[b]` losses, not one.

    Returns:
        Scalar, 0..4: whatever the features' scale.

    References:
        Li et al. (2017), Gaussian kernel; Rahimi & Recht (2007), Random features for large-scale
        kernel machines.
    """
    cosines, sines = image
    squares = tf.math.squared_difference(cosines, target.cosines)
    squares += tf.math.squared_difference(sines, target.sines)
    count = tf.cast(squares.shape[-1], squares.dtype)
    return tf.reduce_sum(squares, sample_axes(squares, per_sample)) / count


def _weights(guide: tf.Tensor | None) -> tf.Tensor | None:
    """Returns weights of the rows, float `[b or 1, h * w, 1]`."""
    return None if guide is None else tf.stop_gradient(rows_of(guide))


def _mean_waves(angles: tf.Tensor, weights: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the means of cosines and sines over the positions, float `[b, n]`."""
    waves = tf.cos(angles), tf.sin(angles)
    if weights is not None:
        waves = waves[0] * weights, waves[1] * weights
    return tf.reduce_mean(waves[0], 1), tf.reduce_mean(waves[1], 1)
