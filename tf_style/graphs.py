"""Functions as graphs that are traced once, whatever the sizes of their arguments."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def for_all_sizes(function: Callable) -> Callable:
    """Returns the function as one graph for each nest, rank and type of its arguments.

    A graph of its own for each picture size would cost seconds each time.
    """
    graph = tf.function(function, autograph=False)

    def call(*arguments: Any) -> Any:
        arguments = tf.nest.map_structure(tf.convert_to_tensor, arguments)
        specs = tf.nest.map_structure(
            lambda tensor: tf.TensorSpec([None] * len(tensor.shape), tensor.dtype), arguments
        )
        return graph.get_concrete_function(*specs)(*arguments)

    return call
