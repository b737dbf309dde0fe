"""Style losses based on kernels: the maximum mean discrepancy (MMD) of two sets of features.

MMD^2 is the mean kernel value within one set, plus that within the other, minus twice that between
them. It equals the squared distance between the two means in the kernel's feature space. Only these
means are stored, never all pairs of positions. For the linear kernel MMD^2 is the squared distance
of the mean features; for the polynomial kernel (x y)^2 it is the Gram loss (see `style`).

Features are float `[batch, h, w, channels]`; batch, `per_sample` and `guide` work as in `moments`.

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
"""Squared bandwidths of the Gaussian kernel, each four times the previous, 0.004 to 4.3e9."""

_SEED = 20170104  # Seed of the frequencies; the choice does not matter.


def mmd_linear_loss(
    image_mean: tf.Tensor, target: tf.Tensor, *, per_sample: bool = False
) -> tf.Tensor:
    """Returns MMD^2 with the kernel x y, divided by the number of channels.

    It is the mean squared difference of the mean features.

    Args:
        image_mean: float `[b, c]`, `moments.mean_features` of the image.
        target: float `[b or 1, c]`, those of the style.
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
    """Returns the fixed frequencies of the waves, float64 `[c, 2 c]`, normally distributed.

    Each column is one frequency vector. There are two for each channel, so that they span every
    direction in which features can differ.
    """
    return np.random.RandomState(_SEED).standard_normal((channels, 2 * channels))


class KernelMeans(NamedTuple):
    """Mean waves at every bandwidth, and the moments that select one.

    All parts are linear in the features' distribution, so that styles can be blended.

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
    """Mean waves of a style at the bandwidth of that style.

    Attributes:
        scale: float `[b]`, 1 / bandwidth.
        cosines: mean cosines, float `[b, 2 c]`.
        sines: mean sines, float `[b, 2 c]`.
    """

    scale: tf.Tensor
    cosines: tf.Tensor
    sines: tf.Tensor


def kernel_means(features: tf.Tensor, *, guide: tf.Tensor | None = None) -> KernelMeans:
    """Returns the mean waves of a style at every bandwidth of `RUNGS`.

    Every bandwidth is needed, because that of several styles is known only after blending.

    Args:
        features: float `[b, h, w, c]`.
        guide: float `[b or 1, h, w, 1]`, weights of the positions with mean 1; None for all ones.
    """
    rows, weights = rows_of(features), _weights(guide)
    waves = tf.constant(frequencies(features.shape[-1]), features.dtype)
    angles = tf.matmul(rows, waves)
    scales = tf.constant([rung**-0.5 for rung in RUNGS], features.dtype)
    # One after the other, because each takes twice the memory of the features.
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
    """Returns the mean waves of a style at its bandwidth.

    The squared bandwidth is the mean squared distance of two positions, 2 (E|x|^2 - |E x|^2),
    rounded to the nearest of `RUNGS`.
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
    """Returns the mean cosines and sines of an image at the style's bandwidth, float `[b, 2 c]`.

    Args:
        features: float `[b, h, w, c]`.
        target: the style's, from `kernel_target`.
        guide: float `[b or 1, h, w, 1]`, weights of the positions with mean 1; None for all ones.
    """
    waves = tf.constant(frequencies(features.shape[-1]), features.dtype)
    angles = tf.matmul(rows_of(features), waves * target.scale[:, tf.newaxis, tf.newaxis])
    return _mean_waves(angles, _weights(guide))


def mmd_gaussian_loss(
    image: tuple[tf.Tensor, tf.Tensor], target: KernelTarget, *, per_sample: bool = False
) -> tf.Tensor:
    """Returns MMD^2 with the kernel exp(-|x - y|^2 / (2 s^2)), where s is the style's bandwidth.

    It is approximated by waves of random but fixed frequencies. The kernel is the mean of
    cos(w (x - y)) over normally distributed w with deviation 1 / s (Bochner). Therefore MMD^2 is
    about the mean squared difference of the mean cosines plus that of the mean sines.

    Differs from Li et al. (2017): waves use all positions, not sampled pairs, so that the loss
    is one fixed function, as L-BFGS needs, and never below 0; s is rounded, see `kernel_target`.

    Args:
        image: mean cosines and sines from `image_waves`.
        target: the style's, from `kernel_target`.
        per_sample: give `[b]` losses, not one.

    Returns:
        Scalar, 0..4, at any scale of the features.

    References:
        Li et al. (2017), Gaussian kernel; Rahimi & Recht (2007), Random features for large-scale
        kernel machines.
    """
    cosines, sines = image
    squares = tf.math.squared_difference(cosines, target.cosines)
    squares += tf.math.squared_difference(sines, target.sines)
    count = tf.cast(squares.shape[-1], squares.dtype)
    return tf.reduce_sum(squares, sample_axes(squares, per_sample)) / count


def mmd_gaussian_scale(target: KernelTarget) -> tf.Tensor:
    """Returns `mmd_gaussian_loss` of features of 0, whose waves are 1 and 0, float `[b]`."""
    return tf.reduce_mean(tf.square(1.0 - target.cosines) + tf.square(target.sines), -1)


def _weights(guide: tf.Tensor | None) -> tf.Tensor | None:
    """Returns the guide as weights of rows, float `[b or 1, h * w, 1]`, or None."""
    return None if guide is None else tf.stop_gradient(rows_of(guide))


def _mean_waves(angles: tf.Tensor, weights: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the means of cosines and sines over the positions, float `[b, n]`."""
    waves = tf.cos(angles), tf.sin(angles)
    if weights is not None:
        waves = waves[0] * weights, waves[1] * weights
    return tf.reduce_mean(waves[0], 1), tf.reduce_mean(waves[1], 1)
