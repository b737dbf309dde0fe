"""3x3 convolutions with ReLU by Winograd's algorithm: a quarter of the products.

Takes and gives float32 `[batch, h, w, channels]`, padded with zeros. The gradient with respect to
the inputs is itself such a convolution, with the kernel rotated by 180 degrees and its channels
swapped. For ReLU's gradient, an operation keeps only the signs of its outputs.
"""

import functools
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tf_style.graphs.gradients import custom_gradient, masked
from tf_style.graphs.tracing import called_when_reached
from tf_style.network.winograd_matrices import PATCH, POINTS, TILE, transform_matrices

# Differs from Lavin & Gray (2016), section 4.3, who use the points 0, 1, 2 and their negatives:
# 0, 3/2, 2/3 and their negatives halve the rounding error (docs/notes/network.md).
_INPUTS, _KERNEL, _OUTPUTS = transform_matrices((0.0, 3 / 2, -3 / 2, 2 / 3, -2 / 3))

_MINIMUM_CHANNELS = 128  # With fewer, moving the tiles costs more than is saved.


def winograd_pays(kernel_shape: tuple[int, ...]) -> bool:
    """Returns whether Winograd's algorithm is faster than the direct one on a CPU."""
    return min(kernel_shape[2:]) >= _MINIMUM_CHANNELS


def winograd_kernel(kernel: np.ndarray | tf.Tensor) -> tf.Tensor:
    """Returns a kernel float32 `[3, 3, c, f]` at Winograd's points: float32 `[36, c, f]`.

    References:
        Lavin & Gray (2016), eq. 8: G g G^T.
    """
    points = _both(_KERNEL) @ tf.reshape(tf.cast(kernel, tf.float32), [9, -1])
    return tf.reshape(points, [POINTS, *kernel.shape[2:]])


def turned(kernel: np.ndarray) -> np.ndarray:
    """Returns the kernel of the gradient: rotated by 180 degrees, channels swapped."""
    return np.ascontiguousarray(kernel[::-1, ::-1].transpose(0, 1, 3, 2))


def winograd_convolution(inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Returns the zero-padded convolution, computed by 36 matrix products.

    Takes a quarter of the products of the direct convolution. Equal to it except for rounding
    (about 1e-6 relative).

    Args:
        inputs: float32 `[batch, h, w, c]`.
        kernel: float32 `[36, c, f]`, from `winograd_kernel`.

    References:
        Lavin & Gray (2016), algorithm 1, F(4x4, 3x3).
    """
    outputs = _winograd_graph()(inputs, kernel)
    return tf.ensure_shape(outputs, [*inputs.shape[:3], kernel.shape[2]])


@functools.cache
def _winograd_graph() -> Callable[..., tf.Tensor]:
    """Returns the convolution as one graph for all sizes and channels: it has many operations.

    It is called, never copied into the graph of the network, so TensorFlow loads it once.
    """
    signature = [
        tf.TensorSpec([None, None, None, None], tf.float32),
        tf.TensorSpec([POINTS, None, None], tf.float32),
    ]
    return called_when_reached(_winograd, input_signature=signature)


def _winograd(inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Returns `winograd_convolution`.

    One index list gathers the patches and pads them: a position outside the inputs points to a row
    of zeros. The 36 products are separate operations, because TensorFlow's batched product is half
    as fast on CPUs.
    """
    shape = tf.shape(inputs)
    batch, height, width = shape[0], shape[1], shape[2]
    channels, filters = tf.unstack(tf.shape(kernel)[1:])
    down, across = -(-height // TILE), -(-width // TILE)
    index = _tile_index(batch, height, width, down, across)
    rows = tf.concat([tf.reshape(inputs, [-1, channels]), tf.zeros([1, channels])], 0)
    patches = tf.reshape(tf.gather(rows, index), [POINTS, -1])
    points = tf.reshape(_both(_INPUTS) @ patches, [POINTS, -1, channels])
    products = [
        tf.matmul(tiles, matrix)
        for tiles, matrix in zip(tf.unstack(points), tf.unstack(kernel), strict=True)
    ]
    outputs = _both(_OUTPUTS) @ tf.reshape(tf.stack(products), [POINTS, -1])
    outputs = tf.reshape(outputs, [TILE, TILE, batch, down, across, filters])
    outputs = tf.transpose(outputs, [2, 3, 0, 4, 1, 5])
    outputs = tf.reshape(outputs, [batch, down * TILE, across * TILE, filters])
    return outputs[:, :height, :width]


def _both(matrix: np.ndarray) -> tf.Tensor:
    """Returns the constant float32 matrix that applies `matrix` to rows and columns at once."""
    return tf.constant(np.kron(matrix, matrix), tf.float32)


def _tile_index(
    batch: tf.Tensor, height: tf.Tensor, width: tf.Tensor, down: tf.Tensor, across: tf.Tensor
) -> tf.Tensor:
    """Returns int32 `[36 * tiles]`: the row of each input of each patch; the last row is zeros."""
    rows = tf.range(PATCH)[:, None] + TILE * tf.range(down) - 1
    columns = tf.range(PATCH)[:, None] + TILE * tf.range(across) - 1
    inside_rows = (rows >= 0) & (rows < height)
    inside_columns = (columns >= 0) & (columns < width)
    inside = inside_rows[:, None, None, :, None] & inside_columns[None, :, None, None, :]
    first = tf.range(batch)[:, None, None] * (height * width)
    index = first + rows[:, None, None, :, None] * width + columns[None, :, None, None, :]
    return tf.reshape(tf.where(inside, index, batch * height * width), [-1])


@custom_gradient
def winograd_relu(
    inputs: tf.Tensor, kernel: tf.Tensor, turned_kernel: tf.Tensor, bias: tf.Tensor
) -> tuple[tf.Tensor, Callable]:
    """Returns relu(convolution + bias); only the inputs get a gradient.

    Args:
        inputs: float32 `[batch, h, w, c]`.
        kernel: `winograd_kernel(kernel)`.
        turned_kernel: `winograd_kernel(turned(kernel))`, for the gradient.
        bias: float32 `[f]`.
    """
    outputs = tf.nn.relu(tf.nn.bias_add(winograd_convolution(inputs, kernel), bias))
    positive = outputs > 0.0

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor | None, ...]:
        upstream = masked(upstream, positive)
        return winograd_convolution(upstream, turned_kernel), None, None, None

    return outputs, gradient
