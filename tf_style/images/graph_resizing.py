"""Resizing of images as TensorFlow operations: part of any graph, for sizes unknown when traced.

The weights are Pillow's for `Resampling.LANCZOS` on float images, so that a picture brought to
size in a graph is the one that `images.resize` gives, but for rounding.
"""

import math
from typing import TypeAlias

import tensorflow as tf

_LOBES = 3.0

Size: TypeAlias = tuple[int | tf.Tensor, int | tf.Tensor]
"""Height and width, px: integers, or int32 scalars known when the graph runs."""


def lanczos_matrix(
    length: int | tf.Tensor,
    new_length: int | tf.Tensor,
    *,
    begin: float | tf.Tensor = 0.0,
    extent: float | tf.Tensor | None = None,
) -> tf.Tensor:
    """Returns the matrix that resamples a row of values with Lanczos' filter of three lobes.

    Made smaller, the filter is as much wider, so that nothing aliases.

    Args:
        length: of the row, px.
        new_length: of the result, px.
        begin: where the part to take begins, px.
        extent: the part's length, px; the whole row's if left out.

    Returns:
        Float64 `[new_length, length]`; each row's sum is 1.
    """
    old, new = (tf.cast(each, tf.float64) for each in (length, new_length))
    scale = (old if extent is None else tf.cast(extent, tf.float64)) / new
    centers = tf.cast(begin, tf.float64) + (tf.range(new, dtype=tf.float64) + 0.5) * scale
    offsets = tf.range(old, dtype=tf.float64) + 0.5 - centers[:, tf.newaxis]
    offsets /= tf.maximum(scale, 1.0)
    weights = _sinc(offsets) * _sinc(offsets / _LOBES)
    weights = tf.where(tf.abs(offsets) < _LOBES, weights, tf.zeros_like(weights))
    return weights / tf.reduce_sum(weights, axis=1, keepdims=True)


def _sinc(x: tf.Tensor) -> tf.Tensor:
    angle = math.pi * x
    return tf.where(tf.equal(x, 0.0), tf.ones_like(x), tf.math.divide_no_nan(tf.sin(angle), angle))


def size_of(image: tf.Tensor) -> Size:
    """Returns height and width of an image: integers where they are known, tensors elsewhere."""
    height, width = (
        tf.shape(image)[axis] if image.shape[axis] is None else image.shape[axis] for axis in (1, 2)
    )
    return height, width


def resize(image: tf.Tensor, size: Size) -> tf.Tensor:
    """Returns the image at another size, not clipped: the filter rings a little beyond 0..1.

    Args:
        image: float32 `[1, H, W, channels]`.
        size: of the result; at the image's own it is given back as it is.
    """
    if None not in image.shape[1:3] and not any(tf.is_tensor(side) for side in size):
        return image if tuple(image.shape[1:3]) == tuple(size) else _resampled(image, size)
    same = tf.reduce_all(tf.equal(tf.shape(image)[1:3], tf.stack(size)))
    return tf.cond(same, lambda: image, lambda: _resampled(image, size))


def _resampled(image: tf.Tensor, size: Size) -> tf.Tensor:
    height, width = size_of(image)
    return _by(lanczos_matrix(height, size[0]), image, lanczos_matrix(width, size[1]))


def cover(image: tf.Tensor, size: Size) -> tf.Tensor:
    """Returns the image, scaled undistorted to cover `size`, with the overhang cut off.

    Args:
        image: float32 `[1, H, W, channels]`.
        size: of the result.
    """
    sides = [tf.cast(side, tf.float64) for side in size_of(image)]
    asked = [tf.cast(side, tf.float64) for side in size]
    scale = tf.maximum(asked[0] / sides[0], asked[1] / sides[1])
    rows, columns = (
        lanczos_matrix(
            side, length, begin=(side - length_asked / scale) / 2, extent=length_asked / scale
        )
        for side, length, length_asked in zip(sides, size, asked, strict=True)
    )
    return _by(rows, image, columns)


def _by(rows: tf.Tensor, image: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    # In float64, as GPUs multiply float32 in TF32, with 10 bits.
    channels = tf.cast(tf.transpose(image[0], [2, 0, 1]), tf.float64)
    channels = tf.matmul(tf.matmul(rows, channels), columns, transpose_b=True)
    return tf.cast(tf.transpose(channels, [1, 2, 0])[tf.newaxis], image.dtype)
