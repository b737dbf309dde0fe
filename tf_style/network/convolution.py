"""3x3 convolutions with ReLU in float32, with fast gradients.

Takes and gives float32 `[batch, h, w, channels]`. The gradient with respect to the inputs is
itself a convolution, with the kernel rotated by 180 degrees and its channels swapped. It runs as
fast as the forward pass; TensorFlow's own Conv2DBackpropInput is up to 2.5 times slower on CPUs
without AVX-512 (docs/notes/network.md). For ReLU's gradient, an operation keeps only the signs of
its outputs.
"""

from collections.abc import Callable

import tensorflow as tf

from tf_style.graphs.gradients import custom_gradient, masked


@custom_gradient
def convolution_relu(
    inputs: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor
) -> tuple[tf.Tensor, Callable]:
    """Returns relu(convolution + bias), padded with zeros, by direct convolution in float32.

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
    """Returns the gradient of a zero-padded convolution with respect to its inputs."""
    return tf.nn.conv2d(upstream, turned_in_graph(kernel), 1, "SAME")


@custom_gradient
def inner_convolution_relu(
    inputs: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor
) -> tuple[tf.Tensor, Callable]:
    """Returns relu(convolution + bias) without padding: height and width shrink by 2."""
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
    """Returns the gradients of kernel and bias; graphs that do not use them prune them."""
    by_kernel = tf.raw_ops.Conv2DBackpropFilter(
        input=inputs,
        filter_sizes=tf.shape(kernel),
        out_backprop=upstream,
        strides=[1, 1, 1, 1],
        padding=padding,
    )
    return by_kernel, tf.reduce_sum(upstream, [0, 1, 2])


def turned_in_graph(kernel: tf.Tensor) -> tf.Tensor:
    """Returns `winograd.turned(kernel)`, computed in the graph.

    Reverses the order of the kernel's transposed matrices, which is faster than reversing two axes
    and permuting four.
    """
    height, width, channels, filters = kernel.shape
    matrices = tf.transpose(tf.reshape(kernel, [height * width, channels, filters]), [0, 2, 1])
    return tf.reshape(tf.reverse(matrices, [0]), [height, width, filters, channels])
