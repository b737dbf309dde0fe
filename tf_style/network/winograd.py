"""3x3 convolutions with ReLU, and their gradients, at the least cost.

All take and give float32 `[batch, h, w, channels]`. Each has a gradient that is itself a
convolution, with the kernel turned by 180 degrees and its channels swapped. Written so, it
runs at the speed of the forward pass: TensorFlow's own Conv2DBackpropInput is up to 2.5 times
slower on CPUs without AVX-512 (BUILD_NOTES.md). Of its outputs each keeps but the signs.
"""

import functools
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tf_style.graphs.gradients import custom_gradient, masked

_TILE, _PATCH = 4, 6  # A tile of 6x6 inputs gives 4x4 outputs with 36 products, not 144.
POINTS = _PATCH * _PATCH
"""Points at which a kernel is held, and products for each tile."""


def _winograd_matrices(points: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns what takes inputs, kernel and products along one axis, by Cook and Toom.

    A tile's outputs are a product of polynomials, found from its values at the points and at
    infinity.

    References:
        Lavin & Gray (2016), section 4: B^T, G and A^T.
        Barabasz et al. (2020), "Error Analysis and Improving the Accuracy of Winograd
        Convolution for DNNs": the points decide how much rounding costs.
    """
    places = np.array(points)
    others = [np.delete(places, i) for i in range(places.size)]
    norms = np.array([np.prod(point - rest) for point, rest in zip(places, others, strict=True)])
    outputs = np.vander(places, _TILE, increasing=True).T
    outputs = np.hstack([outputs, [[0.0], [0.0], [0.0], [1.0]]])
    kernel = np.vander(places, 3, increasing=True) / norms[:, np.newaxis]
    kernel = np.vstack([kernel, [0.0, 0.0, 1.0]])
    inputs = np.zeros([_PATCH, _PATCH])
    inputs[:-1, :-1] = [np.poly(rest)[::-1] for rest in others]
    inputs[-1] = np.poly(places)[::-1]
    return inputs, kernel, outputs


# Differs from Lavin & Gray (2016), section 4.3: 0, 3/2, 2/3 and their negatives, not 0, 1, 2 and
# theirs, halve the error (BUILD_NOTES.md).
_INPUTS, _KERNEL, _OUTPUTS = _winograd_matrices((0.0, 3 / 2, -3 / 2, 2 / 3, -2 / 3))

_MINIMUM_CHANNELS = 128  # With fewer, moving the tiles costs more than the products saved.


def winograd_pays(kernel_shape: tuple[int, ...]) -> bool:
    """Returns whether Winograd's algorithm is faster than the direct one on a CPU."""
    return min(kernel_shape[2:]) >= _MINIMUM_CHANNELS


def winograd_kernel(kernel: np.ndarray | tf.Tensor) -> tf.Tensor:
    """Returns the kernel at Winograd's points: float32 `[3, 3, c, f]` to `[36, c, f]`.

    References:
        Lavin & Gray (2016), eq. 8: G g G^T.
    """
    points = _both(_KERNEL) @ tf.reshape(tf.cast(kernel, tf.float32), [9, -1])
    return tf.reshape(points, [POINTS, *kernel.shape[2:]])


def turned(kernel: np.ndarray) -> np.ndarray:
    """Returns the kernel of the gradient: turned by 180 degrees, channels swapped."""
    return np.ascontiguousarray(kernel[::-1, ::-1].transpose(0, 1, 3, 2))


def winograd_convolution(inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Returns the convolution with a kernel of `winograd_kernel`, by 36 matrix products.

    Costs a quarter of the direct products, exact but for rounding (about 1e-6 relative).

    References:
        Lavin & Gray (2016), algorithm 1, F(4x4, 3x3).
    """
    return _winograd_graph(*kernel.shape[1:])(inputs, kernel)


@functools.cache
def _winograd_graph(channels: int, filters: int) -> Callable[..., tf.Tensor]:
    """Returns the convolution as one graph for all sizes: it has hundreds of operations."""
    signature = [
        tf.TensorSpec([None, None, None, channels], tf.float32),
        tf.TensorSpec([POINTS, channels, filters], tf.float32),
    ]
    return tf.function(_winograd, input_signature=signature, autograph=False)


def _winograd(inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Returns `winograd_convolution`.

    Tiles are gathered with one index list, which also pads: what lies outside is a row of
    zeros. The 36 products are asked for one by one, as TensorFlow's batched product reaches
    half their speed on CPUs.
    """
    shape = tf.shape(inputs)
    batch, height, width = shape[0], shape[1], shape[2]
    channels, filters = kernel.shape[1:]
    down, across = -(-height // _TILE), -(-width // _TILE)
    index = _tile_index(batch, height, width, down, across)
    rows = tf.concat([tf.reshape(inputs, [-1, channels]), tf.zeros([1, channels])], 0)
    patches = tf.reshape(tf.gather(rows, index), [POINTS, -1])
    points = tf.reshape(_both(_INPUTS) @ patches, [POINTS, -1, channels])
    products = [
        tf.matmul(tiles, matrix)
        for tiles, matrix in zip(tf.unstack(points), tf.unstack(kernel), strict=True)
    ]
    outputs = _both(_OUTPUTS) @ tf.reshape(tf.stack(products), [POINTS, -1])
    outputs = tf.reshape(outputs, [_TILE, _TILE, batch, down, across, filters])
    outputs = tf.transpose(outputs, [2, 3, 0, 4, 1, 5])
    outputs = tf.reshape(outputs, [batch, down * _TILE, across * _TILE, filters])
    return outputs[:, :height, :width]


def _both(matrix: np.ndarray) -> tf.Tensor:
    """Returns the matrix that applies another to rows and columns at once."""
    return tf.constant(np.kron(matrix, matrix), tf.float32)


def _tile_index(
    batch: tf.Tensor, height: tf.Tensor, width: tf.Tensor, down: tf.Tensor, across: tf.Tensor
) -> tf.Tensor:
    """Returns int32 `[36 * tiles]`: the row of each point of each tile; the last for zeros."""
    rows = tf.range(_PATCH)[:, None] + _TILE * tf.range(down) - 1
    columns = tf.range(_PATCH)[:, None] + _TILE * tf.range(across) - 1
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
    """Returns relu(convolution + bias), with its gradient with respect to the inputs.

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
