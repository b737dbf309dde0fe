"""Decodes and encodes picture files inside a graph: PNG and JPEG bytes to images, images to PNG.

Meant for servers, which receive untrusted files: the size in a file's header is checked before
anything is decoded.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_style.images.formats import READABLE
from tf_style.images.graph_resizing import Size, resize

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_BASE64 = "base64 text"
_OTHERS = (
    *((name, 0, magic) for magic, name in READABLE.items()),
    ("HEIC or AVIF", 4, b"ftyp"),
    ("JPEG XL", 0, b"\xff\x0a"),
    ("JPEG XL", 4, b"JXL "),
    ("PDF", 0, b"%PDF"),
    (_BASE64, 0, b"iVBORw0KGgo"),
    (_BASE64, 0, b"/9j/"),
    (_BASE64, 0, b"data:"),
)
"""Formats that are not read, for messages: the name, and the bytes at a place of the file."""


class GraphPicture(NamedTuple):
    """A decoded picture.

    Attributes:
        image: float32 `[1, H, W, 3]`, RGB, 0..1.
        alpha: float32 `[1, H, W, 1]`, 0..1; all 1 if the picture has no alpha channel.
        has_alpha: bool scalar.
    """

    image: tf.Tensor
    alpha: tf.Tensor
    has_alpha: tf.Tensor


def decode(
    data: tf.Tensor, *, argument: str, max_pixels: int, row: int | tf.Tensor = 0
) -> GraphPicture:
    """Returns the picture decoded from the bytes of a PNG or JPEG file.

    Differs from `reading.read_picture`: TensorFlow's decoders ignore EXIF orientation and ICC
    profiles, and 16-bit pictures are reduced to 8 bits.

    Args:
        data: string scalar, the bytes of the file.
        argument: the name of the argument in error messages.
        max_pixels: the largest allowed number of pixels.
        row: int scalar, the picture's row of the batch in error messages.

    Raises:
        tf.errors.InvalidArgumentError: when the graph runs, if the file is not PNG or JPEG, is
            damaged or too large. The message never quotes the file's bytes, because Python fails
            on messages that are not UTF-8.
    """
    is_png, is_jpeg = _starts(data, 0, _PNG), _starts(data, 0, _JPEG)
    received = tf.strings.join([f"Received: {argument}[", tf.strings.as_string(row), "]="])
    length = tf.strings.as_string(tf.strings.length(data))

    def check(holds: tf.Tensor, rule: str, *found: str | tf.Tensor) -> tf.Operation:
        text = tf.strings.join([f"`{argument}` must {rule}. ", received, *found])
        return tf.debugging.Assert(holds, [text])

    name, way_out = _format_of(data)
    known = check(
        is_png | is_jpeg,
        "be the bytes of a PNG or JPEG file",
        *(name, " of ", length, " bytes. ", way_out),
    )
    kind = tf.where(is_png, "a PNG file of ", "a JPEG file of ")
    causes = tf.where(is_png, ".", ", or have more than 8 bits.")

    def whole(holds: tf.Tensor) -> tf.Operation:
        return check(
            holds,
            "be a whole, undamaged PNG or JPEG file",
            *(kind, length, " bytes. It may have been cut off", causes),
        )

    with tf.control_dependencies([known]):
        sizes = tf.cond(is_png, lambda: _png_size(data), lambda: _jpeg_size(data))
    with tf.control_dependencies([whole(tf.size(sizes) > 0)]):
        size = sizes[:2]
    pixels = tf.reduce_prod(tf.cast(size, tf.float64))
    sides = tf.strings.as_string(size)
    fits = check(
        (tf.reduce_min(size) >= 1) & (pixels <= max_pixels),
        f"have at most {max_pixels} pixels",
        *(sides[1], " x ", sides[0], " px."),
    )
    with tf.control_dependencies([fits]):
        pixels = tf.cond(
            is_png,
            lambda: _attempted(tf.io.decode_png, data, [None, None, None], tf.uint8),
            lambda: _attempted(_decode_jpeg, data, [None, None, None], tf.uint8),
        )
    with tf.control_dependencies([whole(tf.size(pixels) > 0)]):
        # A lookup table: graph rewriting would turn a division by 255 into a multiplication,
        # which rounds differently.
        table = tf.constant(np.arange(256, dtype=np.float32) / np.float32(255.0))
        values = tf.gather(table, tf.cast(pixels, tf.int32))[tf.newaxis]
    num_channels = tf.shape(values)[-1]
    has_alpha = tf.equal(num_channels % 2, 0)
    # 1 or 2 channels are gray, with or without alpha; 3 or 4 are RGB.
    image = tf.cond(
        num_channels < 3, lambda: tf.tile(values[..., :1], [1, 1, 1, 3]), lambda: values[..., :3]
    )
    last = values[..., -1:]
    alpha = tf.cond(has_alpha, lambda: last, lambda: tf.ones_like(last))
    return GraphPicture(
        tf.ensure_shape(image, [1, None, None, 3]),
        tf.ensure_shape(alpha, [1, None, None, 1]),
        has_alpha,
    )


def _starts(data: tf.Tensor, place: int, start: bytes) -> tf.Tensor:
    """Returns whether the file has these bytes at this place, bool scalar."""
    padded = tf.strings.join([tf.strings.substr(data, 0, 32), 32 * b"\0"])
    return tf.equal(tf.strings.substr(padded, place, len(start)), start)


def _format_of(data: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns what a file that is not read seems to be, and a way out; string scalars."""
    name = tf.constant("a file in an unknown format")
    for other, place, start in _OTHERS:
        found = other if other == _BASE64 else f"a {other} file"
        name = tf.where(_starts(data, place, start), found, name)
    return name, tf.where(
        tf.equal(name, _BASE64),
        "Send the decoded bytes; over REST, send {b64: TEXT} instead of TEXT.",
        "Convert it to PNG or JPEG.",
    )


