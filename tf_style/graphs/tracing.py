"""Functions as graphs that are traced once for all sizes, and a cache of objects by function."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import tensorflow as tf

F = TypeVar("F", bound=Callable)


def as_graph(**options: Any) -> Callable[[F], F]:
    """Returns `tf.function` with these options, as a decorator that keeps the type of a function.

    For type checkers the result of `tf.function` could be anything.
    """
    return tf.function(**options)


def for_all_sizes(function: Callable, *, jit_compile: bool = False) -> Callable:
    """Returns the function with one graph for each structure, rank and type of its arguments.

    A new graph for each picture size would take seconds each time. With `jit_compile`, XLA
    compiles the graph anew for each size.
    """
    graph = tf.function(function, autograph=False, jit_compile=jit_compile)

    def call(*arguments: Any) -> Any:
        arguments = tf.nest.map_structure(tf.convert_to_tensor, arguments)
        specs = tf.nest.map_structure(
            lambda tensor: tf.TensorSpec([None] * len(tensor.shape), tensor.dtype), arguments
        )
        return graph.get_concrete_function(*specs)(*arguments)

    return call


def called_when_reached(function: Callable, **options: Any) -> Callable:
    """Returns the function as a graph of its own that a graph calls, and never contains.

    TensorFlow rewrites and loads it when it is first reached: a branch that is rarely taken costs
    nothing before. `options` are those of `tf.function`.
    """
    attributes = {"_noinline": True}
    return tf.function(function, autograph=False, experimental_attributes=attributes, **options)


def unfolded(number: int) -> tf.Tensor:
    """Returns the number as an int32 tensor that is not folded into constants of a graph.

    What a graph computes from a known size, such as the matrix of a filter, would be written into
    an exported graph otherwise. XLA still knows the number.
    """
    return number + tf.raw_ops.Empty(shape=[], dtype=tf.int32, init=True)  # Zero, but stateful.


def kept_by_function(make: Callable) -> Callable:
    """Returns `make`, a function `(function, *options)`, with its results cached.

    All functions decorated so share one cache. It holds the results for the two functions that
    were used last; an older function is freed together with everything made from it.
    """

    @functools.wraps(make)
    def get(function: Callable, *options: Any) -> Any:
        cached = _made_of(function)
        if (make, options) not in cached:
            cached[make, options] = make(function, *options)
        return cached[make, options]

    return get


@functools.lru_cache(maxsize=2)
def _made_of(function: Callable) -> dict[Any, Any]:
    """Returns the mutable cache of all results for a function, by (make, options)."""
    return {}
