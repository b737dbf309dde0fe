"""Arrays of TensorProtos, whose stated shapes may ask for more memory than was sent."""

import math
from typing import Any

import numpy as np
import tensorflow as tf


class TooManyValuesError(ValueError):
    """One value stands for more values than the limit allows."""


def array_of(tensor: Any, argument: str, *, max_values: int) -> np.ndarray:
    """Returns a TensorProto's array.

    Args:
        tensor: the message. One value may stand for many.
        argument: its name in messages.
        max_values: limit on the number of values, unless each of them was sent.

    Raises:
        TooManyValuesError: if it has too many.
        ValueError: if it has no known type or not as many values as its shape says.
    """
    sizes = [dim.size for dim in tensor.tensor_shape.dim]
    if any(size < 0 for size in sizes):
        raise ValueError(f"`{argument}` must have sizes of at least 0. Received: {min(sizes)}.")
    size = math.prod(sizes)
    if size > max_values and not tensor.tensor_content:
        raise TooManyValuesError(
            f"`{argument}` must have at most {max_values} values. Received: {size}."
        )
    try:
        return tf.make_ndarray(tensor)
    except (TypeError, ValueError) as error:
        raise ValueError(f"`{argument}` must be a valid TensorProto: {error}.") from None
