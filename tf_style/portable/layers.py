"""The network's layers as pairs of pure functions, forward and backward, of forward operations.

TensorFlow's automatic differentiation adds operations to a graph (`AvgPoolGrad`,
`StridedSliceGrad`, `BroadcastGradientArgs`, ...) that LiteRT, ONNX and OpenVINO do not support. The
backward functions here use only operations of a forward pass: convolutions, products, slices,
padding, reshaping. All functions take and return float `[batch, height, width, channels]` of any
height and width.
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from tf_style._keras import keras
from tf_style.network.convolution import turned_in_graph
from tf_style.network.keras_layers import ConvolutionReLU, MaxPooling, MirrorPadding, VGGInput
from tf_style.network.preprocessing import BGR_MEAN


class LayerWithGradient(NamedTuple):
    """A layer and its gradient.

    Attributes:
        forward: takes the inputs; returns the outputs.
        backward: takes the inputs, the outputs, and the gradient of a scalar with respect to the
            outputs; returns the gradient with respect to the inputs.
        weights: the variables that both functions read.
    """

    forward: Callable[[tf.Tensor], tf.Tensor]
    backward: Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]
    weights: tuple[tf.Variable, ...] = ()


def vgg_input() -> LayerWithGradient:
    """Returns `preprocessing.to_vgg_input` with its gradient.

    `tf.gather` turns RGB into BGR, because ONNX has no operation that reverses an axis.
    """

    def bgr(image: tf.Tensor) -> tf.Tensor:
        return tf.gather(image, [2, 1, 0], axis=-1)

    def backward(inputs: tf.Tensor, outputs: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        del inputs, outputs
        return 255.0 * bgr(upstream)

    return LayerWithGradient(
        lambda image: 255.0 * bgr(image) - tf.constant(BGR_MEAN, image.dtype), backward
    )


def convolution_relu(kernel: tf.Variable, bias: tf.Variable) -> LayerWithGradient:
    """Returns relu(convolution + bias), zero-padded, with its gradient.

    The gradient's kernel, turned by 180 degrees, is computed in the graph, so that the file stores
    each kernel once.

    Args:
        kernel: float `[3, 3, c, f]`.
        bias: float `[f]`.
    """

    def backward(inputs: tf.Tensor, outputs: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        del inputs
        return _convolve(_where_positive(upstream, outputs), turned_in_graph(kernel), "SAME")

    return LayerWithGradient(
        lambda inputs: _rectified(inputs, kernel, bias, "SAME"), backward, (kernel, bias)
    )


def inner_convolution_relu(kernel: tf.Variable, bias: tf.Variable) -> LayerWithGradient:
    """Returns `convolution_relu` without padding: height and width shrink by 2 px."""

    def backward(inputs: tf.Tensor, outputs: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        del inputs
        wider = tf.pad(_where_positive(upstream, outputs), [[0, 0], [2, 2], [2, 2], [0, 0]])
        return _convolve(wider, turned_in_graph(kernel), "VALID")

    return LayerWithGradient(
        lambda inputs: _rectified(inputs, kernel, bias, "VALID"), backward, (kernel, bias)
    )


def _convolve(inputs: tf.Tensor, kernel: tf.Tensor, padding: str) -> tf.Tensor:
    return tf.nn.conv2d(inputs, kernel, 1, padding)


def _rectified(
    inputs: tf.Tensor, kernel: tf.Variable, bias: tf.Variable, padding: str
) -> tf.Tensor:
    outputs = _convolve(inputs, tf.convert_to_tensor(kernel), padding)
    return tf.nn.relu(tf.nn.bias_add(outputs, tf.convert_to_tensor(bias)))


def _where_positive(upstream: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    """Returns the gradient before a ReLU, from the gradient after it."""
    return upstream * tf.cast(outputs > 0.0, upstream.dtype)


BORDERS = {"SYMMETRIC": 0, "REFLECT": 1}
"""The index, counted from the border, of the line that a padding copies, by padding name."""


def mirror_padding(mode: str) -> LayerWithGradient:
    """Returns a mirror padding of 1 px on each side, with its gradient.

    Args:
        mode: one of `BORDERS`, as in `tf.pad`.
    """
    border = BORDERS[mode]

    def forward(inputs: tf.Tensor) -> tf.Tensor:
        return _mirrored(_mirrored(inputs, 1, border), 2, border)

    def backward(inputs: tf.Tensor, outputs: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        del inputs, outputs
        return _folded(_folded(upstream, 2, border), 1, border)

    return LayerWithGradient(forward, backward)


def _lines(values: tf.Tensor, axis: int, start: int, stop: int | None) -> tf.Tensor:
    """Returns the rows (axis 1) or columns (axis 2) `start:stop`."""
    return values[:, start:stop] if axis == 1 else values[:, :, start:stop]


def _mirrored(values: tf.Tensor, axis: int, border: int) -> tf.Tensor:
    """Returns the values with one mirrored line added at each end of an axis."""
    first = _lines(values, axis, border, border + 1)
    last = _lines(values, axis, -1 - border, -border or None)
    return tf.concat([first, values, last], axis)


def _folded(values: tf.Tensor, axis: int, border: int) -> tf.Tensor:
    """Returns the gradient of `_mirrored`: each outer line is added to the line it is a copy of."""
    inner = _lines(values, axis, 1, -1)
    beyond = tf.shape(inner)[axis] - border - 1

    def placed(line: tf.Tensor, before: tf.Tensor | int, behind: tf.Tensor | int) -> tf.Tensor:
        padding: list = [[0, 0], [0, 0], [0, 0], [0, 0]]
        padding[axis] = [before, behind]
        return tf.pad(line, padding)

    first = placed(_lines(values, axis, 0, 1), border, beyond)
    last = placed(_lines(values, axis, -1, None), beyond, border)
    return inner + first + last


def average_pooling() -> LayerWithGradient:
    """Returns 2x2 average pooling with its gradient; an odd last row or column is dropped."""

    def backward(inputs: tf.Tensor, outputs: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        del outputs
        return _interleaved([0.25 * upstream] * 4, inputs)

    return LayerWithGradient(lambda inputs: tf.nn.avg_pool2d(inputs, 2, 2, "VALID"), backward)


def max_pooling() -> LayerWithGradient:
    """Returns 2x2 max pooling with its gradient; an odd last row or column is dropped.

    Among equal values the first receives the gradient, as in TensorFlow.
    """

    def backward(inputs: tf.Tensor, outputs: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        height, width = 2 * tf.shape(outputs)[1], 2 * tf.shape(outputs)[2]
        parts = []
        for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
            quarter = inputs[:, row:height:2, column:width:2]
            parts.append(upstream * tf.cast(tf.equal(quarter, outputs), upstream.dtype))
            upstream -= parts[-1]
        return _interleaved(parts, inputs)

    return LayerWithGradient(lambda inputs: tf.nn.max_pool2d(inputs, 2, 2, "VALID"), backward)


def _interleaved(quarters: list[tf.Tensor], like: tf.Tensor) -> tf.Tensor:
    """Returns the values of the four corners of 2x2 blocks, interleaved to the shape of `like`.

    Args:
        quarters: four float `[b, h, w, c]`, for upper left, upper right, lower left, lower right.
        like: `[b, 2 * h, 2 * w, c]`, or one more row, column or both, which are filled with 0.
    """
    batch, down, across, _ = tf.unstack(tf.shape(quarters[0]))
    channels = quarters[0].shape[-1]
    upper, lower = (
        tf.reshape(tf.concat(pair, 3), [batch, down, 2 * across, channels])
        for pair in (quarters[:2], quarters[2:])
    )
    values = tf.reshape(tf.concat([upper, lower], 2), [batch, 2 * down, 2 * across, channels])
    height, width = tf.shape(like)[1], tf.shape(like)[2]
    return tf.pad(values, [[0, 0], [0, height - 2 * down], [0, width - 2 * across], [0, 0]])


def _convolution(layer: ConvolutionReLU) -> LayerWithGradient:
    """Returns a convolution layer with its gradient; its weights are copied to new variables."""
    make = {"same": convolution_relu, "valid": inner_convolution_relu}[layer.padding]
    weights = {"kernel": layer.kernel, "bias": layer.bias}
    return make(
        *(
            tf.Variable(tf.convert_to_tensor(value), trainable=False, name=f"{layer.name}_{name}")
            for name, value in weights.items()
        )
    )


STEPS: dict[type, Callable[[keras.layers.Layer], LayerWithGradient]] = {
    VGGInput: lambda layer: vgg_input(),
    MirrorPadding: lambda layer: mirror_padding(layer.mode),
    ConvolutionReLU: _convolution,
    keras.layers.AveragePooling2D: lambda layer: average_pooling(),
    MaxPooling: lambda layer: max_pooling(),
}
"""The functions that make a step of an extractor's layer, by type of layer."""


def steps_of(extractor: keras.Model, layers: tuple[str, ...]) -> dict[str, LayerWithGradient]:
    """Returns the steps from the image to the deepest of `layers`, in order, by layer name.

    Args:
        extractor: from `build_extractor` with arithmetic "direct".
        layers: Keras names of layers of the extractor.

    Raises:
        ValueError: if there is no step for a layer of the extractor.
    """
    steps: dict[str, LayerWithGradient] = {}
    for layer in extractor.layers[1:]:  # The first is the input layer.
        if type(layer) not in STEPS:
            raise ValueError(
                "`extractor` must be built with arithmetic='direct'. Received: layer "
                f"'{layer.name}' of type {type(layer).__name__}."
            )
        steps[layer.name] = STEPS[type(layer)](layer)
        if steps.keys() >= set(layers):
            break
    return steps
