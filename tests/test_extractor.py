"""The extractor against Keras' VGG19 and a float64 program."""

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf

from tf_style import vgg19
from tf_style.extractor import PADDINGS, build_extractor
from tf_style.weights import normalize


def test_features_are_those_of_keras_vgg19_with_max_pooling(rng):
    theirs = keras.applications.VGG19(weights=None, include_top=False)
    names = ["block1_conv2", "block2_pool", "block3_conv4", "block4_conv2", "block5_conv1"]
    submodel = keras.Model(theirs.input, [theirs.get_layer(name).output for name in names])
    arrays = {name: theirs.get_layer(name).get_weights() for name in vgg19.CONVOLUTIONS}
    ours = build_extractor(arrays, layers=names, pooling="max")
    image = rng.uniform(size=(1, 35, 50, 3)).astype("float32")
    expected = submodel(keras.applications.vgg19.preprocess_input(image * 255.0))
    found = ours(image)
    assert list(found) == names
    for name, array in zip(names, expected, strict=True):
        scale = float(tf.reduce_max(tf.abs(array)))
        np.testing.assert_allclose(found[name], array, atol=1e-5 * scale)


@pytest.mark.parametrize("pooling", ["avg", "max"])
def test_features_agree_with_the_float64_program(pooling, mini_layers, rng):
    image = rng.uniform(size=(1, 21, 34, 3)).astype("float32")
    names = ["block1_conv1", "block3_conv2", "block5_conv1"]
    expected, _ = reference.forward(image, mini_layers, "block5_conv1", pooling)
    found = build_extractor(mini_layers, layers=names, pooling=pooling)(image)
    for name in names:
        np.testing.assert_allclose(found[name][0], expected[name], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("padding", PADDINGS)
def test_features_agree_with_the_float64_program_for_every_padding(padding, mini_layers, rng):
    image = rng.uniform(size=(1, 33, 38, 3)).astype("float32")
    names = ["block1_conv1", "block2_conv2", "block4_conv1"]
    expected, _ = reference.forward(image, mini_layers, names[-1], "avg", padding)
    found = build_extractor(mini_layers, layers=names, padding=padding)(image)
    for name in names:
        np.testing.assert_allclose(found[name][0], expected[name], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("padding", PADDINGS)
def test_a_flat_picture_has_no_border_where_the_padding_repeats_it(padding, mini_layers):
    names = ["block1_conv1", "block3_conv4"]
    model = build_extractor(mini_layers, layers=names, padding=padding)
    features = model(np.full((1, 24, 24, 3), 0.7, "float32"))
    spread = {name: np.ptp(array.numpy(), axis=(1, 2)).max() for name, array in features.items()}
    assert (spread["block1_conv1"] < 1e-3) == (padding != "zeros")
    assert (spread["block3_conv4"] < 1e-3) == padding.endswith("_all")


@pytest.mark.parametrize("pooling", ["avg", "max"])
def test_normalizing_only_divides_each_feature_by_its_mean(pooling, mini_layers, rng):
    image = rng.uniform(size=(1, 20, 24, 3)).astype("float32")
    names = vgg19.CONVOLUTIONS
    raw = build_extractor(mini_layers, layers=names, pooling=pooling)(image)
    means = {name: rng.uniform(0.01, 100.0, raw[name].shape[-1]) for name in names}
    scaled = build_extractor(normalize(mini_layers, means), layers=names, pooling=pooling)(image)
    for name in names:
        expected = raw[name].numpy() / means[name]
        np.testing.assert_allclose(
            scaled[name], expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max()
        )


def test_filters_have_a_mean_of_1_after_normalizing_by_their_own_means(mini_layers, rng):
    image = rng.uniform(size=(1, 32, 32, 3)).astype("float32")
    names = ["block1_conv1", "block1_conv2", "block2_conv1"]
    raw = build_extractor(mini_layers, layers=names)(image)
    means = {name: np.maximum(raw[name].numpy().mean((0, 1, 2)), 1e-3) for name in names}
    layers = {name: mini_layers[name] for name in vgg19.CONVOLUTIONS[:3]}
    scaled = build_extractor(normalize(layers, means), layers=names)(image)
    for name in names:
        alive = means[name] > 1e-3
        np.testing.assert_allclose(scaled[name].numpy().mean((0, 1, 2))[alive], 1.0, rtol=1e-4)


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_gradients_for_image_kernel_and_bias_are_tensorflows_own(padding, rng):
    from tf_style import extractor

    operations = {
        "SAME": extractor._convolution_relu,
        "VALID": extractor._inner_convolution_relu,
    }
    x, kernel, bias = (
        tf.constant(rng.normal(size=shape).astype("float32"))
        for shape in ((2, 7, 6, 3), (3, 3, 3, 5), (5,))
    )
    shape = (2, 7, 6, 5) if padding == "SAME" else (2, 5, 4, 5)
    upstream = tf.constant(rng.normal(size=shape).astype("float32"))
    results = []
    for layer in (
        operations[padding],
        lambda x, k, b: tf.nn.relu(tf.nn.conv2d(x, k, 1, padding) + b),
    ):
        with tf.GradientTape() as tape:
            tape.watch([x, kernel, bias])
            y = layer(x, kernel, bias)
        results.append([y, *tape.gradient(y, [x, kernel, bias], upstream)])
    for found, expected in zip(*results, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_the_network_is_cut_after_the_deepest_layer(mini_layers):
    model = build_extractor(mini_layers, layers=["conv2_1"])
    assert model.layers[-1].name == "block2_conv1"


@pytest.mark.parametrize("layer", ["block1_conv1", "block2_conv2", "block5_conv1"])
def test_the_smallest_size_has_an_output_and_one_less_has_none(layer, mini_layers):
    model = build_extractor(mini_layers, layers=[layer])
    side = vgg19.minimum_side([layer])
    assert min(model(tf.zeros((1, side, side, 3)))[layer].shape) > 0
    if side > 1:
        try:
            smaller = model(tf.zeros((1, side - 1, side, 3)))[layer]
        except (tf.errors.InvalidArgumentError, ValueError):
            return
        assert min(smaller.shape) == 0


@pytest.mark.parametrize("layer", ["block1_conv1", "block2_conv2", "block5_conv1"])
def test_reflection_everywhere_takes_twice_the_smallest_size(layer, mini_layers):
    model = build_extractor(mini_layers, layers=[layer], padding="reflect_all")
    side = 2 * vgg19.minimum_side([layer])
    assert model(tf.zeros((1, side, side, 3)))[layer].shape[1:3] == (2, 2)


def test_wrong_layers_and_pooling_are_named(mini_layers):
    with pytest.raises(ValueError, match="Did you mean 'conv1_2'"):
        build_extractor(mini_layers, layers=["conv1_22"])
    with pytest.raises(ValueError, match="`pooling` must be one of 'avg', 'max'"):
        build_extractor(mini_layers, layers=["conv1_1"], pooling="l2")
    with pytest.raises(ValueError, match="`padding` must be one of 'zeros', 'replicate'"):
        build_extractor(mini_layers, layers=["conv1_1"], padding="same")
    with pytest.raises(ValueError, match="must hold layer 'block1_conv2'"):
        build_extractor({"block1_conv1": mini_layers["block1_conv1"]}, layers=["conv1_2"])


# 2026-11: keras 3.15 on numpy 2.4.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("padding", ["zeros", "reflect"])
def test_the_model_saves_and_loads_with_keras(padding, mini_layers, tmp_path, rng):
    model = build_extractor(mini_layers, layers=["conv1_1", "conv2_1"], padding=padding)
    model.save(tmp_path / "extractor.keras")
    loaded = keras.models.load_model(tmp_path / "extractor.keras")
    image = rng.uniform(size=(1, 8, 9, 3)).astype("float32")
    for name, features in model(image).items():
        np.testing.assert_array_equal(loaded(image)[name], features)
