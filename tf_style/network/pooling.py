"""Max pooling with a gradient that is faster and needs less memory than TensorFlow's own.

Takes float `[batch, h, w, c]`, gives float `[batch, h // 2, w // 2, c]`.
"""

from collections.abc import Callable

import tensorflow as tf

from tf_style.graphs.gradients import custom_gradient, masked


@custom_gradient
def max_pooling(inputs: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """Returns the maximum of each 2x2 window; an odd last row or column is dropped.

    Among equal values, the first gets the gradient, as in TensorFlow. The gradient needs three
    booleans for each window instead of the inputs, and takes a third of the time on CPUs.

    Args:
        inputs: float `[batch, h, w, c]`.

    Returns:
        Float `[batch, h // 2, w // 2, c]`.
    """
    batch, height, width, channels = tf.unstack(tf.shape(inputs))
    down, across = height // 2, width // 2
    even = inputs[:, : 2 * down, : 2 * across]
    left, right = tf.split(tf.reshape(even, [batch * 2 * down * across, 2 * channels]), 2, 1)
    is_left = left >= right
    rows = tf.reshape(tf.maximum(left, right), [batch * down, 2, across * channels])
    upper, lower = tf.unstack(rows, axis=1)
    is_upper = upper >= lower
    outputs = tf.reshape(tf.maximum(upper, lower), [batch, down, across, inputs.shape[-1]])

    def gradient(upstream: tf.Tensor) -> tf.Tensor:
        upstream = tf.reshape(upstream, tf.shape(is_upper))
        upstream = tf.stack(_split(upstream, is_upper), 1)
        upstream = tf.reshape(upstream, tf.shape(is_left))
        upstream = tf.concat(_split(upstream, is_left), 1)
        upstream = tf.reshape(upstream, tf.shape(even))
        dropped = [[0, 0], [0, height - 2 * down], [0, width - 2 * across], [0, 0]]
        return tf.pad(upstream, dropped)

    return outputs, gradient


def _split(values: tf.Tensor, is_first: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the values split in two: where `is_first` holds, and elsewhere; 0 in the gaps."""
    first = masked(values, is_first)
    return first, values - first
