"""Graphs with named inputs and default values, and the input checks that run inside them.

Takes Python functions of named tensors; gives `tf.function`s to export as signatures.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

NamedTensors = dict[str, tf.Tensor]
"""Tensors by name."""


def named_graph(
    function: Callable[..., NamedTensors],
    specs: Mapping[str, tf.TensorSpec],
    defaults: Mapping[str, np.ndarray] | None = None,
    *,
    before: Callable[[], list[tf.Tensor]] = list,
) -> Any:
    """Returns a function as a `tf.function` with named, typed inputs, some with defaults.

    Args:
        function: takes tensors as keyword arguments and returns tensors by name.
        specs: shapes and types of the inputs without a default, by name.
        defaults: default values of the other inputs, by name, each of rank 1.
        before: creates the operations that must run before those of the function.
    """
    defaults = defaults or {}
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter(name, kind) for name in specs]
    parameters += [
        inspect.Parameter(name, kind, default=tf.constant(value))
        for name, value in defaults.items()
    ]

    def call(*inputs: tf.Tensor) -> NamedTensors:
        with tf.control_dependencies(before()):
            return function(**dict(zip([*specs, *defaults], inputs, strict=True)))

    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    signature = [
        tf.TensorSpec(spec.shape, spec.dtype, name=name) for name, spec in specs.items()
    ] + [tf.TensorSpec([None], value.dtype, name=name) for name, value in defaults.items()]
    return tf.function(call, input_signature=signature, autograph=False)


def at(values: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
    """Returns the value at an index, or at several, `[k]`; a single value holds for all."""
    return tf.gather(values, tf.minimum(index, tf.shape(values)[0] - 1))


def options_at(options: NamedTensors, index: tf.Tensor) -> NamedTensors:
    """Returns the value of every option for the picture at an index, or for several, as `at`."""
    return {name: at(values, index) for name, values in options.items()}


def batches(inputs: NamedTensors, count: tf.Tensor) -> list[tf.Operation]:
    """Returns assertions that each input has one value, or one for each of `count` pictures."""
    return [
        tf.debugging.Assert(
            tf.equal(tf.shape(values)[0], 1) | tf.equal(tf.shape(values)[0], count),
            [f"`{name}` must have one value, or one for each content. Received: number of values",
             tf.shape(values)[0], "number of contents", count],
        )
        for name, values in inputs.items()
    ]  # fmt: skip


def within(name: str, value: tf.Tensor, minimum: float, maximum: float) -> tf.Tensor:
    """Returns an option, and asserts in the graph that its value, or each, lies within bounds."""
    inside = tf.debugging.Assert(
        tf.reduce_all((value >= minimum) & (value <= maximum)),
        [f"`{name}` must lie within {minimum:g}..{maximum:g}. Received:", value],
    )
    with tf.control_dependencies([inside]):
        return tf.identity(value)
