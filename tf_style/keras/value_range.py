"""The values of black and white in images: brings images to 0..1, and finds wrong declarations.

What can be told is told at every batch; two reductions cost a thousandth of the network. Images
that are given (`is_computed=False`) may lie beyond black and white by half their range, as after
resizing or with noise. Images that a network computes may have any values, except those that only
a wider range explains: never far below black, and far above white. Images 0..1 of 8 bits are told
where 0..255 is declared. Other small values are not: black pictures have them, too. Told in any
range are pictures of 8 bits from the `preprocess_input` of `keras.applications.vgg19`.
"""

import math
from typing import Any

import tensorflow as tf

from tf_style._checks import check_number

_GIVEN, _COMPUTED = 0.5, 10.0  # How far beyond black and white, in units of their difference.
_LEVELS = 255
_MEANS = (103.939, 116.779, 123.68)  # Which `preprocess_input` subtracts, of blue, green and red.
_MOST_BY_CHANCE = 86  # A black picture of levels 0 and 1, averaged over 85 px, has as many values.


def checked_range(value_range: Any) -> tuple[float, float]:
    """Returns the values of black and white.

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
    """Returns a float32 image with values in `value_range` as 0..1."""
    low, high = value_range
    return image if (low, high) == (0.0, 1.0) else (image - low) / (high - low)


def checked_values(
    argument: str, images: tf.Tensor, value_range: tuple[float, float], *, is_computed: bool = False
) -> tf.Tensor:
    """Returns images of any dtype as float32, if their values do not contradict `value_range`.

    Args:
        argument: the images' name in errors.
        images: of any shape.
        value_range: the values of black and white.
        is_computed: whether a network may have computed them.

    Raises:
        ValueError: if the values contradict `value_range`.
        tf.errors.InvalidArgumentError: the same, in a graph. XLA cannot raise: the images become
            NaN there.
    """
    low, high = value_range
    values = tf.cast(images, tf.float32)
    lowest, highest = tf.reduce_min(values), tf.reduce_max(values)
    below, above = (low - _GIVEN * (high - low), high + _GIVEN * (high - low))
    if is_computed:
        is_wrong = (lowest >= below) & (highest > high + _COMPUTED * (high - low))
    else:
        is_wrong = (lowest < below) | (highest > above)
    if value_range == (0.0, _LEVELS) and images.dtype == tf.float32:
        is_small = (lowest >= 0.0) & (highest <= 1.0)
        is_wrong |= tf.cond(is_small, lambda: _has_8_bits(values), lambda: tf.constant(False))
    if images.dtype == tf.float32 and images.shape[-1] == 3:
        may_be = (lowest >= -max(_MEANS) - 1.0) & (lowest <= highest - 1.0) & (lowest < 0.0)
        is_wrong |= tf.cond(may_be, lambda: _is_preprocessed(values), lambda: tf.constant(False))
    received = (
        f"`value_range` must be the values of black and white in `{argument}`. Received: "
        f"value_range=({low:g}, {high:g}), `{argument}` with values from"
    )
    way_out = "Pass their range, such as (0, 1), (0, 255) or (-1, 1), or rescale them; "
    way_out += "use no `preprocess_input`."
    if tf.executing_eagerly():
        if is_wrong:
            raise ValueError(f"{received} {lowest:g} to {highest:g}. {way_out}")
        return values
    right = tf.debugging.Assert(~is_wrong, [received, lowest, "to", highest, way_out])
    with tf.control_dependencies([right]):
        return values + tf.where(is_wrong, math.nan, 0.0)


def _is_preprocessed(values: tf.Tensor) -> tf.Tensor:
    """Returns whether values `[..., 3]` are levels 0..255 less the means of `preprocess_input`."""
    levels = values + tf.constant(_MEANS)
    is_exact = tf.reduce_max(tf.abs(levels - tf.round(levels))) < 1e-3
    in_range = (tf.reduce_min(levels) > -0.5) & (tf.reduce_max(levels) < _LEVELS + 0.5)
    return is_exact & in_range


def _has_8_bits(values: tf.Tensor) -> tf.Tensor:
    """Returns whether values 0..1 are multiples of 1/255, too many for chance."""
    levels = tf.round(values * _LEVELS)
    is_exact = tf.reduce_max(tf.abs(values * _LEVELS - levels)) < 1e-3
    places = tf.reshape(tf.cast(levels, tf.int32), [-1])
    counts = tf.math.unsorted_segment_sum(tf.ones_like(places), places, _LEVELS + 1)
    return is_exact & (tf.math.count_nonzero(counts, dtype=tf.int32) > _MOST_BY_CHANCE)
