"""Limits the chroma of pictures inside a graph; `color` is the counterpart for NumPy.

An image is float32 `[b, H, W, 3]`, RGB, nominally 0..1.
"""

import functools
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
        styles: of any sizes, each with a batch of b, or of 1 for all images.
        strength: `style_strength`; below 1 the content's chroma counts too.
    """
    most = functools.reduce(tf.maximum, map(most_chroma, styles))
    return less_chroma(image, content, most, strength)


def less_chroma(
    image: tf.Tensor, content: tf.Tensor, most: tf.Tensor, strength: float
) -> tf.Tensor:
    """Returns the image with no more chroma than `most`, and what the strength leaves.

    Args:
        image: as painted.
        content: of the image's size.
        most: float `[b, 1, 1, 1]`, from `most_chroma`.
        strength: `style_strength`; below 1 the content's chroma counts too.
    """
    most += (1.0 - min(1.0, strength)) * _chroma(content)
    found = _chroma(image)
    luma = tf.tensordot(image, tf.constant(LUMA, image.dtype), 1)[..., tf.newaxis]
    share = most / tf.maximum(found, 1e-6)
    return tf.where(found > most, luma + share * (image - luma), image)


def _chroma(image: tf.Tensor) -> tf.Tensor:
    return tf.reduce_max(image, -1, keepdims=True) - tf.reduce_min(image, -1, keepdims=True)


def most_chroma(image: tf.Tensor) -> tf.Tensor:
    """Returns `color.most_chroma`, float `[b, 1, 1, 1]`: a quantile between two pixels."""
    values = tf.sort(tf.reshape(_chroma(image), [tf.shape(image)[0], -1]))
    last = tf.shape(values)[1] - 1
    place = (1.0 - RARE) * tf.cast(last, tf.float64)
    below = tf.cast(tf.floor(place), tf.int32)
    share = tf.cast(place - tf.floor(place), values.dtype)
    ends = tf.gather(values, tf.stack([below, tf.minimum(below + 1, last)]), axis=1)
    return tf.reshape(ends[:, 0] + share * (ends[:, 1] - ends[:, 0]), [-1, 1, 1, 1])
