"""Resizes images with TensorFlow operations, also in graphs whose sizes are unknown when traced.

The filter weights are those of Pillow's `Resampling.LANCZOS` for float images, so that the result
equals that of `resizing.resize` up to rounding and clipping.
"""

import math
from typing import TypeAlias

import tensorflow as tf

from tf_style.graphs.tracing import unfolded

_LOBES = 3.0

Size: TypeAlias = tuple[int | tf.Tensor, int | tf.Tensor]
"""(height, width), px: integers, or int32 scalars that are known only when the graph runs."""


def lanczos_matrix(
    length: int | tf.Tensor,
    new_length: int | tf.Tensor,
    *,
    begin: float | tf.Tensor = 0.0,
    extent: float | tf.Tensor | None = None,
) -> tf.Tensor:
    """Returns the matrix that resamples a row of values with a three-lobed Lanczos filter.

    For downsampling the filter is widened by the scale, which avoids aliasing.

    Args:
        length: the length of the row, px.
        new_length: the length of the result, px.
        begin: the start of the section to resample, px.
        extent: the length of that section, px; the whole row if omitted.

    Returns:
        float64 `[new_length, length]`; each row sums to 1.
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
    """Returns the height and width of an image: integers if known when traced, else tensors."""
    height, width = (
        tf.shape(image)[axis] if image.shape[axis] is None else image.shape[axis] for axis in (1, 2)
    )
    return height, width


def resize(image: tf.Tensor, size: Size) -> tf.Tensor:
    """Returns the resized image, not clipped: ringing may exceed the range of the input a little.

    Args:
        image: float32 `[b, H, W, channels]`.
        size: the size of the result. If it is that of the image, the image is returned unchanged.
    """
    return resize_all((image,), size)[0]


def resize_all(images: tuple[tf.Tensor, ...], size: Size) -> tuple[tf.Tensor, ...]:
    """Returns what `resize` does of several images of one size, with less work."""
    old = size_of(images[0])
    if not any(tf.is_tensor(side) for side in (*old, *size)):
        return images if tuple(old) == tuple(size) else _resampled(images, size)
    same = tf.reduce_all(tf.equal(tf.stack(old), tf.stack(size)))
    return tf.cond(same, lambda: images, lambda: _resampled(images, size))


def _resampled(images: tuple[tf.Tensor, ...], size: Size) -> tuple[tf.Tensor, ...]:
    pairs = zip(size_of(images[0]), size, strict=True)
    rows, columns = (lanczos_matrix(*map(_in_graph, pair)) for pair in pairs)
    shape = [None, *(None if tf.is_tensor(side) else side for side in size), None]
    return tuple(tf.ensure_shape(_by(rows, image, columns), shape) for image in images)


def _in_graph(side: int | tf.Tensor) -> int | tf.Tensor:
    return unfolded(side) if tf.inside_function() and not tf.is_tensor(side) else side


def cover(image: tf.Tensor, size: Size) -> tf.Tensor:
    """Returns the image scaled to cover `size`, with its aspect ratio kept and the excess cropped.

    Args:
        image: float32 `[b, H, W, channels]`.
        size: the size of the result.
    """
    sides = [tf.cast(side, tf.float64) for side in size_of(image)]
    new_sides = [tf.cast(side, tf.float64) for side in size]
    scale = tf.maximum(new_sides[0] / sides[0], new_sides[1] / sides[1])
    rows, columns = (
        lanczos_matrix(side, length, begin=(side - new_side / scale) / 2, extent=new_side / scale)
        for side, length, new_side in zip(sides, size, new_sides, strict=True)
    )
    return _by(rows, image, columns)


def _by(rows: tf.Tensor, image: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    # In float64, because GPUs multiply float32 matrices in TF32, with a 10-bit mantissa.
    channels = tf.cast(tf.transpose(image, [0, 3, 1, 2]), tf.float64)
    channels = tf.matmul(tf.matmul(rows, channels), columns, transpose_b=True)
    return tf.cast(tf.transpose(channels, [0, 2, 3, 1]), image.dtype)
