"""Checks of what goes through the pipeline: the entries of its elements."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tf_style._checks import shown
from tf_style.export.named_graphs import NamedTensors

IMAGE = [1, None, None, 3]


def entry_of(element: Any, key: str) -> tf.Tensor:
    """Returns an element's entry.

    Raises:
        TypeError: if the element is no dict.
        ValueError: if it has no such entry.
    """
    if not isinstance(element, Mapping):
        raise TypeError(
            f"`elements` must be dicts of tensors by name. Received: a {type(element).__name__}."
        )
    if key not in element:
        way_out = " Map the dataset by `stylizer(config)` first." if key == "image" else ""
        raise ValueError(
            f"`elements` must have an entry {key!r}. Received: entries {shown(list(element))}."
            + way_out
        )
    return element[key]


def image_of(element: NamedTensors, key: str) -> tf.Tensor:
    """Returns an element's picture, whose shape may be known only in the graph: that is checked.

    Raises:
        TypeError: if the element is no dict.
        ValueError: if it has no such picture, or is known to be of another shape, as in a batch.
    """
    image = tf.convert_to_tensor(entry_of(element, key))
    if not image.shape.is_compatible_with(IMAGE):
        raise ValueError(
            f"`{key}` must be one picture [1, height, width, 3]. Received: "
            f"shape={tuple(image.shape)}. Stylize elements one by one, before any `batch`."
        )
    return tf.ensure_shape(image, IMAGE)
