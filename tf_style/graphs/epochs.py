"""Numbers for `tf.data` that go on from epoch to epoch, and datasets that can be checkpointed.

`check_dataset` refuses what is no dataset.
"""

from typing import Any

import tensorflow as tf

EPOCH_LENGTH = 2**32
"""The numbers of consecutive epochs are this far apart: no epoch has so many elements."""


def numbers_by_epoch(first_epoch: int) -> tf.data.Dataset:
    """Returns a dataset of int64 numbers without end: other numbers each time it is iterated.

    The epoch `first_epoch` has the numbers from `first_epoch * EPOCH_LENGTH` on. An iterator takes
    its epoch with its first element: Keras makes iterators that it never uses.
    """
    with tf.device("CPU:0"):
        epoch = tf.Variable(first_epoch, dtype=tf.int64, trainable=False)
    starts = tf.data.Dataset.from_tensors(0).map(lambda _: (epoch.assign_add(1) - 1) * EPOCH_LENGTH)
    return checkpointable(starts.flat_map(tf.data.Dataset.counter))


def checkpointable(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Returns the dataset; `tf.train.Checkpoint` saves its iterators, not its functions' state.

    By default TensorFlow refuses, because state outside of an iterator is not restored. Callers
    know that none matters.
    """
    options = tf.data.Options()
    options.experimental_external_state_policy = tf.data.experimental.ExternalStatePolicy.IGNORE
    return dataset.with_options(options)


def check_dataset(argument: str, dataset: Any) -> None:
    """Raises TypeError unless it is a dataset of `tf.data`."""
    if not isinstance(dataset, tf.data.Dataset):
        raise TypeError(
            f"`{argument}` must be a tf.data.Dataset. Received: a {type(dataset).__name__}. Use "
            "`tf.data.Dataset.from_tensor_slices`."
        )
