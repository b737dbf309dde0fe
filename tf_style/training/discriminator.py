"""A discriminator of small patches: it learns to tell painted parts from parts of the paintings.

The network is rewarded for patches that pass as painted, beside the style loss. One discriminator
judges all styles: what a patch should look like is a learned direction for each style.

References:
    Goodfellow et al. (2014), Generative adversarial nets; Isola et al. (2017), Image-to-image
    translation with conditional adversarial networks, for patches; Miyato & Koyama (2018), cGANs
    with projection discriminator, for the styles; Lim & Ye (2017), Geometric GAN, for the hinge.
"""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

PREFIX = "discriminator/"
"""The names of the discriminator's parameters begin with it."""

_FILTERS = (32, 64, 96)
_SIDE, _STRIDE = 4, 2  # So each judgment is about a patch of 22 px.
_SLOPE = 0.2


def initial_discriminator(num_styles: int, seed: int) -> dict[str, np.ndarray]:
    """Returns random parameters, float32, by name; styles begin alike."""
    rng = np.random.default_rng([seed, 1])
    parameters, channels = {}, 3
    for number, filters in enumerate(_FILTERS, 1):
        shape = (_SIDE, _SIDE, channels, filters)
        kernel = rng.normal(scale=np.sqrt(2.0 / np.prod(shape[:3])), size=shape)
        parameters[f"{PREFIX}conv{number}"] = kernel
        parameters[f"{PREFIX}conv{number}_bias"] = np.zeros(filters)
        channels = filters
    parameters[f"{PREFIX}direction"] = rng.normal(scale=channels**-0.5, size=channels)
    parameters[f"{PREFIX}style_directions"] = np.zeros((num_styles, channels))
    return {name: values.astype(np.float32) for name, values in parameters.items()}


def judged(
    parameters: Mapping[str, tf.Tensor], pictures: tf.Tensor, styles: tf.Tensor
) -> tf.Tensor:
    """Returns how much patches look painted: above 0 for paintings.

    Args:
        parameters: of the discriminator, by name.
        pictures: float32 `[b, h, w, 3]`, RGB 0..1, at least 22 px on each side.
        styles: int32 `[b]`, numbers of the styles.

    Returns:
        Float32 `[b, h', w']`, one for each patch.
    """
    features = 2.0 * pictures - 1.0
    for number in range(1, len(_FILTERS) + 1):
        name = f"{PREFIX}conv{number}"
        features = tf.nn.conv2d(features, parameters[name], _STRIDE, "VALID")
        features = tf.nn.leaky_relu(features + parameters[f"{name}_bias"], _SLOPE)
    directions = parameters[f"{PREFIX}direction"] + tf.gather(
        parameters[f"{PREFIX}style_directions"], styles
    )
    return tf.einsum("bhwc,bc->bhw", features, directions)


def discriminator_loss(of_paintings: tf.Tensor, of_painted: tf.Tensor) -> tf.Tensor:
    """Returns the hinge loss: 0 if paintings are above 1 and painted parts below -1."""
    return tf.reduce_mean(tf.nn.relu(1.0 - of_paintings)) + tf.reduce_mean(
        tf.nn.relu(1.0 + of_painted)
    )


def adversarial_loss(of_painted: tf.Tensor) -> tf.Tensor:
    """Returns the loss of the network: it falls as painted parts are taken for paintings."""
    return -tf.reduce_mean(of_painted)
