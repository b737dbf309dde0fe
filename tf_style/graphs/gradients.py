"""What hand-written gradients have in common."""

import functools
import weakref
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow.python.framework import ops


def custom_gradient(function: Callable) -> Callable:
    """Returns the function with its own gradient, as `tf.custom_gradient`, but lets go of graphs.

    In a graph, TensorFlow registers the gradient of each call in a table for the whole process,
    which holds the graph and all that it captured, as a network's weights, for ever. Here the
    graph holds its gradients, and the table only how to find them while the graph is there.
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
    """Moves the gradient of a call from TensorFlow's table to the graph of the call."""
    entry = ops.gradient_registry._registry[operation.get_attr("_gradient_op_type").decode()]
    graph = ops.get_default_graph()
    if not hasattr(graph, "_tf_style_gradients"):
        graph._tf_style_gradients = []
    index = len(graph._tf_style_gradients)
    graph._tf_style_gradients.append(entry["type"])
    held = weakref.ref(graph)

    def found(operation: tf.Operation, *gradients: tf.Tensor) -> Any:
        graph = held()
        if graph is None:
            raise LookupError(f"The graph of '{operation.name}' is there no more.")
        return graph._tf_style_gradients[index](operation, *gradients)

    entry["type"] = found


def masked(values: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Returns finite values where the mask is true, 0 elsewhere; what is not finite stays so.

    A gradient holds the mask from the forward pass on, a byte for each value. It is made a
    number, of four bytes, only once the values are there.
    """
    with tf.control_dependencies([values]):
        return values * tf.cast(mask, values.dtype)
