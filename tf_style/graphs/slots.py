"""Slots: places in which graphs hand on large tensors without a copy."""

import tensorflow as tf


def slot(value: tf.Tensor) -> tf.Tensor:
    """Returns the handle of a place where graphs find a tensor and leave another.

    An argument of a graph is whole until the graph ends, so that changing it makes a copy of
    it. What is `taken` from a slot belongs to the graph, and is changed in place. The place
    is there for as long as its handle.
    """
    return tf.Variable(value, trainable=False, shape=tf.TensorShape(None)).handle


def taken(handle: tf.Tensor, like: tf.TensorSpec) -> tf.Tensor:
    """Returns what lies in a slot, of this shape and type, and empties the slot."""
    value = tf.raw_ops.ReadVariableOp(resource=handle, dtype=like.dtype)
    with tf.control_dependencies([value]):
        tf.raw_ops.AssignVariableOp(resource=handle, value=tf.zeros([0], like.dtype))
    return tf.ensure_shape(value, like.shape)


def put(handle: tf.Tensor, value: tf.Tensor) -> None:
    """Leaves a tensor in a slot."""
    tf.raw_ops.AssignVariableOp(resource=handle, value=value)


def seen(handle: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Returns what lies in a slot and stays there; changing it costs a copy while this is held."""
    return tf.raw_ops.ReadVariableOp(resource=handle, dtype=dtype)
