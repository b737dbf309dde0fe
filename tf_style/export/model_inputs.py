"""Checks what the methods of `ExportedModel` take, and makes it the tensors of its signatures.

Takes an argument's name and value; gives a tensor, or raises an error of one line.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tf_style._checks import check_number, shown
from tf_style.export.named_graphs import NamedTensors


def images_of(argument: str, images: Any) -> tf.Tensor:
    """Returns images as a float32 tensor `[B, H, W, 3]`.

    Raises:
        TypeError: if they are no numbers.
        ValueError: if they have another shape.
    """
    images = _tensor(argument, images)
    way_out = " Pass image[None], a batch of one." if images.shape.rank == 3 else ""
    if not images.shape.is_compatible_with([None, None, None, 3]):
        raise ValueError(
            f"`{argument}` must be RGB images [batch, height, width, 3]. Received: "
            f"shape={tuple(images.shape)}.{way_out}"
        )
    return images


def single_of(argument: str, image: Any) -> tf.Tensor:
    """Returns one image as a tensor `[1, H, W, 3]`.

    Raises:
        TypeError: if it is no numbers.
        ValueError: if it is something else, such as a batch.
    """
    image = _tensor(argument, image)
    if not image.shape.is_compatible_with([1, None, None, 3]):
        raise ValueError(
            f"`{argument}` must be one image [1, height, width, 3]. Received: "
            f"shape={tuple(image.shape)}. Call the function for each image of a batch."
        )
    return image


def _tensor(argument: str, values: Any) -> tf.Tensor:
    """Returns numbers as a float32 tensor; raises TypeError if they are something else."""
    try:
        return tf.cast(values, tf.float32)
    except (TypeError, ValueError, tf.errors.OpError):
        raise TypeError(
            f"`{argument}` must be an array or tensor of numbers. Received: a "
            f"{type(values).__name__}."
        ) from None


def targets_of(targets: Any, inputs: Mapping[str, tf.TensorSpec]) -> NamedTensors:
    """Returns the targets as tensors, if they are what the signature takes beside the image.

    Raises:
        TypeError: if they are not tensors by name.
        ValueError: if a name is missing or unknown, or a shape is another one.
    """
    rule = "`targets` must be what the method `targets` of this model returned. Received:"
    if not isinstance(targets, Mapping):
        raise TypeError(f"{rule} a {type(targets).__name__}.")
    specs = {name: spec for name, spec in inputs.items() if name != "image"}
    if different := sorted(specs.keys() ^ targets.keys(), key=str):
        found = "no" if different[0] in specs else "also"
        raise ValueError(f"{rule} {found} {different[0]!r}.")
    tensors = {name: _tensor(f"targets[{name!r}]", targets[name]) for name in specs}
    for name, tensor in tensors.items():
        if not tensor.shape.is_compatible_with(specs[name].shape):
            raise ValueError(f"{rule} {name!r} of shape {tuple(tensor.shape)}.")
    return tensors


def files_of(argument: str, data: Any) -> tf.Tensor:
    """Returns the bytes of one or several files as a tensor of rank 1.

    Raises:
        TypeError: if there are none, or something else.
    """
    several = data.numpy() if isinstance(data, tf.Tensor) else data
    if isinstance(several, np.ndarray):
        several = several.tolist()
    several = several if isinstance(several, (list, tuple)) else [several]
    for each in several or [[]]:
        if not isinstance(each, (bytes, bytearray, memoryview)):
            text = "an empty list" if each == [] else f"a {type(each).__name__}"
            raise TypeError(
                f"`{argument}` must be the bytes of a PNG or JPEG file, or a list of them. "
                f"Received: {text}. Read a file by Path(path).read_bytes()."
            )
    return tf.constant([bytes(each) for each in several])


def numbers_of(argument: str, values: Any, dtype: tf.DType) -> tf.Tensor:
    """Returns one or several numbers as a tensor of rank 1.

    Raises:
        TypeError: if they are not numbers, or not integers where those are asked for.
        ValueError: if an integer has more than 32 bits.
    """
    kinds, rule = ((int,), "an integer") if dtype.is_integer else ((int, float), "a number")
    try:
        found = np.atleast_1d(np.asarray(values)).tolist()
    except ValueError:  # Lists of different lengths.
        found = []
    if not found or any(type(each) not in kinds for each in found):
        raise TypeError(
            f"`{argument}` must be {rule}, or a list with one for each picture. Received: "
            f"{argument}={shown(values)}."
        )
    if dtype.is_integer:
        for value in found:
            check_number(argument, value, minimum=dtype.min, maximum=dtype.max)
    return tf.constant(found, dtype)
