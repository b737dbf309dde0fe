"""Losses of each sample of a batch."""

import tensorflow as tf


def sample_axes(values: tf.Tensor, per_sample: bool) -> list[int] | None:
    """Returns the axes to reduce: all of them, or all but the first."""
    return list(range(1, len(values.shape))) if per_sample else None
