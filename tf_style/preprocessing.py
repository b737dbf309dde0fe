"""Image to VGG input and back: RGB 0..1 to BGR 0..255 minus the ImageNet mean.

The exact constants of the Caffe network that Keras' VGG-19 comes from.
"""

import tensorflow as tf

BGR_MEAN = (103.939, 116.779, 123.68)
"""Mean of the ImageNet training pictures, BGR, 0..255."""


def to_vgg_input(image: tf.Tensor) -> tf.Tensor:
    """Returns `image` as VGG-19 was trained to see it.

    Args:
        image: float `[..., 3]`, RGB, nominally 0..1.

    Returns:
        Float `[..., 3]`, BGR, nominally -124..151. Not clipped.
    """
    return tf.reverse(image, [-1]) * 255.0 - tf.constant(BGR_MEAN, image.dtype)


def from_vgg_input(vgg_input: tf.Tensor) -> tf.Tensor:
    """Returns the RGB image of a VGG input; the inverse of `to_vgg_input`."""
    return tf.reverse(vgg_input + tf.constant(BGR_MEAN, vgg_input.dtype), [-1]) / 255.0