def _attempted(
    function: Callable[[tf.Tensor], tf.Tensor],
    data: tf.Tensor,
    shape: list[int | None],
    dtype: tf.DType,
) -> tf.Tensor:
    """Returns the function's value, or a tensor without elements if it fails.

    A graph cannot catch errors; a dataset can.
    """
    nothing = tf.ensure_shape(tf.zeros([0] * len(shape), dtype), shape)
    values = tf.data.Dataset.from_tensors(data).map(function).ignore_errors()
    return values.reduce(nothing, lambda _, value: value)


def _png_size(data: tf.Tensor) -> tf.Tensor:
    """Returns the width and height in the header, reversed; nothing if the header is not whole."""

    def size() -> tf.Tensor:
        header = tf.strings.substr(data, 16, 8)
        return tf.reverse(tf.io.decode_raw(header, tf.int32, little_endian=False), [0])

    # libpng needs these 33 bytes, of which the name and the place of the first chunk are fixed.
    whole = (tf.strings.length(data) >= 33) & _starts(data, 8, b"\0\0\0\x0dIHDR")
    return tf.cond(whole, size, lambda: tf.zeros([0], tf.int32))


def _jpeg_size(data: tf.Tensor) -> tf.Tensor:
    """Returns height, width and channels; nothing if the header is not whole."""
    return _attempted(tf.image.extract_jpeg_shape, data, [None], tf.int32)


def _decode_jpeg(data: tf.Tensor) -> tf.Tensor:
    return tf.io.decode_jpeg(data, dct_method="INTEGER_ACCURATE")


def over_white(picture: GraphPicture) -> tf.Tensor:
    """Returns the image composited on white."""
    return picture.image * picture.alpha + (1.0 - picture.alpha)


def resize_picture(picture: GraphPicture, size: Size) -> GraphPicture:
    """Returns the resized picture, as `reading.resize_picture` does."""

    def clipped(image: tf.Tensor) -> tf.Tensor:
        return tf.clip_by_value(resize(image, size), 0.0, 1.0)

    def visible() -> tuple[tf.Tensor, tf.Tensor]:
        alpha = clipped(picture.alpha)
        seen = alpha > 0.5 / 255.0
        image = clipped(picture.image * picture.alpha) / tf.maximum(alpha, 1e-6)
        image = tf.where(seen, image, tf.ones_like(image))
        return tf.clip_by_value(image, 0.0, 1.0), tf.where(seen, alpha, tf.zeros_like(alpha))

    def opaque() -> tuple[tf.Tensor, tf.Tensor]:
        image = clipped(picture.image)
        return image, tf.ones_like(image[..., :1])

    image, alpha = tf.cond(picture.has_alpha, visible, opaque)
    return GraphPicture(image, alpha, picture.has_alpha)


def encode_png(image: tf.Tensor, alpha: tf.Tensor, has_alpha: tf.Tensor) -> tf.Tensor:
    """Returns the bytes of a PNG file, with the alpha channel if `has_alpha`.

    Values are clipped to 0..1 and rounded to 8 bits.

    Args:
        image: float32 `[1, H, W, 3]`, RGB, nominally 0..1.
        alpha: float32 `[1, H, W, 1]`, nominally 0..1.
        has_alpha: bool scalar.
    """
    return tf.cond(has_alpha, lambda: to_png(tf.concat([image, alpha], -1)), lambda: to_png(image))


def to_png(image: tf.Tensor) -> tf.Tensor:
    """Returns the bytes of a PNG file, with values clipped to 0..1 and rounded to 8 bits.

    Args:
        image: float32 `[1, H, W, 3 or 4]`, RGB or RGBA, nominally 0..1.
    """
    pixels = tf.round(tf.clip_by_value(image[0], 0.0, 1.0) * 255.0)
    return tf.io.encode_png(tf.cast(pixels, tf.uint8))


def fit(size: Size, long_edge: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns (height, width), int32, with the given longer edge, as `resizing.fit` does."""
    sides = [tf.cast(side, tf.float64) for side in size]
    scale = tf.cast(long_edge, tf.float64) / tf.maximum(*sides)
    height, width = (tf.maximum(1, tf.cast(tf.round(side * scale), tf.int32)) for side in sides)
    return height, width
