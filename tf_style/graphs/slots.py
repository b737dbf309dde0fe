"""Slots: variables through which graphs pass on large tensors without a copy.

An argument of a graph stays unchanged until the graph ends, so an update of it makes a copy. A
tensor that a graph takes out of a slot belongs to this graph, and is updated in place.
"""

from collections.abc import Callable

import tensorflow as tf


def slot(value: tf.Tensor) -> tf.Tensor:
    """Returns the handle of a new slot that holds a tensor.

    The slot exists as long as its handle. Its tensor may change its shape, but not its type.
    """
    return tf.Variable(value, trainable=False, shape=tf.TensorShape(None)).handle


def taken(handle: tf.Tensor, like: tf.TensorSpec) -> tf.Tensor:
    """Returns the tensor in a slot, with the shape and type of `like`, and empties the slot."""
    value = tf.raw_ops.ReadVariableOp(resource=handle, dtype=like.dtype)
    with tf.control_dependencies([value]):
        tf.raw_ops.AssignVariableOp(resource=handle, value=tf.zeros([0], like.dtype))
    return tf.ensure_shape(value, like.shape)


def put(handle: tf.Tensor, value: tf.Tensor) -> None:
    """Stores a tensor in a slot."""
    tf.raw_ops.AssignVariableOp(resource=handle, value=value)


def flag() -> tf.Tensor:
    """Returns the handle of a new flag, which is not set.

    It is on the CPU, where loops decide whether to go on.
    """
    with tf.device("CPU:0"):
        return slot(tf.constant(False))


def set_flag(handle: tf.Tensor) -> None:
    """Sets a flag, from any thread, while a graph that looks at it may be running."""
    with tf.device("CPU:0"):
        put(handle, tf.constant(True))


def stopped_by(flags: tuple[tf.Tensor, ...]) -> Callable[[], tf.Tensor]:
    """Returns a function that looks at flags: whether one is set when a graph comes to it.

    Args:
        flags: their handles; without any, the function returns False.
    """

    def is_stopped() -> tf.Tensor:
        is_set = tf.constant(False)
        with tf.device("CPU:0"):
            for handle in flags:
                is_set |= tf.ensure_shape(seen(handle, tf.bool), [])
        return is_set

    return is_stopped


def seen(handle: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Returns the tensor in a slot and leaves it there; an update while it is in use copies it."""
    return tf.raw_ops.ReadVariableOp(resource=handle, dtype=dtype)
