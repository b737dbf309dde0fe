"""The inputs of the Keras objects: options and style pictures.

A style picture is stored as text, the data URL of a PNG, so that it fits into a Keras config. An
object made from its config needs no file, and its targets are the same to the bit.
"""

import base64
import dataclasses
import io
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf
from PIL import Image

from tf_style._checks import suggestion
from tf_style.config.earlier import completed
from tf_style.images import reading, resizing, writing

Options = TypeVar("Options")

_DATA_URL = "data:image/png;base64,"


def options_of(kind: type[Options], value: Any, *, argument: str) -> Options:
    """Returns options as a dataclass, from None (the defaults), the dataclass or its dict.

    Raises:
        TypeError: for anything else.
        ValueError: for an unknown option, or a value out of range.
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
    return kind(**completed(value, names))


def check_sides(argument: str, sides: tf.TensorShape, *, smallest: int) -> None:
    """Raises ValueError if a known side has too few px for the layers."""
    if any(side is not None and side < smallest for side in sides):
        raise ValueError(
            f"`{argument}` must have at least {smallest} px on each side for the layers in use. "
            f"Received: {tuple(sides)} px. Use larger images or shallower layers."
        )


def picture_to_text(picture: Any, *, argument: str, long_edge: int) -> str:
    """Returns a style picture as a data URL of an 8-bit PNG.

    Args:
        picture: anything that `reading.read_picture` takes, or the text itself. Transparent parts
            become white.
        argument: the picture's name in errors.
        long_edge: px to which the longer edge of a larger picture is reduced; 0 keeps its size.

    Raises:
        OSError: if a file is missing or cannot be read.
        ValueError: if it is not a picture.
    """
    if isinstance(picture, str) and picture.startswith(_DATA_URL):
        return picture
    loaded = reading.read_picture(picture, argument=argument, long_edge=long_edge or None)
    image = reading.over_white(loaded)
    size = image.shape[1:3]
    if long_edge and max(size) > long_edge:
        image = resizing.resize(image, resizing.fit(size, long_edge))
    file = io.BytesIO()
    Image.fromarray(writing.to_pixels(image)).save(file, "PNG")
    return _DATA_URL + base64.b64encode(file.getvalue()).decode("ascii")


def picture_of_text(text: str, *, argument: str) -> np.ndarray:
    """Returns the picture of `picture_to_text`'s text as float32 `[1, H, W, 3]`, RGB 0..1.

    Raises:
        ValueError: if the text is damaged.
    """
    try:
        file = io.BytesIO(base64.b64decode(text[len(_DATA_URL) :]))
        with Image.open(file, formats=["PNG"]) as opened:
            return reading.read_picture(opened, argument=argument).image
    except Exception as error:  # Decoders raise almost anything on damaged data.
        raise ValueError(
            f"`{argument}` must be a picture or the text from `get_config`. "
            f"Received: damaged text ({error})."
        ) from error
