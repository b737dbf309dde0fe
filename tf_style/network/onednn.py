"""The convolution of oneDNN, called directly, so that a kernel is laid out once.

TensorFlow's graph rewriting replaces convolutions by this operation, too. But only if their kernel
is a constant of the graph does it keep the layout that oneDNN wants; variables are laid out at
every call, which takes a seventh of an evaluation at 128 px (docs/notes/network.md). Constants
would be copied into every graph and every file. Here the kernel is a variable that is promised
never to change.

The operation exists on x86 processors only, and not under XLA; graphs that are saved must not hold
it. Outside graphs it would keep the first kernel for all others, so it is not used there.
"""

import functools
from typing import Any

import numpy as np
import tensorflow as tf

from tf_style.network import bfloat16

_FULL = [0, 0, 2, 2, 2, 2, 0, 0]


def convolve(
    inputs: tf.Tensor, kernel: tf.Tensor, padding: str, bias: tf.Tensor | None = None
) -> tf.Tensor:
    """Is a `bfloat16.Convolve` for graphs on CPUs; the kernel must be the same at every call."""
    if tf.executing_eagerly():
        return bfloat16.convolve(inputs, kernel, padding, bias)
    # Private, so imported only where `is_available` can catch that they have moved.
    from tensorflow.core.framework.attr_value_pb2 import AttrValue
    from tensorflow.python.framework import ops

    def several(**values: Any) -> AttrValue:
        return AttrValue(list=AttrValue.ListValue(**values))

    dtype = inputs.dtype.as_datatype_enum
    attributes = {
        "T": AttrValue(type=dtype),
        "strides": several(i=[1, 1, 1, 1]),
        "padding": AttrValue(s=b"EXPLICIT" if padding == "FULL" else padding.encode()),
        "explicit_paddings": several(i=_FULL if padding == "FULL" else []),
        "is_filter_const": AttrValue(b=True),
        "_kernel": AttrValue(s=b"MklNameChangeOp"),
    }
    if bias is None:
        name, tensors = "_MklNativeConv2D", [inputs, kernel]
    else:
        name, tensors = "_MklNativeFusedConv2D", [inputs, kernel, bias]
        attributes |= {
            "TArgs": several(type=[dtype]),
            "num_args": AttrValue(i=1),
            "num_host_args": AttrValue(i=0),
            "fused_ops": several(s=[b"BiasAdd", b"Relu"]),
        }
    graph = ops.get_default_graph()
    operation = graph._create_op_internal(
        name,
        [graph.capture(tensor) for tensor in tensors],
        [inputs.dtype],
        attrs=attributes,
        name="convolution",
    )
    return operation.outputs[0]


@functools.cache
def is_available() -> bool:
    """Returns whether TensorFlow has the operation here, and it computes the same as its own.

    The operation is private: another version or processor may lack it or want other attributes.
    """
    rng = np.random.default_rng(0)
    kernel, inputs = (
        tf.constant(rng.integers(-2, 3, shape), tf.bfloat16)
        for shape in ([3, 3, 16, 16], [1, 4, 5, 16])
    )

    @tf.function(autograph=False)
    def both() -> list[tf.Tensor]:
        found = []
        for function in (convolve, bfloat16.convolve):
            outputs = function(inputs, kernel, "VALID", tf.ones([16], tf.bfloat16))
            found += [outputs, function(outputs, kernel, "FULL")]
            outputs = function(inputs, kernel, "SAME", tf.ones([16], tf.bfloat16))
            found += [outputs, function(outputs, kernel, "SAME")]
        return found

    try:
        found = both()
    except (
        ImportError,
        AttributeError,
        TypeError,
        ValueError,
        NotImplementedError,
        tf.errors.OpError,
    ):
        return False
    return all(np.array_equal(*pair) for pair in zip(found[:4], found[4:], strict=True))
