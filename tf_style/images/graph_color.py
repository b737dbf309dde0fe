"""Limits the chroma of pictures inside a graph; `color` is the counterpart for NumPy.

An image is float32 `[1, H, W, 3]`, RGB, nominally 0..1.
"""

from collections.abc import Sequence

import tensorflow as tf

from tf_style.images.color import LUMA, RARE


def limited_chroma(
    image: tf.Tensor, content: tf.Tensor, styles: Sequence[tf.Tensor], strength: float
) -> tf.Tensor:
    """Returns the image with no more chroma than the styles, and what their strength leaves.

    The counterpart of `coloring.colored` and `color.within_chroma` where there are no regions.

    Args:
        image: as painted.
        content: of the image's size.
        styles: of any sizes.
        strength: `style_strength`; below 1 the content's chroma counts too.
    """
    most = tf.reduce_max(tf.stack([_most_chroma(style) for style in styles]))
    most += (1.0 - min(1.0, strength)) * _chroma(content)
    found = _chroma(image)
    luma = tf.tensordot(image, tf.constant(LUMA, image.dtype), 1)[..., tf.newaxis]
    share = most / tf.maximum(found, 1e-6)
    return tf.where(found > most, luma + share * (image - luma), image)


def _chroma(image: tf.Tensor) -> tf.Tensor:
    return tf.reduce_max(image, -1, keepdims=True) - tf.reduce_min(image, -1, keepdims=True)


def _most_chroma(image: tf.Tensor) -> tf.Tensor:
    """Returns `color.most_chroma`: a quantile, interpolated between two pixels."""
    values = tf.sort(tf.reshape(_chroma(image), [-1]))
    last = tf.size(values) - 1
    place = (1.0 - RARE) * tf.cast(last, tf.float64)
    below = tf.cast(tf.floor(place), tf.int32)
    share = tf.cast(place - tf.floor(place), values.dtype)
    ends = tf.gather(values, below), tf.gather(values, tf.minimum(below + 1, last))
    return ends[0] + share * (ends[1] - ends[0])
