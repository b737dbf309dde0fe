"""Images as `tf.data` gives them, with unknown channels or ragged, and models saved as `.h5`."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_style.keras import PerceptualLoss, StyleAugmentation, VGG19Features

pytestmark = pytest.mark.usefixtures("mini_network")

LAYERS = {"content_layers": ["conv1_1"], "style_layers": ["conv1_1"]}


@pytest.fixture
def users(rng):
    """Functions of images, by their argument's name."""
    bank = [rng.integers(0, 256, (20, 16, 3), np.uint8)]
    augmentation = StyleAugmentation(bank, value_range=(0, 1), steps=0, probability=1.0)
    features, loss = VGG19Features(["conv1_1"]), PerceptualLoss(config=LAYERS)
    seed = tf.constant([1, 2])
    return [
        ("images", lambda x: augmentation.augment(x, seed=seed)),
        ("images", lambda x: features.call(x)["block1_conv1"]),
        ("y_pred", lambda x: loss.call(x, x)),
    ], features


def test_unknown_channels_are_checked_when_the_graph_runs(users, rng):
    functions, features = users
    images = rng.uniform(size=(2, 16, 20, 4)).astype(np.float32)
    features(images[..., :3])  # Builds it.
    for _, function in functions:
        graph = tf.function(
            function, input_signature=[tf.TensorSpec([None, None, None, None])], autograph=False
        )
        found, expected = graph(images[..., :3]), function(tf.constant(images[..., :3]))
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
        with pytest.raises(tf.errors.InvalidArgumentError, match="not compatible"):
            graph(images)


def test_ragged_images_are_refused_in_one_line(users, rng):
    rows = [rng.uniform(size=(size, 20, 3)).astype(np.float32) for size in (16, 18)]
    ragged = tf.ragged.stack([tf.constant(each) for each in rows])
    for argument, function in users[0]:
        with pytest.raises(ValueError, match=f"`{argument}` must be a dense tensor") as caught:
            function(ragged)
        assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore")  # Keras advises against this format.
def test_models_saved_as_h5_are_read_again(rng, tmp_path):
    bank = [rng.integers(0, 256, (20, 16, 3), np.uint8)]
    augmentation = StyleAugmentation(bank, value_range=(0, 1), steps=0, seed=1)
    image = keras.Input((16, 20, 3))
    features = VGG19Features(["conv1_1"])(augmentation(image))["block1_conv1"]
    for model in (
        keras.Sequential([keras.Input((16, 20, 3)), augmentation, keras.layers.Conv2D(3, 1)]),
        keras.Model(image, features),
    ):
        model.save(tmp_path / "model.h5")
        loaded = keras.models.load_model(tmp_path / "model.h5")
        images = rng.uniform(size=(2, 16, 20, 3)).astype(np.float32)
        np.testing.assert_array_equal(loaded(images, training=False), model(images, training=False))
