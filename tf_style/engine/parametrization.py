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

    The cosine transform comes from a Fourier transform of half the width, because the values are
    real: `[H, F]` with F = W // 2 + 1.

    Attributes:
        scale: float32 `[H, W]`, above 0: how far a unit step moves each frequency.
        forth: complex64 `[2, H, F]`: what the Fourier transform, and the one with its rows
            mirrored, are multiplied by.
        back: complex64 `[2, H, F]`, the same for the inverse.
    """

    scale: tf.Tensor
    forth: tf.Tensor
    back: tf.Tensor


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
    forth, back = _turns(height, width)
    return Spectrum(
        tf.cast(scale, tf.float32), tf.cast(forth, tf.complex64), tf.cast(back, tf.complex64)
    )


def _steps(size: int | tf.Tensor) -> tf.Tensor:
    return tf.range(tf.cast(size, tf.float64), dtype=tf.float64)


def _turns(height: int | tf.Tensor, width: int | tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns `forth` and `back` of the orthonormal transform (DCT-II), complex128."""
    rows = _steps(height)[:, tf.newaxis] / tf.cast(height, tf.float64)
    columns = _steps(width // 2 + 1) / tf.cast(width, tf.float64)
    angles = -0.5 * math.pi * tf.stack([columns + rows, columns - rows])
    area = tf.cast(height, tf.float64) * tf.cast(width, tf.float64)
    lengths = _without_mean(rows, 2.0, 1.0) * _without_mean(columns, 2.0, 1.0)
    lengths = 0.5 * tf.sqrt(lengths / area)
    turns = tf.complex(tf.cos(angles), tf.sin(angles))
    forth = tf.cast(lengths, tf.complex128) * turns
    back = tf.math.conj(turns[0]) / tf.cast(2.0 * lengths, tf.complex128)
    mirrored = tf.complex(tf.zeros_like(rows), -_without_mean(rows, 1.0, 0.0)) * back
    return forth, tf.stack([back, mirrored])


def _without_mean(frequencies: tf.Tensor, value: float, at_mean: float) -> tf.Tensor:
    return value + (at_mean - value) * tf.cast(tf.equal(frequencies, 0.0), tf.float64)


def image_of_spectrum(position: tf.Tensor, basis: Spectrum) -> tf.Tensor:
    """Returns the images `[b, H, W, 3]` at a position `[3 b, H, W]`."""
    height, width = tf.unstack(tf.shape(basis.scale))
    values = position * basis.scale
    # The Fourier transform of the image in the order of `_order`: Makhoul (1980), inverted.
    upper = tf.reverse(values[..., width - width // 2 :], [2])
    values = tf.complex(values[..., : width // 2 + 1], -tf.pad(upper, [[0, 0], [0, 0], [1, 0]]))
    values = _turned(values, basis.back)
    channels = tf.signal.irfft2d(values, tf.stack([height, width]))
    channels = tf.reshape(channels, [-1, 3, height, width])
    image = tf.transpose(channels, [0, 2, 3, 1])
    return tf.gather(tf.gather(image, _places(height), axis=1), _places(width), axis=2)


def spectrum_of_image(image: tf.Tensor, basis: Spectrum) -> tf.Tensor:
    """Returns the position `[3 b, H, W]` of images `[b, H, W, 3]`."""
    return _transformed(image, basis) / basis.scale


def spectrum_of_gradient(gradient: tf.Tensor, basis: Spectrum) -> tf.Tensor:
    """Returns the gradient with respect to the position, from that with respect to the image."""
    return _transformed(gradient, basis) * basis.scale


def _transformed(image: tf.Tensor, basis: Spectrum) -> tf.Tensor:
    """Returns the cosine transform `[3 b, H, W]`.

    References:
        Makhoul (1980), A Fast Cosine Transform in One and Two Dimensions.
    """
    height, width = tf.unstack(tf.shape(basis.scale))
    image = tf.gather(tf.gather(image, _order(height), axis=1), _order(width), axis=2)
    channels = tf.reshape(tf.transpose(image, [0, 3, 1, 2]), [-1, height, width])
    values = _turned(tf.signal.rfft2d(channels), basis.forth)
    upper = tf.reverse(tf.math.imag(values[..., 1 : (width + 1) // 2]), [2])
    return tf.concat([tf.math.real(values), -upper], 2)


def _turned(values: tf.Tensor, turns: tf.Tensor) -> tf.Tensor:
    """Returns complex values `[n, H, F]` and the same with rows mirrored, times `turns`, added."""
    height = tf.shape(values)[1]
    mirrored = tf.gather(values, -tf.range(height) % height, axis=1)
    return turns[0] * values + turns[1] * mirrored


def _order(size: tf.Tensor) -> tf.Tensor:
    """Returns even places in rising order, then odd ones in falling order."""
    steps = tf.range(size)
    return tf.where(2 * steps < size, 2 * steps, 2 * (size - steps) - 1)


def _places(size: tf.Tensor) -> tf.Tensor:
    """Returns where each place is in `_order`, its inverse."""
    steps = tf.range(size)
    return tf.where(tf.equal(steps % 2, 0), steps // 2, size - (steps + 1) // 2)


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
