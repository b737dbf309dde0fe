"""network.convolution."""

from collections.abc import Callable

import tensorflow as tf

from tf_style.graphs.gradients import custom_gradient, masked


@custom_gradient
def convolution_relu(
    inputs: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor
) -> tuple[tf.Tensor, Callable]:
    """Returns relu(convolution + bias), padded with zeros, directly in float32.

    Args:
        inputs: float32 `[batch, h, w, c]`.
        kernel: float32 `[3, 3, c, f]`.
        bias: float32 `[f]`.
    """
    outputs = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(inputs, kernel, 1, "SAME"), bias))
    positive = outputs > 0.0

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        upstream = masked(upstream, positive)
        return turned_convolution(upstream, kernel), *_by_weights(inputs, kernel, upstream, "SAME")

    return outputs, gradient


def turned_convolution(upstream: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Returns the gradient of a convolution by its inputs, padded with zeros."""
    return tf.nn.conv2d(upstream, turned_in_graph(kernel), 1, "SAME")


@custom_gradient
def inner_convolution_relu(
    inputs: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor
) -> tuple[tf.Tensor, Callable]:
    """Returns `convolution_relu` without padding: 2 px less on each side."""
    outputs = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(inputs, kernel, 1, "VALID"), bias))
    positive = outputs > 0.0

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        upstream = masked(upstream, positive)
        wider = tf.pad(upstream, [[0, 0], [2, 2], [2, 2], [0, 0]])
        by_inputs = tf.nn.conv2d(wider, turned_in_graph(kernel), 1, "VALID")
        return by_inputs, *_by_weights(inputs, kernel, upstream, "VALID")

    return outputs, gradient


def _by_weights(
    inputs: tf.Tensor, kernel: tf.Tensor, upstream: tf.Tensor, padding: str
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the gradients of kernel and bias; pruned from graphs that do not ask for them."""
    by_kernel = tf.raw_ops.Conv2DBackpropFilter(
        input=inputs,
        filter_sizes=tf.shape(kernel),
        out_backprop=upstream,
        strides=[1, 1, 1, 1],
        padding=padding,
    )
    return by_kernel, tf.reduce_sum(upstream, [0, 1, 2])


def turned_in_graph(kernel: tf.Tensor) -> tf.Tensor:
    """Returns `turned(kernel)`, in the graph.

    As matrices in reverse order: faster than reversing two axes and permuting four.
    """
    height, width, channels, filters = kernel.shape
    matrices = tf.transpose(tf.reshape(kernel, [height * width, channels, filters]), [0, 2, 1])
    return tf.reshape(tf.reverse(matrices, [0]), [height, width, filters, channels])


@custom_gradient
def bfloat16_relu(
    inputs: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor
) -> tuple[tf.Tensor, Callable]:
    """Returns `convolution_relu` with the convolution itself, both ways, in bfloat16.

    What goes in and comes out is float32, and so are bias, ReLU and all between layers: each
    convolution rounds its inputs and its result once, to 8 bits of mantissa.
    """
    outputs = tf.nn.relu(tf.nn.bias_add(bfloat16_convolution(inputs, kernel), bias))
    positive = outputs > 0.0

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, None, None]:
        upstream = masked(upstream, positive)
        return bfloat16_convolution(upstream, turned_in_graph(kernel)), None, None

    return outputs, gradient


def bfloat16_convolution(inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Returns the convolution in bfloat16, float32."""
    rounded = tf.cast(inputs, tf.bfloat16), tf.cast(kernel, tf.bfloat16)
    return tf.cast(tf.nn.conv2d(*rounded, 1, "SAME"), tf.float32)
