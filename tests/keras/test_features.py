"""The layer of VGG-19's features: it equals the extractor, is saved, exported, never trained."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_style.config.network import NetworkConfig
from tf_style.keras import KERAS_VGG19, VGG19Features
from tf_style.network.extractor import build_extractor

NAMES = ["block1_conv1", "block2_pool", "block3_conv2"]

# 2026-11: keras 3.15 on numpy 2.4.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture
def image(rng):
    return rng.uniform(size=(2, 21, 26, 3)).astype("float32")


def features_model(layer):
    image = keras.Input((None, None, 3))
    return keras.Model(image, layer(image))


@pytest.mark.parametrize("arithmetic", ["direct", "bfloat16"])
def test_its_features_are_those_of_the_extractor(arithmetic, mini_network, mini_layers, image):
    network = NetworkConfig(pooling="max", padding="reflect")
    options = {"arithmetic": arithmetic}
    found = VGG19Features(["relu1_1", "pool2", "conv3_2"], network=network, **options)(image)
    options |= {"pooling": "max", "padding": "reflect"}
    expected = build_extractor(mini_layers, layers=NAMES, **options)(image)
    assert list(found) == NAMES
    for name in NAMES:
        np.testing.assert_array_equal(found[name], expected[name])


def test_symbolic_shapes_are_those_of_the_features(mini_network, image):
    layer = VGG19Features(NAMES)
    features = layer(image)
    symbolic = layer(keras.KerasTensor(image.shape, "float32"))
    for name in NAMES:
        assert symbolic[name].shape == tuple(features[name].shape)
        assert symbolic[name].dtype == "float32"
    assert layer(keras.Input((None, None, 3)))["block2_pool"].shape == (None, None, None, 5)


@pytest.mark.parametrize("arithmetic", ["direct", "bfloat16"])
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_features_are_float32_whatever_the_global_policy(policy, arithmetic, mini_network, image):
    options = {"arithmetic": arithmetic}
    expected = VGG19Features(NAMES, **options)(image)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        layer = VGG19Features(NAMES, **options)
        found = layer(image)
        symbolic = layer(keras.Input((None, None, 3)))
        rounded = VGG19Features(NAMES, dtype=policy, **options)(image)
    finally:
        keras.config.set_dtype_policy(before)
    for name in NAMES:
        assert symbolic[name].dtype == "float32"
        np.testing.assert_array_equal(found[name], expected[name])
        assert rounded[name].dtype == policy.removeprefix("mixed_")
        np.testing.assert_array_equal(rounded[name], tf.cast(expected[name], rounded[name].dtype))


@pytest.mark.parametrize("value_range", [(0, 255), (-1, 1)])
def test_other_value_ranges_mean_the_same_pictures(value_range, mini_network, image):
    low, high = value_range
    expected = VGG19Features(NAMES)(image)
    found = VGG19Features(NAMES, value_range=value_range)(image * (high - low) + low)
    for name in NAMES:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-3, atol=1e-3)


def test_uint8_pixels_give_the_same_features_as_floats(mini_network, rng):
    pixels = rng.integers(0, 256, (1, 16, 16, 3), np.uint8)
    layer = VGG19Features(NAMES, value_range=(0, 255))
    for name, features in layer(pixels).items():
        np.testing.assert_array_equal(features, layer(pixels.astype("float32"))[name])


def test_its_weights_never_train(mini_network, image):
    layer = VGG19Features(["block1_conv2"])
    inputs = keras.Input((None, None, 3))
    outputs = keras.layers.Dense(1)(layer(inputs)["block1_conv2"])
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(outputs))
    model.trainable = True
    layer.trainable = True
    assert not layer.trainable and layer.trainable_weights == []
    assert len(model.trainable_weights) == 2
    before = [array.copy() for array in layer.get_weights()]
    model.compile(keras.optimizers.SGD(0.1), loss="mse")
    model.fit(image, np.ones((2, 1)), verbose=0)
    assert before
    for old, new in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_gradients_flow_to_the_images(mini_network, image):
    layer, x = VGG19Features(["block2_conv1"]), tf.constant(image)
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(layer(x)["block2_conv1"])
    assert float(tf.reduce_max(tf.abs(tape.gradient(total, x)))) > 0.0


def test_a_layer_made_from_its_config_is_the_same(mini_network, image):
    layer = VGG19Features(
        NAMES, network=NetworkConfig(pooling="max"), arithmetic="bfloat16", value_range=(0, 2)
    )
    model = features_model(layer)
    for again in (VGG19Features.from_config(layer.get_config()), keras.models.clone_model(model)):
        for name, features in again(image).items():
            np.testing.assert_array_equal(features, model(image)[name])
    assert VGG19Features.from_config(layer.get_config()).get_config() == layer.get_config()


@pytest.mark.weights
def test_a_saved_model_holds_the_weights(tmp_path, image, monkeypatch):
    model = features_model(VGG19Features(["conv2_1"], network={"pooling": "max"}))
    expected = model(image)["block2_conv1"]
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        keras.models.load_model(tmp_path / "model.keras")(image)["block2_conv1"], expected
    )
    # Nothing is fetched if the weights are not stored locally.
    monkeypatch.setenv("TF_STYLE_CACHE", str(tmp_path / "empty"))
    monkeypatch.setattr("tf_style.network.weights.SOURCES", {"vgg19-8bit": None})
    np.testing.assert_array_equal(
        keras.models.load_model(tmp_path / "model.keras")(image)["block2_conv1"], expected
    )
    bare = keras.models.model_from_json(model.to_json())
    assert np.isnan(bare(image)["block2_conv1"]).all()


def test_an_exported_model_gives_the_same(mini_network, tmp_path, image):
    model = features_model(VGG19Features(["conv2_1"]))
    model.export(tmp_path / "exported", verbose=False)
    exported = tf.saved_model.load(tmp_path / "exported")
    found, expected = (serve(image)["block2_conv1"] for serve in (exported.serve, model))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)


def test_wrong_arguments_are_named(mini_network, image):
    with pytest.raises(ValueError, match="Did you mean 'conv1_2'"):
        VGG19Features(["conv1_22"])
    with pytest.raises(ValueError, match="`layers` must name at least one layer"):
        VGG19Features([])
    with pytest.raises(TypeError, match="`network` must be a NetworkConfig"):
        VGG19Features(NAMES, network=3)
    with pytest.raises(ValueError, match="`value_range` must be two numbers"):
        VGG19Features(NAMES, value_range=255)
    with pytest.raises(ValueError, match="`images` must be RGB images"):
        VGG19Features(NAMES)(image[..., :1])
    with pytest.raises(ValueError, match="`images` must have at least 4 px on each side"):
        VGG19Features(NAMES)(image[:, :3])


def test_a_single_name_gives_its_features_alone(mini_network, tmp_path, rng):
    images = rng.uniform(size=(2, 16, 20, 3)).astype(np.float32)
    layer = VGG19Features("conv2_1")
    expected = VGG19Features(["conv2_1"])(images)["block2_conv1"]
    np.testing.assert_array_equal(layer(images), expected)
    model = keras.Sequential([keras.Input((16, 20, 3)), layer, keras.layers.Conv2D(2, 1)])
    assert model.layers[0].output.shape == (None, 8, 10, 5)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(images), model(images))


def test_the_network_of_keras_has_keras_own_features(tmp_path, rng):
    theirs = keras.applications.VGG19(weights=None, include_top=False)
    for variable in theirs.weights:  # Random biases, too: Keras' are 0 without weights.
        spread = np.sqrt(2.0 / np.prod(variable.shape[:-1])) if len(variable.shape) > 1 else 3.0
        variable.assign(rng.normal(0.0, spread, variable.shape))
    theirs.save_weights(tmp_path / "vgg19.weights.h5")
    names = [layer.name for layer in theirs.layers if "block" in layer.name]
    network = dataclasses.replace(KERAS_VGG19, weights=str(tmp_path / "vgg19.weights.h5"))
    pixels = rng.integers(0, 256, (2, 45, 50, 3)).astype(np.float32)
    found = VGG19Features(names, network=network, value_range=(0, 255))(pixels)
    outputs = keras.Model(theirs.input, {name: theirs.get_layer(name).output for name in names})
    expected = outputs(keras.applications.vgg19.preprocess_input(pixels.copy()))
    for name in names:
        assert found[name].shape == expected[name].shape
        scale = float(tf.reduce_max(tf.abs(expected[name])))
        np.testing.assert_allclose(found[name], expected[name], atol=1e-5 * scale, rtol=1e-4)
