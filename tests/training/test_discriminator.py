"""The discriminator: its patches, its styles, and what it learns."""

import numpy as np
import tensorflow as tf

from tf_style.training.discriminator import (
    PREFIX,
    adversarial_loss,
    discriminator_loss,
    initial_discriminator,
    judged,
)


def test_the_losses_are_those_of_the_hinge():
    real, painted = tf.constant([[[2.0, 0.5]]]), tf.constant([[[-3.0, 0.0]]])
    np.testing.assert_allclose(discriminator_loss(real, painted), 0.25 + 0.5)
    np.testing.assert_allclose(adversarial_loss(painted), 1.5)


def test_a_judgment_is_about_a_patch_of_22_px(rng):
    parameters = initial_discriminator(2, 0)
    pictures = rng.uniform(size=[1, 64, 64, 3]).astype(np.float32)
    before = judged(parameters, tf.constant(pictures), tf.constant([0]))
    pictures[0, 22:, :] = 0.0
    pictures[0, :, 22:] = 0.0
    after = judged(parameters, tf.constant(pictures), tf.constant([0]))
    assert before[0, 0, 0] == after[0, 0, 0]
    assert before[0, 0, 1] != after[0, 0, 1]


def test_each_style_is_judged_by_its_own_direction(rng):
    parameters = initial_discriminator(2, 0)
    pictures = tf.constant(rng.uniform(size=[2, 32, 32, 3]), tf.float32)
    first, second = (judged(parameters, pictures, tf.constant([n, n])) for n in (0, 1))
    np.testing.assert_array_equal(first, second)
    directions = rng.normal(size=parameters[f"{PREFIX}style_directions"].shape)
    directions[0] = 0.0
    parameters[f"{PREFIX}style_directions"] = directions.astype(np.float32)
    mixed = judged(parameters, pictures, tf.constant([0, 1]))
    np.testing.assert_allclose(mixed[0], first[0], rtol=1e-5)
    assert np.abs(mixed[1] - first[1]).min() > 1e-4
