"""The extractor against Keras' VGG19 and a float64 reference."""

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf

from tf_style import vgg19
from tf_style.network import winograd
from tf_style.network.arithmetic import laid_out
from tf_style.network.extractor import PADDING_RULES, build_extractor
from tf_style.network.keras_layers import BFloat16ReLU, StoredWinogradReLU, WinogradReLU
from tf_style.network.weights import normalize


def test_features_with_max_pooling_agree_with_keras_vgg19(rng):
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
def test_features_agree_with_the_float64_reference(pooling, mini_layers, rng):
    image = rng.uniform(size=(1, 21, 34, 3)).astype("float32")
    names = ["block1_conv1", "block3_conv2", "block5_conv1"]
    expected, _ = reference.forward(image, mini_layers, "block5_conv1", pooling)
    found = build_extractor(mini_layers, layers=names, pooling=pooling)(image)
    for name in names:
        np.testing.assert_allclose(found[name][0], expected[name], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("padding", PADDING_RULES)
def test_features_agree_with_the_float64_reference_for_every_padding(padding, mini_layers, rng):
    image = rng.uniform(size=(1, 33, 38, 3)).astype("float32")
    names = ["block1_conv1", "block2_conv2", "block4_conv1"]
    expected, _ = reference.forward(image, mini_layers, names[-1], "avg", padding)
    found = build_extractor(mini_layers, layers=names, padding=padding)(image)
    for name in names:
        np.testing.assert_allclose(found[name][0], expected[name], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("padding", PADDING_RULES)
def test_a_flat_picture_has_flat_features_where_the_padding_mirrors_it(padding, mini_layers):
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


def test_normalizing_gives_filters_a_mean_of_1(mini_layers, rng):
    image = rng.uniform(size=(1, 32, 32, 3)).astype("float32")
    names = ["block1_conv1", "block1_conv2", "block2_conv1"]
    raw = build_extractor(mini_layers, layers=names)(image)
    means = {name: np.maximum(raw[name].numpy().mean((0, 1, 2)), 1e-3) for name in names}
    layers = {name: mini_layers[name] for name in vgg19.CONVOLUTIONS[:3]}
    scaled = build_extractor(normalize(layers, means), layers=names)(image)
    for name in names:
        alive = means[name] > 1e-3
        np.testing.assert_allclose(scaled[name].numpy().mean((0, 1, 2))[alive], 1.0, rtol=1e-4)


def test_the_network_ends_after_the_deepest_layer(mini_layers):
    model = build_extractor(mini_layers, layers=["conv2_1"])
    assert model.layers[-1].name == "block2_conv1"


@pytest.mark.parametrize("layer", ["block1_conv1", "block2_conv2", "block5_conv1"])
def test_the_minimum_side_is_the_smallest_that_has_an_output(layer, mini_layers):
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
def test_reflect_all_needs_twice_the_minimum_side(layer, mini_layers):
    model = build_extractor(mini_layers, layers=[layer], padding="reflect_all")
    side = 2 * vgg19.minimum_side([layer])
    assert model(tf.zeros((1, side, side, 3)))[layer].shape[1:3] == (2, 2)


def test_errors_name_wrong_layers_pooling_and_padding(mini_layers):
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
@pytest.mark.parametrize(
    ("padding", "arithmetic"),
    [("zeros", "direct"), ("reflect", "direct"), ("zeros", "winograd"), ("zeros", "bfloat16")],
)
@pytest.mark.parametrize("pooling", ["avg", "max"])
def test_the_model_saves_and_loads_with_keras(
    padding, pooling, arithmetic, mini_layers, tmp_path, rng, monkeypatch
):
    monkeypatch.setattr(winograd, "_MINIMUM_CHANNELS", 1)
    model = build_extractor(
        mini_layers,
        layers=["conv1_1", "conv2_1"],
        padding=padding,
        pooling=pooling,
        arithmetic=arithmetic,
    )
    model.save(tmp_path / "extractor.keras")
    loaded = keras.models.load_model(tmp_path / "extractor.keras")
    image = rng.uniform(size=(1, 8, 9, 3)).astype("float32")
    for name, features in model(image).items():
        np.testing.assert_array_equal(loaded(image)[name], features)


def features_and_gradient(model, image, weights):
    """Returns every layer's features, and the gradient of their weighted sum at the image."""
    with tf.GradientTape() as tape:
        tape.watch(image)
        features = model(image)
        total = tf.add_n([tf.reduce_sum(features[name] * weights[name]) for name in weights])
    return features, tape.gradient(total, image)


@pytest.mark.parametrize(
    ("arithmetic", "tolerance"),
    # bfloat16 rounds by 2**-9 relative: two factors and the result in each of 9 layers.
    [("winograd", 1e-4), ("bfloat16", 9 * 3 * 2.0**-9)],
)
def test_every_arithmetic_agrees_with_the_direct_one(
    arithmetic, tolerance, mini_layers, rng, monkeypatch
):
    monkeypatch.setattr(winograd, "_MINIMUM_CHANNELS", 1)
    names = ["block1_conv1", "block2_conv2", "block4_conv1"]
    image = tf.constant(rng.uniform(size=(1, 27, 34, 3)), tf.float32)
    direct, other = (
        build_extractor(mini_layers, layers=names, arithmetic=name)
        for name in ("direct", arithmetic)
    )
    weights = {name: rng.uniform(size=direct(image)[name].shape) for name in names}
    expected, slope = features_and_gradient(direct, image, weights)
    found, found_slope = features_and_gradient(other, image, weights)
    for name in names:
        error = np.linalg.norm(found[name] - expected[name]) / np.linalg.norm(expected[name])
        assert error < tolerance
        assert found[name].dtype == tf.float32
    assert np.linalg.norm(found_slope - slope) < 2 * tolerance * np.linalg.norm(slope)
    # It really is another arithmetic.
    assert np.any(found[names[-1]].numpy() != expected[names[-1]].numpy())


def kinds(model):
    return {layer.name: type(layer).__name__ for layer in model.layers}


def test_winograd_is_used_only_for_convolutions_with_many_channels(rng):
    layers, channels = {}, 3
    for name, filters in zip(vgg19.CONVOLUTIONS[:4], (64, 128, 128, 128), strict=True):
        layers[name] = (
            np.zeros((3, 3, channels, filters), "float32"),
            np.zeros(filters, "float32"),
        )
        channels = filters
    found = kinds(build_extractor(layers, layers=["conv2_2"], arithmetic="winograd"))
    assert [found[name] for name in layers] == [
        "ConvolutionReLU", "ConvolutionReLU", "WinogradReLU", "WinogradReLU"
    ]  # fmt: skip


def test_padded_convolutions_are_direct_in_float32_and_all_are_rounded_in_bfloat16(mini_layers):
    options = {"layers": ["conv2_1"], "padding": "reflect_all"}
    found = kinds(build_extractor(mini_layers, arithmetic="winograd", **options))
    assert "WinogradReLU" not in found.values()
    rounded = build_extractor(mini_layers, arithmetic="bfloat16", **options)
    convolutions = [layer for layer in rounded.layers if isinstance(layer, BFloat16ReLU)]
    assert [layer.splits for layer in convolutions] == [True, False, False]
    assert "ConvolutionReLU" not in kinds(rounded).values()


@pytest.mark.parametrize("arithmetic", ["bfloat16", laid_out("bfloat16")])
@pytest.mark.parametrize("padding", ["replicate", "reflect_all"])
@pytest.mark.parametrize("pooling", ["avg", "max"])
def test_features_can_stay_in_bfloat16(arithmetic, padding, pooling, mini_layers, rng):
    names = ["block1_conv1", "block2_pool"]
    options = {"layers": names, "padding": padding, "pooling": pooling}
    image = tf.constant(rng.uniform(size=(2, 12, 15, 3)), tf.float32)
    direct = build_extractor(mini_layers, **options)
    weights = {name: rng.uniform(size=direct(image)[name].shape) for name in names}
    expected, slope = features_and_gradient(direct, image, weights)
    kept, converted = (
        build_extractor(mini_layers, arithmetic=arithmetic, features_dtype=dtype, **options)
        for dtype in ("bfloat16", "float32")
    )
    as_graph = tf.function(lambda image: features_and_gradient(converted, image, weights))
    found, found_slope = as_graph(image)
    assert np.linalg.norm(found_slope - slope) < 0.03 * np.linalg.norm(slope)
    for name, features in kept(image).items():
        assert features.dtype == tf.bfloat16
        assert found[name].dtype == tf.float32
        assert np.linalg.norm(found[name] - expected[name]) < 0.01 * np.linalg.norm(expected[name])


def test_the_error_for_an_unknown_arithmetic_lists_the_choices(mini_layers):
    with pytest.raises(ValueError, match="`arithmetic` must be one of 'direct', 'winograd'"):
        build_extractor(mini_layers, layers=["conv1_1"], arithmetic="float16")


def test_kernels_left_out_of_a_file_are_computed_at_the_first_call(rng, tmp_path):
    channels = 128  # The least for which Winograd's algorithm is used.
    kernel = rng.normal(0.0, 0.03, (3, 3, channels, channels)).astype(np.float32)
    bias = rng.normal(size=channels).astype(np.float32)
    image = tf.constant(rng.random((1, 9, 10, channels), np.float32))
    plain, stored = (kind(channels) for kind in (WinogradReLU, StoredWinogradReLU))
    plain(image)
    plain.set_kernel(kernel, bias)
    stored.build(image.shape)
    stored.set_weights([kernel, bias])

    class Model(tf.Module):
        def __init__(self):
            super().__init__()
            self.held = [weight.value for weight in stored.weights] + stored.made

        @tf.function(input_signature=[tf.TensorSpec([1, None, None, channels])], autograph=False)
        def gradient(self, image):
            with tf.control_dependencies([stored.prepare()]), tf.GradientTape() as tape:
                tape.watch(image)
                features = stored(image)
            return features, tape.gradient(features, image)

    tf.saved_model.save(Model(), str(tmp_path))
    size = sum(path.stat().st_size for path in (tmp_path / "variables").iterdir())
    assert size < 1.1 * kernel.nbytes
    model = tf.saved_model.load(str(tmp_path))
    with tf.GradientTape() as tape:
        tape.watch(image)
        expected = plain(image)
    slope = tape.gradient(expected, image)
    for _ in range(2):  # The second call reuses the kernels.
        features, gradient = model.gradient(image)
        np.testing.assert_allclose(features, expected, atol=1e-5)
        np.testing.assert_allclose(gradient, slope, atol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_bfloat16_does_not_depend_on_the_global_policy(policy, mini_layers, rng):
    image = rng.uniform(size=(1, 12, 15, 3)).astype("float32")
    options = {"layers": ["conv2_1"], "arithmetic": "bfloat16"}
    expected = build_extractor(mini_layers, **options)(image)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = build_extractor(mini_layers, **options)
        found = model(image)
    finally:
        keras.config.set_dtype_policy(before)
    assert model.output["block2_conv1"].dtype == "float32"
    np.testing.assert_array_equal(found["block2_conv1"], expected["block2_conv1"])
