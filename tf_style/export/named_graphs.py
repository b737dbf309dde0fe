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

_MARGIN = 1.0  # An image under optimization may leave 0..1 a little; an image of 0..255 is far out.


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


def checked_images(
    argument: str, images: tf.Tensor, *, smallest: int, max_pixels: int
) -> tf.Tensor:
    """Returns images, and asserts in the graph that their sizes and values are allowed.

    Args:
        argument: the images' name in errors.
        images: float32 `[b, h, w, 3]`, RGB, nominally 0..1.
        smallest: fewest px of a side.
        max_pixels: most pixels of all images together.
    """
    low, high = tf.reduce_min(images), tf.reduce_max(images)
    in_range = tf.debugging.Assert(
        (low >= -_MARGIN) & (high <= 1.0 + _MARGIN),
        [f"`{argument}` must have values of 0..1. Received: minimum, maximum", low, high,
         "Divide by 255."],
    )  # fmt: skip
    shape = tf.shape(images)
    place = size_check(
        argument, shape[1:3], count=shape[0], smallest=smallest, max_pixels=max_pixels
    )
    with tf.control_dependencies([in_range, place]):
        return tf.identity(images)


def size_check(
    argument: str,
    size: tf.Tensor,
    *,
    count: int | tf.Tensor = 1,
    smallest: int,
    max_pixels: int,
) -> tf.Operation:
    """Returns an assertion that pictures of this size are neither too small nor too large.

    Args:
        argument: as in `checked_images`, like the last two.
        size: int32 `[2]`, height and width.
        count: number of pictures.
        smallest: fewest px of a side.
        max_pixels: most pixels of all images together.
    """
    pixels = tf.reduce_prod(tf.cast(size, tf.float64)) * tf.cast(count, tf.float64)
    return tf.debugging.Assert(
        (tf.reduce_min(size) >= smallest) & (pixels <= max_pixels),
        [f"`{argument}` must give sides of at least {smallest} px and at most "
         f"{max_pixels} pixels in all. Received: height and width", size,
         "number of pictures", count],
    )  # fmt: skip
