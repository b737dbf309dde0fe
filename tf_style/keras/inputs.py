"""What the Keras objects take: options, images in any value range, and style pictures.

A style picture is kept as text, a data URL of its PNG, so that it fits into a Keras config: an
object made from its config needs no file and has the same targets to the bit.
"""

import base64
import dataclasses
import io
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf
from PIL import Image

from tf_style._checks import check_number, suggestion
from tf_style.images import reading, resizing, writing

Options = TypeVar("Options")

_DATA_URL = "data:image/png;base64,"


def options_of(kind: type[Options], value: Any, *, argument: str) -> Options:
    """Returns options as a dataclass, from None (the defaults), the dataclass or its dict.

    Raises:
        TypeError: on anything else.
        ValueError: on an option that the dataclass has not, or a value out of range.
    """
    if value is None:
        return kind()
    if isinstance(value, kind):
        return value
    if not isinstance(value, Mapping):
        raise TypeError(
            f"`{argument}` must be a {kind.__name__} or its dict. Received: {argument}={value!r}."
        )
    names = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    for name in value:
        if name not in names:
            raise ValueError(
                f"`{argument}` must hold options of {kind.__name__}. Received: {name!r}."
                + suggestion(str(name), names)
            )
    return kind(**value)


def checked_range(value_range: Any) -> tuple[float, float]:
    """Returns the value that stands for black and the one for white.

    Raises:
        ValueError: unless it is a pair of finite numbers, the second above the first.
    """
    try:
        low, high = (float(value) for value in value_range)
    except (TypeError, ValueError):
        low, high = 0.0, 0.0
    else:
        check_number("value_range", low)
        check_number("value_range", high)
    if low >= high:
        raise ValueError(
            "`value_range` must be two numbers, the lowest and the highest value of images. "
            f"Received: value_range={value_range!r}. Pass (0, 1), (0, 255) or (-1, 1)."
        )
    return low, high


def to_unit_range(image: tf.Tensor, value_range: tuple[float, float]) -> tf.Tensor:
    """Returns float32 0..1 from an image of any dtype whose values span `value_range`."""
    low, high = value_range
    image = tf.cast(image, tf.float32)
    return image if (low, high) == (0.0, 1.0) else (image - low) / (high - low)


def from_unit_range(image: tf.Tensor, value_range: tuple[float, float]) -> tf.Tensor:
    """Returns what `to_unit_range` was given, float32."""
    low, high = value_range
    return image if (low, high) == (0.0, 1.0) else image * (high - low) + low


def check_images(argument: str, shape: tf.TensorShape, *, smallest: int) -> None:
    """Raises ValueError unless a shape, as far as it is known, is one of RGB images.

    Args:
        argument: how the error calls it.
        shape: of what should be `[batch, height, width, 3]`.
        smallest: px that each side must have.
    """
    if shape.rank is None:
        return
    if shape.rank != 4 or shape[-1] not in (3, None):
        raise ValueError(
            f"`{argument}` must be RGB images [batch, height, width, 3]. "
            f"Received: shape={tuple(shape)}."
        )
    check_sides(argument, shape[1:3], smallest=smallest)


def check_sides(argument: str, sides: tf.TensorShape, *, smallest: int) -> None:
    """Raises ValueError if a side, as far as it is known, has too few px for the layers."""
    if any(side is not None and side < smallest for side in sides):
        raise ValueError(
            f"`{argument}` must have at least {smallest} px on each side for the layers in use. "
            f"Received: {tuple(sides)} px. Use larger images or shallower layers."
        )


def picture_to_text(picture: Any, *, argument: str, long_edge: int) -> str:
    """Returns a style picture as a data URL of an 8-bit PNG.

    Args:
        picture: what `images.read_picture` takes, or the text itself. Transparent parts are
            shown on white.
        argument: how errors call it.
        long_edge: px to which a larger picture is reduced; 0 keeps its size.

    Raises:
        OSError: if a file is missing or cannot be read.
        ValueError: if it is no picture.
    """
    if isinstance(picture, str) and picture.startswith(_DATA_URL):
        return picture
    found = reading.read_picture(picture, argument=argument, long_edge=long_edge or None)
    image = reading.over_white(found)
    size = image.shape[1:3]
    if long_edge and max(size) > long_edge:
        image = resizing.resize(image, resizing.fit(size, long_edge))
    file = io.BytesIO()
    Image.fromarray(writing.to_pixels(image)).save(file, "PNG")
    return _DATA_URL + base64.b64encode(file.getvalue()).decode("ascii")


def picture_of_text(text: str, *, argument: str) -> np.ndarray:
    """Returns float32 `[1, H, W, 3]`, RGB 0..1, from `picture_to_text`.

    Raises:
        ValueError: if the text is damaged.
    """
    try:
        file = io.BytesIO(base64.b64decode(text[len(_DATA_URL) :]))
        with Image.open(file, formats=["PNG"]) as opened:
            return reading.read_picture(opened, argument=argument).image
    except Exception as error:  # Decoders raise almost anything on damaged data.
        raise ValueError(
            f"`{argument}` must be a picture or the text that `get_config` gave. "
            f"Received: damaged text ({error})."
        ) from error
