"""Checks of batches of images: that they are dense, and that their rank is known."""

from typing import Any

import tensorflow as tf


def dense(argument: str, images: Any) -> tf.Tensor:
    """Returns images as a tensor.

    Raises:
        ValueError: if they are ragged.
    """
    if isinstance(images, tf.RaggedTensor):
        raise ValueError(
            f"`{argument}` must be a dense tensor, with images of one size. Received: a ragged "
            f"tensor of shape {tuple(images.shape)}. Resize or crop the images to one size, or "
            "pass them one by one."
        )
    return tf.convert_to_tensor(images)


def rgb(argument: str, images: Any) -> tf.Tensor:
    """Returns images as a tensor of four dimensions and three channels, known or found in a graph.

    `tf.io.decode_image`, for one, gives images whose rank and channels are not known before.

    Raises:
        ValueError: if they are ragged, or known to be no batch of RGB images.
        tf.errors.InvalidArgumentError: when a graph runs, if they turn out to be none.
    """
    images = dense(argument, images)
    if images.shape.rank == 4 and images.shape[-1] == 3:
        return images
    if not images.shape.is_compatible_with([None, None, None, 3]):
        raise ValueError(
            f"`{argument}` must be RGB images [batch, height, width, 3]. Received: "
            f"shape={tuple(images.shape)}."
        )
    return tf.ensure_shape(images, [None, None, None, 3])
