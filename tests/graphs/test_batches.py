"""Batches of images: ragged ones are refused, and unknown ranks are found when a graph runs."""

import numpy as np
import pytest
import tensorflow as tf

import tf_style
from tf_style.graphs.batches import dense, rgb


@pytest.fixture
def objective(mini_layers):
    config = tf_style.LossConfig(style_layers="conv1_1", content_layers="conv1_1")
    return tf_style.Objective(tf_style.build_extractor(mini_layers, layers=config.layers), config)


def test_ragged_images_are_refused_in_one_line(objective):
    ragged = tf.ragged.stack([tf.zeros([8, 9, 3]), tf.zeros([7, 9, 3])])
    image = tf.zeros([1, 8, 9, 3])
    targets = objective.targets(image, image)
    for call in (
        lambda: dense("image", ragged),
        lambda: objective.value_and_gradient(ragged, targets),
        lambda: objective.terms(ragged, targets),
    ):
        with pytest.raises(ValueError, match="`image` must be a dense tensor.*pass them") as error:
            call()
        assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="`inputs` must be a dense tensor"):
        objective.extractor(ragged)  # Keras puts more around it.


def test_what_decode_image_gives_is_accepted(objective, rng):
    pixels = rng.integers(0, 256, (8, 9, 3), np.uint8)
    file = tf.io.encode_png(pixels)

    other = tf.constant(rng.uniform(size=(1, 8, 9, 3)), tf.float32)
    targets = objective.targets(other, other)  # Else TensorFlow would find the loss to be constant.

    def value(data):
        image = tf.cast(tf.io.decode_image(data), tf.float32)[tf.newaxis] / 255.0
        return objective.value_and_gradient(image, targets)[0]

    found = next(iter(tf.data.Dataset.from_tensors(file).map(value)))
    image = tf.constant(pixels[np.newaxis] / np.float32(255))
    expected, _ = objective.value_and_gradient(image, targets)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    gray = tf.io.encode_png(pixels[..., :1])
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"\[1,8,9,1\]"):
        next(iter(tf.data.Dataset.from_tensors(gray).map(value)))


def test_known_shapes_are_checked_at_once():
    image = tf.zeros([2, 8, 9, 3])
    assert rgb("image", image) is image
    for shape in ([8, 9, 3], [1, 8, 9, 4], [1, 8, 9, 3, 1]):
        with pytest.raises(
            ValueError, match=r"`image` must be RGB images \[batch, height, width, 3\]"
        ):
            rgb("image", tf.zeros(shape))
