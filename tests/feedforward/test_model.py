"""The Keras model: equal to the pass alone wherever it is used, saved with all its numbers."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_style_network import TINY, make_tiny_network, predicted_by_hand

from tf_style.config.network import NetworkConfig
from tf_style.feedforward import StylePainter, load
from tf_style.feedforward.architecture import LEAST_SIDE, PAINTING_LAYERS
from tf_style.feedforward.network_file import write_network
from tf_style.feedforward.painting import paint
from tf_style.network.extractor import load_extractor

# 2026-11: keras 3.15 on numpy 2.4.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

NETWORK = make_tiny_network("calm", "wild", "dark")


@pytest.fixture
def images(rng):
    return tf.constant(rng.uniform(size=(2, 37, 50, 3)).astype("float32"))


def painted(images, styles):
    """The pass alone, image by image."""
    rows = np.broadcast_to(styles, (len(images), TINY.style_size))
    each = [
        paint(TINY, NETWORK.parameters, image[tf.newaxis], tf.constant(style[np.newaxis]))
        for image, style in zip(images, rows, strict=True)
    ]
    return np.concatenate(each)


def close(found, expected):
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_the_smallest_image_is_the_same_everywhere(images):
    painter = load(NETWORK)
    assert painter(images[:, :LEAST_SIDE, :LEAST_SIDE]).shape[1] == LEAST_SIDE
    with pytest.raises(ValueError, match=f"`images` must have at least {LEAST_SIDE} px"):
        painter(images[:, : LEAST_SIDE - 1])


def test_contrasts_are_raised_as_asked(images):
    plain = dataclasses.replace(TINY, local_contrast=0.0)
    style = tf.constant(NETWORK.styles["calm"][np.newaxis])
    expected = paint(plain, NETWORK.parameters, images, style)
    close(load(NETWORK, local_contrast=0.0)(images), expected)
    assert np.abs(load(NETWORK)(images) - expected).max() > 1e-3
    with pytest.raises(ValueError, match="`local_contrast` must lie within 0..1"):
        load(NETWORK, local_contrast=-0.1)
    with pytest.raises(TypeError, match="`local_contrast` must be a number. Received"):
        load(NETWORK, local_contrast="abc")


def test_a_batch_is_painted_as_each_image_alone(images):
    close(load(NETWORK, style="wild")(images), painted(images, NETWORK.styles["wild"]))
    close(load(NETWORK)(images), painted(images, NETWORK.styles["calm"]))


def test_the_pass_for_one_image_equals_the_general_one(images):
    """One image of a known batch is normalized by another operation."""
    painter = load(NETWORK, style="dark")
    several = tf.function(painter, input_signature=[tf.TensorSpec([None, None, None, 3])])
    one = tf.function(painter, input_signature=[tf.TensorSpec([1, None, None, 3])])
    kinds = [
        {node.type for node in graph.get_concrete_function().graph.get_operations()}
        for graph in (several, one)
    ]
    assert ["FusedBatchNormV3" in kind for kind in kinds] == [False, True]
    close(one(images[:1]), several(images[:1]))
    close(several(images), painted(images, NETWORK.styles["dark"]))


def test_a_blend_is_a_mean_of_the_styles(images):
    mean = 0.25 * NETWORK.styles["calm"] + 0.75 * NETWORK.styles["dark"]
    for style in ({"calm": 1, "dark": 3}, "calm:0.1, dark:0.3"):
        close(load(NETWORK, style=style)(images), painted(images, mean))


def test_each_image_may_have_its_own_style(images):
    painter = load(NETWORK)
    vectors = painter.style_vectors(["wild", {"dark": 2.0}])
    own = np.stack([NETWORK.styles["wild"], NETWORK.styles["dark"]])
    np.testing.assert_allclose(vectors, own, rtol=1e-6)
    close(painter(images, styles=vectors), painted(images, own))
    close(painter(images, styles=vectors[:1]), painted(images, own[:1]))


@pytest.mark.parametrize("low, high, dtype", [(0.0, 255.0, "uint8"), (-1.0, 1.0, "float32")])
def test_values_are_those_of_the_range(low, high, dtype, images):
    pixels = np.rint(images * 255.0) / 255.0
    given = tf.cast(low + (high - low) * pixels, dtype)
    found = load(NETWORK, value_range=(low, high))(given)
    expected = painted(tf.constant(pixels, tf.float32), NETWORK.styles["calm"])
    np.testing.assert_allclose(found, low + (high - low) * expected, atol=5e-5 * (high - low))
    assert found.dtype == tf.float32


def test_a_file_holds_all_that_it_needs(images, tmp_path):
    write_network(tmp_path / "a.tfstyle", NETWORK)
    painter = load(str(tmp_path / "a.tfstyle"), style="wild:2,dark:1", value_range=(0, 1))
    painter.save(tmp_path / "a.keras")
    loaded = keras.saving.load_model(tmp_path / "a.keras")
    assert type(loaded) is StylePainter
    np.testing.assert_array_equal(loaded(images), painter(images))
    np.testing.assert_array_equal(loaded.style_vectors("calm"), painter.style_vectors("calm"))
    assert loaded.get_config() == painter.get_config()


def test_it_is_part_of_other_models(images, tmp_path):
    painter = load(NETWORK)
    photographs, styles = keras.Input((None, None, 3)), keras.Input((TINY.style_size,))
    outer = keras.Model([photographs, styles], 2.0 * painter(photographs, styles=styles))
    assert outer.output.shape == (None, None, None, 3)
    vectors = painter.style_vectors(["dark", "calm"])
    expected = 2.0 * painted(images, vectors)
    close(outer([images, vectors]), expected)
    close(outer.predict([images, vectors], verbose=0), expected)
    outer.save(tmp_path / "outer.keras")
    close(keras.saving.load_model(tmp_path / "outer.keras")([images, vectors]), expected)


def test_datasets_functions_and_xla_give_the_same(images):
    painter = load(NETWORK)
    expected = painted(images, NETWORK.styles["calm"])
    mapped = tf.data.Dataset.from_tensors(images).map(painter)
    assert mapped.element_spec.shape == (2, 37, 50, 3)
    close(next(iter(mapped)), expected)
    close(tf.function(painter, jit_compile=True)(images), expected)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_it_computes_in_its_own_precision(policy, images):
    expected = load(NETWORK)(images)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        np.testing.assert_array_equal(load(NETWORK)(images), expected)
        rounded = load(NETWORK, dtype="mixed_float16")(images)
    finally:
        keras.config.set_dtype_policy(before)
    assert rounded.dtype == tf.float16
    np.testing.assert_array_equal(rounded, tf.cast(expected, tf.float16))


def test_bfloat16_is_near(images):
    gap = np.abs(load(NETWORK, precision="bfloat16")(images) - load(NETWORK)(images))
    assert 0.0 < gap.mean() < 0.01


def test_it_is_frozen_unless_asked_and_gradients_pass_through(images):
    frozen, free = load(NETWORK), load(NETWORK, trainable=True)
    assert not frozen.trainable_variables
    with tf.GradientTape() as tape:
        tape.watch(images)
        loss = tf.reduce_mean(free(images) ** 2)
    by_image, *others = tape.gradient(loss, [images, *free.trainable_variables])
    assert len(others) == len(TINY.kernels) + 2  # The bias, and the styles.
    assert all(tf.reduce_any(each != 0.0) for each in (by_image, *others))


def test_a_painting_gets_the_style_that_its_statistics_ask_for(rng, mini_network):
    """The truth is the predictor in NumPy."""
    painting = rng.uniform(size=(1, 64, 48, 3)).astype("float32")
    expected = predicted_by_hand(NETWORK, load_extractor(layers=PAINTING_LAYERS)(painting))
    painter = load(NETWORK)
    found = painter.style_of(painting[0])
    np.testing.assert_allclose(found, expected[np.newaxis], atol=1e-5)
    large = painter.style_of(np.tile(painting[0], (12, 12, 1)))  # It is reduced to 640 px.
    assert found.shape == large.shape == (1, TINY.style_size)


def test_it_sees_paintings_as_its_training_did_also_from_a_file(rng, mini_network, tmp_path):
    options = {"style_edge": 64, "pooling": "max", "normalized": False}
    network = NETWORK._replace(about={"config": {"minutes": 1.0, **options}})
    load(network).save(tmp_path / "a.keras")
    loaded = keras.saving.load_model(tmp_path / "a.keras")
    painting = rng.uniform(size=(1, 48, 64, 3)).astype("float32")
    config = NetworkConfig(pooling="max", normalized=False)
    expected = predicted_by_hand(network, load_extractor(config, layers=PAINTING_LAYERS)(painting))
    large = np.repeat(np.repeat(painting[0], 2, 0), 2, 1)  # It is reduced to 64 px.
    for painter in (load(network), loaded):
        np.testing.assert_allclose(painter.style_of(painting[0])[0], expected, atol=1e-5)
        np.testing.assert_allclose(painter.style_of(large)[0], expected, atol=0.05)
    assert np.abs(load(NETWORK).style_of(painting[0])[0] - expected).max() > 0.1


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"style": "wil"}, ValueError, "one of 'calm', 'wild', 'dark'.*Did you mean 'wild'"),
        ({"style": {"calm": -1}}, ValueError, "`style` must lie within 0"),
        ({"style": "calm:0"}, ValueError, "`style` must have a weight above 0"),
        ({"style": "calm:x"}, ValueError, "`style` must give each weight as a number"),
        ({"style": "calm,calm"}, ValueError, "'calm' twice"),
        ({"style": ""}, ValueError, "`style` must name a style"),
        ({"style": {}}, ValueError, "`style` must name a style"),
        ({"style": {"calm": None}}, ValueError, "`style` must give each weight as a number"),
        ({"style": "calm:0.7,wild"}, ValueError, "each style a weight, or none"),
        ({"style": "calm:"}, ValueError, "`style` must give each weight as a number"),
        ({"style": 3}, TypeError, "`style` must be a style's name"),
        ({"precision": "int8"}, ValueError, "`precision` must be one of 'float32', 'bfloat16'"),
        ({"value_range": (1, 0)}, ValueError, "`value_range` must be two numbers"),
    ],
)
def test_wrong_options_are_named(options, error, message):
    with pytest.raises(error, match=message):
        load(NETWORK, **options)


def test_wrong_calls_are_named(images):
    painter = load(NETWORK)
    with pytest.raises(ValueError, match=r"`styles` must be numbers \[batch or 1, 60\]"):
        painter(images, styles=tf.zeros([2, 5]))
    with pytest.raises(ValueError, match="`images` must have at least 28 px"):
        painter(images[:, :19])
    with pytest.raises(ValueError, match="`value_range` must be the values of black and white"):
        painter(images * 255.0)
    with pytest.raises(ValueError, match="`styles` must be given"):
        load(NETWORK._replace(styles={}))(images)
