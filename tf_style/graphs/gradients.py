"""Tools for custom gradients: a `tf.custom_gradient` that frees its graphs, and ReLU's mask."""

import functools
import weakref
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow.python.framework import ops


def custom_gradient(function: Callable) -> Callable:
    """Returns `tf.custom_gradient(function)`, except that its graphs can be freed.

    In a graph, TensorFlow registers the gradient of each call in a table of the process. This table
    keeps the graph and all that it captured, such as a network's weights, for ever. Here the graph
    owns its gradients, and the table holds only a weak reference to the graph.
    """
    decorated = tf.custom_gradient(function)

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        result = decorated(*arguments)
        if not tf.executing_eagerly():
            _hand_to_graph(tf.nest.flatten(result)[0].op)
        return result

    return call


def _hand_to_graph(operation: tf.Operation) -> None:
    """Moves the gradient of a call from TensorFlow's table into the graph of the call."""
    entry = ops.gradient_registry._registry[operation.get_attr("_gradient_op_type").decode()]
    graph = ops.get_default_graph()
    if not hasattr(graph, "_tf_style_gradients"):
        graph._tf_style_gradients = []
    index = len(graph._tf_style_gradients)
    graph._tf_style_gradients.append(entry["type"])
    weak_graph = weakref.ref(graph)

    def gradient_from_graph(operation: tf.Operation, *gradients: tf.Tensor) -> Any:
        graph = weak_graph()
        if graph is None:
            raise LookupError(f"The graph of '{operation.name}' no longer exists.")
        return graph._tf_style_gradients[index](operation, *gradients)

    entry["type"] = gradient_from_graph


def masked(values: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Returns the values where the mask is true, and 0 elsewhere.

    Infinities and NaNs under a false mask become NaN, so they are not hidden.

    The mask is kept from the forward pass on as booleans, one byte for each value. It is converted
    to numbers of four bytes only once the values are computed.

    Args:
        values: float of any shape.
        mask: bool, same shape.
    """
    with tf.control_dependencies([values]):
        return values * tf.cast(mask, values.dtype)
