"""The axes over which losses reduce: for a whole batch, or for each of its samples."""

import tensorflow as tf


def sample_axes(values: tf.Tensor, per_sample: bool) -> list[int] | None:
    """Returns the axes to reduce: None for all, or with `per_sample` all except the batch."""
    return list(range(1, len(values.shape))) if per_sample else None
