"""Functions as graphs that are traced once, and tensors that graphs hand on without a copy."""

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf


def for_all_sizes(function: Callable, *, jit_compile: bool = False) -> Callable:
    """Returns the function as one graph for each nest, rank and type of its arguments.

    A graph of its own for each picture size would cost seconds each time. With `jit_compile`
    XLA compiles the graph for each size.
    """
    graph = tf.function(function, autograph=False, jit_compile=jit_compile)

    def call(*arguments: Any) -> Any:
        arguments = tf.nest.map_structure(tf.convert_to_tensor, arguments)
        specs = tf.nest.map_structure(
            lambda tensor: tf.TensorSpec([None] * len(tensor.shape), tensor.dtype), arguments
        )
        return graph.get_concrete_function(*specs)(*arguments)

    return call


def kept_by_function(make: Callable) -> Callable:
    """Returns `make(function, *options)` so that its results are kept for the last two functions.

    One memory for all that is made of a function: a function that is not used any more is let go
    of, whatever was made of it.
    """

    @functools.wraps(make)
    def get(function: Callable, *options: Any) -> Any:
        made = _made_of(function)
        if (make, options) not in made:
            made[make, options] = make(function, *options)
        return made[make, options]

    return get


@functools.lru_cache(maxsize=2)
def _made_of(function: Callable) -> dict[Any, Any]:
    return {}
