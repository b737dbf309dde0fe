"""Converts an image to VGG input: RGB 0..1 to BGR 0..255 minus the ImageNet mean.

The constants are those of the Caffe network from which Keras' VGG-19 was converted.
"""

import tensorflow as tf

BGR_MEAN = (103.939, 116.779, 123.68)
"""Mean color of the ImageNet training pictures, BGR, 0..255."""


def to_vgg_input(image: tf.Tensor) -> tf.Tensor:
    """Returns `image` in the format that VGG-19 was trained on.

    Args:
        image: float `[..., 3]`, RGB, nominally 0..1.

    Returns:
        Float `[..., 3]`, BGR, nominally -124..151. Not clipped.
    """
    return tf.reverse(image, [-1]) * 255.0 - tf.constant(BGR_MEAN, image.dtype)
