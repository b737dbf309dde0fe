"""Graphs whose inputs have names and defaults, and what they check of their inputs."""

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
    """Returns the function as a graph whose inputs have these names, types and defaults.

    Args:
        function: takes and gives tensors by name.
        specs: of the inputs without a default.
        defaults: of the others, each of rank 1.
        before: makes what the function's operations must wait for.
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
    """Returns the value at an index, or the only one there is."""
    return values[tf.minimum(index, tf.shape(values)[0] - 1)]


def options_at(options: NamedTensors, index: tf.Tensor) -> NamedTensors:
    """Returns every option's value at an index."""
    return {name: at(values, index) for name, values in options.items()}


def batches(inputs: NamedTensors, count: tf.Tensor) -> list[tf.Operation]:
    """Returns checks that each input has one value, or one for each picture."""
    return [
        tf.debugging.Assert(
            tf.equal(tf.shape(values)[0], 1) | tf.equal(tf.shape(values)[0], count),
            [f"`{name}` must have one value, or as many as there are contents. Received: values",
             tf.shape(values)[0], "contents", count],
        )
        for name, values in inputs.items()
    ]  # fmt: skip


def within(name: str, value: tf.Tensor, minimum: float, maximum: float) -> tf.Tensor:
    """Returns an option's value, if it lies between two others."""
    inside = tf.debugging.Assert(
        (value >= minimum) & (value <= maximum),
        [f"`{name}` must lie within {minimum:g}..{maximum:g}. Received:", value],
    )
    with tf.control_dependencies([inside]):
        return tf.identity(value)
