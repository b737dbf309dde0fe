"""Decodes and encodes picture files inside a graph: PNG and JPEG bytes to images, images to PNG.

Meant for servers, which receive untrusted files: the size in a file's header is checked before
anything is decoded.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_style.images.graph_resizing import Size, resize

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"


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


def decode(data: tf.Tensor, *, argument: str, max_pixels: int) -> GraphPicture:
    """Returns the picture decoded from the bytes of a PNG or JPEG file.

    Differs from `reading.read_picture`: TensorFlow's decoders ignore EXIF orientation and ICC
    profiles, and 16-bit pictures are reduced to 8 bits.

    Args:
        data: string scalar, the bytes of the file.
        argument: the name of the argument in error messages.
        max_pixels: the largest allowed number of pixels.

    Raises:
        tf.errors.InvalidArgumentError: when the graph runs, if the file is not PNG or JPEG, is
            damaged or too large.
    """
    is_png = tf.equal(tf.strings.substr(data, 0, len(_PNG)), _PNG)
    is_jpeg = tf.equal(tf.strings.substr(data, 0, len(_JPEG)), _JPEG)
    known = tf.debugging.Assert(
        is_png | is_jpeg,
        [f"`{argument}` must be the bytes of a PNG or JPEG file. Received: bytes that start with",
         tf.strings.substr(data, 0, 8), "in a string of length", tf.strings.length(data)],
    )  # fmt: skip
    with tf.control_dependencies([known]):
        size = tf.cond(is_png, lambda: _png_size(data, argument), lambda: _jpeg_size(data))
    pixels = tf.reduce_prod(tf.cast(size, tf.float64))
    fits = tf.debugging.Assert(
        (pixels >= 1.0) & (pixels <= max_pixels),
        [f"`{argument}` must have at most {max_pixels} pixels. Received: height and width", size],
    )
    with tf.control_dependencies([fits]):
        values = tf.cond(
            is_png,
            lambda: tf.io.decode_png(data),
            lambda: tf.io.decode_jpeg(data, dct_method="INTEGER_ACCURATE"),
        )
    # A lookup table: graph rewriting would turn a division by 255 into a multiplication, which
    # rounds differently.
    table = tf.constant(np.arange(256, dtype=np.float32) / np.float32(255.0))
    values = tf.gather(table, tf.cast(values, tf.int32))[tf.newaxis]
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


def _png_size(data: tf.Tensor, argument: str) -> tf.Tensor:
    """Returns the height and width in the header, after checking that the header is complete."""
    whole = tf.debugging.Assert(
        tf.strings.length(data) >= 33,
        [f"`{argument}` must be a complete PNG file. Received: length", tf.strings.length(data)],
    )
    with tf.control_dependencies([whole]):
        header = tf.strings.substr(data, 16, 8)
    width, height = tf.unstack(tf.io.decode_raw(header, tf.int32, little_endian=False), num=2)
    return tf.stack([height, width])


def _jpeg_size(data: tf.Tensor) -> tf.Tensor:
    return tf.image.extract_jpeg_shape(data)[:2]


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
