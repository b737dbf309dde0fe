"""The image as a scaled spectrum: the variables in which L-BFGS converges fast.

A position is float32 `[3, H, W]`: the discrete cosine transform of an image `[1, H, W, 3]`,
each frequency divided by its scale. The change of variables is linear and exact. Cosines,
unlike Fourier's waves, do not tie opposite borders together.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf


class Basis(NamedTuple):
    """The change of variables at one size.

    Attributes:
        rows: float32 `[H, H]`, orthonormal: the cosine transform along the height.
        columns: float32 `[W, W]`, likewise along the width.
        scale: float32 `[H, W]`, above 0: how far a unit step moves each frequency.
    """

    rows: tf.Tensor
    columns: tf.Tensor
    scale: tf.Tensor


def cosine_basis(height: int, width: int, *, exponent: float) -> Basis:
    """Returns the basis in which a frequency f is scaled by 1 / f**exponent.

    Pictures, and the gradients of style losses, have most of their energy in low frequencies;
    so scaled, all frequencies of an image change at a like pace. The scales' mean square is 1.

    Args:
        height: of the image, px.
        width: of the image, px.
        exponent: 0 leaves the frequencies as they are.
    """
    frequency = np.hypot(np.arange(height)[:, None] / height, np.arange(width) / width)
    frequency[0, 0] = 1.0 / max(height, width)  # The mean: as the lowest frequency.
    scale = frequency**-exponent
    scale /= np.sqrt(np.mean(scale**2))
    matrices = (_cosines(height), _cosines(width), scale)
    return Basis(*(tf.constant(matrix, tf.float32) for matrix in matrices))


def _cosines(size: int) -> np.ndarray:
    """Returns the orthonormal matrix of the discrete cosine transform (DCT-II)."""
    frequencies, places = np.arange(size)[:, None], np.arange(size) + 0.5
    matrix = np.sqrt(2.0 / size) * np.cos(np.pi / size * frequencies * places)
    matrix[0] /= np.sqrt(2.0)
    return matrix


def to_image(position: tf.Tensor, basis: Basis) -> tf.Tensor:
    """Returns the image `[1, H, W, 3]` at a position `[3, H, W]`."""
    spectrum = position * basis.scale
    rows = tf.matmul(basis.rows, tf.matmul(spectrum, basis.columns), transpose_a=True)
    return tf.transpose(rows, [1, 2, 0])[None]


def to_position(image: tf.Tensor, basis: Basis) -> tf.Tensor:
    """Returns the position `[3, H, W]` of an image `[1, H, W, 3]`."""
    return _spectrum(image, basis) / basis.scale


def to_position_gradient(gradient: tf.Tensor, basis: Basis) -> tf.Tensor:
    """Returns the gradient with respect to the position, given that of the image."""
    return _spectrum(gradient, basis) * basis.scale


def _spectrum(image: tf.Tensor, basis: Basis) -> tf.Tensor:
    channels = tf.transpose(image[0], [2, 0, 1])
    return tf.matmul(basis.rows, tf.matmul(channels, basis.columns, transpose_b=True))
