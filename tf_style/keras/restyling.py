"""Moves a batch of images towards styles in a small, fixed number of steps.

Pure functions of float32 images `[batch, height, width, 3]`, RGB 0..1; images do not affect each
other. First the colors are matched in closed form. Then a few steps of gradient descent reduce
the style loss of shallow layers. It is relative to the style's own Gram matrices, so it has no
unit and is 0 at its target.
"""

from typing import NamedTuple

import tensorflow as tf

from tf_style._keras import keras
from tf_style.losses.matrix_root import symmetric_root
from tf_style.losses.moments import gram_matrix

_FLOOR = 1e-4  # Variance added to colors, (1/100)^2: flat images have singular covariances.
_LONGEST = 0.015  # RMS change of an image by one step. Longer steps sometimes overshoot.


class Style(NamedTuple):
    """Style statistics of pictures: averages over positions, so styles can be mixed linearly.

    Attributes:
        mean: mean color, float32 `[b, 3]`.
        second: second raw moment of the colors, float32 `[b, 3, 3]`.
        grams: Gram matrices float32 `[b, c, c]`, by layer name.
    """

    mean: tf.Tensor
    second: tf.Tensor
    grams: dict[str, tf.Tensor]


def style_of(extractor: keras.Model, images: tf.Tensor) -> Style:
    """Returns the style of each image `[b, h, w, 3]`, with the extractor's layers."""
    grams = {name: gram_matrix(features) for name, features in extractor(images).items()}
    return Style(tf.reduce_mean(images, [1, 2]), gram_matrix(images), grams)


def mixed(styles: Style, shares: tf.Tensor) -> Style:
    """Returns mixtures of `n` styles, with shares float32 `[b, n]` that add up to 1.

    A mixture has the statistics of a picture in which each style covers its share of the area.
    """
    return tf.nest.map_structure(lambda statistic: tf.tensordot(shares, statistic, 1), styles)


def recolored(images: tf.Tensor, style: Style) -> tf.Tensor:
    """Returns the images with the mean and covariance of the style's colors, not clipped.

    Uses the linear map that moves colors least, C^(-1/2) (C^(1/2) S C^(1/2))^(1/2) C^(-1/2),
    where C is the covariance of the image's colors and S that of the style's.

    References:
        Pitie & Kokaram (2007), The linear Monge-Kantorovitch linear colour mapping.
    """
    colors = tf.reshape(images, [tf.shape(images)[0], -1, 3])
    mean = tf.reduce_mean(colors, 1, keepdims=True)
    centered = colors - mean
    positions = tf.cast(tf.shape(colors)[1], tf.float32)
    root = symmetric_root(tf.matmul(centered, centered, transpose_a=True) / positions + _floor())
    outer = style.mean[:, :, tf.newaxis] * style.mean[:, tf.newaxis, :]
    between = tf.matmul(root, tf.matmul(style.second - outer + _floor(), root))
    inverse = tf.linalg.inv(root)
    color_map = tf.matmul(inverse, tf.matmul(symmetric_root(between), inverse))
    moved = tf.matmul(centered, color_map) + style.mean[:, tf.newaxis, :]
    return tf.reshape(moved, tf.shape(images))


def _floor() -> tf.Tensor:
    return _FLOOR * tf.eye(3)


def restyled(
    extractor: keras.Model,
    images: tf.Tensor,
    style: Style,
    *,
    num_steps: int,
    long_edge: int,
    smallest: int,
) -> tf.Tensor:
    """Returns the images with a style's colors, moved `num_steps` towards its Gram matrices.

    The colors are changed at the images' full size. The steps are taken at a reduced size, and
    their change is enlarged and added.

    Args:
        extractor: computes the features of the layers in `style.grams`.
        images: float32 `[b, h, w, 3]`, 0..1.
        style: one style for each image.
        num_steps: number of steps; 0 changes only the colors.
        long_edge: px to which the longer edge of larger images is reduced for the steps.
        smallest: px below which no side is reduced, because the layers need that many.

    Returns:
        Float32 `[b, h, w, 3]`, 0..1.
    """
    colored = tf.clip_by_value(recolored(images, style), 0.0, 1.0)
    if num_steps == 0:
        return colored
    size = tf.shape(images)[1:3]
    sides = tf.cast(size, tf.float32)
    reduced = tf.round(sides * tf.minimum(1.0, long_edge / tf.reduce_max(sides)))
    reduced = tf.maximum(tf.cast(reduced, tf.int32), tf.minimum(size, smallest))
    small = tf.image.resize(colored, reduced, antialias=True)
    change = _descended(extractor, small, style.grams, num_steps) - small
    return tf.clip_by_value(colored + tf.image.resize(change, size), 0.0, 1.0)


def _descended(
    extractor: keras.Model, images: tf.Tensor, grams: dict[str, tf.Tensor], num_steps: int
) -> tf.Tensor:
    """Returns the images after gradient steps of Polyak's length, loss / |gradient|^2 for each.

    At that length the loss's tangent reaches 0, the loss at the target, so there is no step size
    to choose. Differs from Polyak (1969): a step is cut to `_LONGEST`, because where the loss is
    flat it would lead far away.

    References:
        Polyak (1969), Minimization of unsmooth functionals.
    """

    def step(count: tf.Tensor, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(images)
            loss = relative_style_loss(extractor(images), grams)
        gradient = tape.gradient(loss, images)
        steepness = tf.reduce_sum(gradient**2, [1, 2, 3])
        length = tf.math.divide_no_nan(loss, steepness)
        typical = tf.sqrt(steepness / tf.cast(tf.size(images[0]), tf.float32))
        length = tf.minimum(length, tf.math.divide_no_nan(_LONGEST, typical))
        moved = images - length[:, None, None, None] * gradient
        return count + 1, tf.clip_by_value(moved, 0.0, 1.0)

    _, images = tf.while_loop(
        lambda count, _: count < num_steps,
        step,
        (tf.constant(0), images),
        shape_invariants=(tf.TensorShape([]), tf.TensorShape([None, None, None, 3])),
    )
    return images


def relative_style_loss(features: dict[str, tf.Tensor], grams: dict[str, tf.Tensor]) -> tf.Tensor:
    """Returns each image's mean over the layers of |G - A|^2 / |A|^2.

    Differs from Gatys et al. (2016), eq. 4: relative to the style's own A, so that all layers
    and styles count equally.

    Args:
        features: float `[b, h, w, c]`, by layer name.
        grams: float `[b, c, c]`, the style's Gram matrices, same keys.

    Returns:
        Float `[b]`, at least 0.
    """
    losses = [
        tf.math.divide_no_nan(
            tf.reduce_sum((gram_matrix(features[name]) - gram) ** 2, [1, 2]),
            tf.reduce_sum(gram**2, [1, 2]),
        )
        for name, gram in grams.items()
    ]
    return tf.add_n(losses) / len(losses)
