"""3x3 convolutions with ReLU in bfloat16, with fast gradients, for inference.

Takes and gives bfloat16 `[batch, h, w, channels]`, so that no layer converts what the next one
rounds again. Products are added up in float32, bias and ReLU included, and rounded once, to 8 bits
of mantissa: convolution, bias and ReLU are one operation, of `onednn`, or made by XLA or by
TensorFlow's graph rewriting, without which each of the three rounds. ReLU's gradient needs only the
outputs, which are kept, in two bytes for each value.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import tensorflow as tf

from tf_style.graphs.gradients import custom_gradient

Convolve: TypeAlias = Callable[..., tf.Tensor]
"""`(inputs, kernel, padding, bias=None)` to the convolution, with a bias to its ReLU.

All are bfloat16. `padding` is "SAME", "VALID" or "FULL": zeros that make the result as large, two
pixels smaller or two pixels larger.
"""

_EXPLICIT = {"FULL": [[0, 0], [2, 2], [2, 2], [0, 0]]}
_BACK = {"SAME": "SAME", "VALID": "FULL"}


def convolve(
    inputs: tf.Tensor, kernel: tf.Tensor, padding: str, bias: tf.Tensor | None = None
) -> tf.Tensor:
    """Is a `Convolve` for all devices and compilers, of TensorFlow's public operations."""
    outputs = tf.nn.conv2d(inputs, kernel, 1, _EXPLICIT.get(padding, padding))
    return outputs if bias is None else tf.nn.relu(tf.nn.bias_add(outputs, bias))


def bfloat16_relu(
    inputs: tf.Tensor,
    kernel: tf.Tensor,
    turned_kernel: tf.Tensor,
    bias: tf.Tensor,
    *,
    padding: str = "SAME",
    convolve: Convolve = convolve,
) -> tf.Tensor:
    """Returns relu(convolution + bias); only the inputs get a gradient.

    Args:
        inputs: bfloat16 `[b, h, w, c]`, or float32: then `split`, and so must be the kernel, and
            the gradient is float32.
        kernel: bfloat16 `[3, 3, c, f]`, or of `split_kernel`.
        turned_kernel: bfloat16 `[3, 3, f, c]`, `winograd.turned(kernel)`, for the gradient.
        bias: bfloat16 `[f]`.
        padding: "SAME" or "VALID".
        convolve: computes the convolutions.

    Returns:
        bfloat16 `[b, h, w, f]`, or two pixels smaller with "VALID".
    """

    @custom_gradient
    def convolved(
        inputs: tf.Tensor, kernel: tf.Tensor, turned_kernel: tf.Tensor, bias: tf.Tensor
    ) -> tuple[tf.Tensor, Callable]:
        parts = inputs if inputs.dtype == tf.bfloat16 else split(inputs)
        outputs = convolve(parts, kernel, padding, bias)

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, None, None, None]:
            upstream = tf.raw_ops.ReluGrad(gradients=upstream, features=outputs)
            by_inputs = convolve(upstream, turned_kernel, _BACK[padding])
            return tf.cast(by_inputs, inputs.dtype), None, None, None

        return outputs, gradient

    return convolved(inputs, kernel, turned_kernel, bias)


def split(values: tf.Tensor) -> tf.Tensor:
    """Returns float32 `[..., c]` as bfloat16 `[..., 3 c]`: rounded, what that leaves, rounded.

    With `split_kernel` the sum of products is that of numbers of 16 bits: high times high, low
    times high and high times low.
    """
    high = tf.cast(values, tf.bfloat16)
    low = tf.cast(values - tf.cast(high, values.dtype), tf.bfloat16)
    return tf.concat([high, low, high], -1)


def split_kernel(kernel: np.ndarray) -> tf.Tensor:
    """Returns a kernel float32 `[3, 3, c, f]` for `split` inputs: bfloat16 `[3, 3, 3 c, f]`."""
    high = tf.cast(kernel, tf.bfloat16)
    low = tf.cast(kernel - tf.cast(high, tf.float32), tf.bfloat16)
    return tf.concat([high, high, low], 2)
