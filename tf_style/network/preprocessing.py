"""Image to VGG input: RGB 0..1 to BGR 0..255 minus the ImageNet mean.

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
