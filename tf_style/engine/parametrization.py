"""Parametrizations: the variables that an optimizer changes, and their maps to and from images.

A position is the image itself or its scaled spectrum, in which L-BFGS converges faster. The change
of variables is linear and exact.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf


class Spectrum(NamedTuple):
    """The change of variables at one size.

    Attributes:
        rows: float32 `[H, H]`, orthonormal: the cosine transform along the height.
        columns: float32 `[W, W]`, the same along the width.
        scale: float32 `[H, W]`, above 0: how far a unit step moves each frequency.
    """

    rows: tf.Tensor
    columns: tf.Tensor
    scale: tf.Tensor


def spectrum(
    height: int | tf.Tensor, width: int | tf.Tensor, exponent: float | tf.Tensor = 0.0
) -> Spectrum:
    """Returns the spectrum in which a frequency f is scaled by 1 / f**exponent.

    Exponents above 0 let low frequencies, which have the furthest to move, take longer steps, and
    keep fine detail from growing before the forms that it belongs to (docs/notes/engine.md). The
    mean square of the scales is 1. Cosines, unlike Fourier waves,
    do not connect opposite borders.

    Args:
        height: height of the image, px. Like the width, it may be unknown when a graph is traced.
        width: width of the image, px.
        exponent: 0 leaves the frequencies unscaled.

    References:
        Olah, Mordvintsev & Schubert (2017), Feature Visualization, section "Preconditioning".
        Differs from it: cosines instead of Fourier waves, for the reason above; a weaker scaling
        than 1 / f, which converges faster.
    """
    rows, columns = (_steps(size) / tf.cast(size, tf.float64) for size in (height, width))
    frequency = tf.sqrt(tf.square(rows)[:, tf.newaxis] + tf.square(columns))
    lowest = 1.0 / tf.cast(tf.maximum(height, width), tf.float64)
    frequency = tf.maximum(frequency, lowest)  # The mean counts as the lowest.
    scale = frequency ** -tf.cast(exponent, tf.float64)
    scale /= tf.sqrt(tf.reduce_mean(tf.square(scale)))
    matrices = (_cosines(height), _cosines(width), scale)
    return Spectrum(*(tf.cast(matrix, tf.float32) for matrix in matrices))


def _steps(size: int | tf.Tensor) -> tf.Tensor:
    return tf.range(tf.cast(size, tf.float64), dtype=tf.float64)


def _cosines(size: int | tf.Tensor) -> tf.Tensor:
    """Returns the orthonormal matrix of the discrete cosine transform (DCT-II), float64."""
    frequencies, places = _steps(size)[:, tf.newaxis], _steps(size) + 0.5
    length = tf.cast(size, tf.float64)
    matrix = tf.sqrt(2.0 / length) * tf.cos(math.pi / length * frequencies * places)
    return tf.where(tf.equal(frequencies, 0.0), matrix / math.sqrt(2.0), matrix)


def image_of_spectrum(position: tf.Tensor, basis: Spectrum) -> tf.Tensor:
    """Returns the images `[b, H, W, 3]` at a position `[3 b, H, W]`."""
    channels = tf.matmul(position * basis.scale, basis.columns)
    channels = tf.matmul(basis.rows, channels, transpose_a=True)
    shape = tf.shape(channels)
    channels = tf.reshape(channels, [shape[0] // 3, 3, shape[1], shape[2]])
    return tf.transpose(channels, [0, 2, 3, 1])


def spectrum_of_image(image: tf.Tensor, basis: Spectrum) -> tf.Tensor:
    """Returns the position `[3 b, H, W]` of images `[b, H, W, 3]`."""
    return _transformed(image, basis) / basis.scale


def spectrum_of_gradient(gradient: tf.Tensor, basis: Spectrum) -> tf.Tensor:
    """Returns the gradient with respect to the position, from that with respect to the image."""
    return _transformed(gradient, basis) * basis.scale


def _transformed(image: tf.Tensor, basis: Spectrum) -> tf.Tensor:
    shape = tf.shape(image)
    channels = tf.reshape(tf.transpose(image, [0, 3, 1, 2]), [3 * shape[0], shape[1], shape[2]])
    return tf.matmul(basis.rows, tf.matmul(channels, basis.columns, transpose_b=True))


class Parametrization(NamedTuple):
    """A linear change of variables.

    Attributes:
        basis: maps (height, width, exponent) to the second argument of the other functions.
        to_image: maps a position to its image, or to those of a batch.
        to_position: maps an image to its position; the inverse of `to_image`.
        to_position_gradient: maps the gradient with respect to the image to the gradient with
            respect to the position.
    """

    basis: Callable[..., Any]
    to_image: Callable[[tf.Tensor, Any], tf.Tensor]
    to_position: Callable[[tf.Tensor, Any], tf.Tensor]
    to_position_gradient: Callable[[tf.Tensor, Any], tf.Tensor]


def _same(values: tf.Tensor, _: Any) -> tf.Tensor:
    return values


PARAMETRIZATIONS: dict[str, Parametrization] = {
    "spectrum": Parametrization(
        spectrum, image_of_spectrum, spectrum_of_image, spectrum_of_gradient
    ),
    "pixels": Parametrization(lambda height, width, exponent=0.0: (), _same, _same, _same),
}
"""Parametrizations by name."""
