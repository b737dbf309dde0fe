"""Conversion of values that were rounded to bfloat16."""

import tensorflow as tf


def unrounded(values: tf.Tensor) -> tf.Tensor:
    """Returns bfloat16 values as float32, and others as they are."""
    return tf.cast(values, tf.float32) if values.dtype == tf.bfloat16 else values
