"""Wrong declarations of black and white are told; unusual but possible images are not refused."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_style.keras import ContentLoss, PerceptualLoss, StyleAugmentation, StyleLoss, VGG19Features

pytestmark = [
    pytest.mark.usefixtures("mini_network"),
    # 2026-11: keras 3.15 on numpy 2.4.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

LAYERS = {"content_layers": ["conv1_1"], "style_layers": ["conv1_1"]}
RULE = "`value_range` must be the values of black and white in `{}`"


@pytest.fixture
def images(rng):
    """Photographs of 8 bits, 0..1."""
    return rng.integers(0, 256, (2, 16, 20, 3)).astype(np.float32) / np.float32(255)


def users(images, value_range):
    """Returns functions of images, by the argument's name in errors."""
    style = (images[0] * 255).astype(np.uint8)
    bank = StyleAugmentation([style], value_range=value_range, steps=0, seed=1, probability=1.0)
    features = VGG19Features(["conv1_1"], value_range=value_range)
    features.build((None, None, None, 3))
    losses = [
        kind(config=LAYERS, value_range=value_range)
        for kind in (ContentLoss, StyleLoss, PerceptualLoss)
    ]
    fixed = StyleLoss(config=LAYERS, style=style, value_range=value_range)
    return [
        ("images", lambda x: bank.augment(x, seed=[1, 2])),
        ("images", lambda x: features(x)["block1_conv1"]),
        ("y_pred", lambda x: fixed(x, x)),
        *(("y_true", lambda x, loss=loss: loss(x, tf.zeros_like(x))) for loss in losses),
    ]


def test_too_wide_values_are_refused_eagerly_and_in_graphs(images):
    for argument, function in users(images, (0, 1)):
        with pytest.raises(ValueError, match=RULE.format(argument)) as caught:
            function(images * 255)
        assert "value_range=(0, 1)" in str(caught.value) and "to 255. Pass" in str(caught.value)
        graph = tf.function(function, input_signature=[tf.TensorSpec([None] * 4)], autograph=False)
        for _ in range(2):  # Not only the first batch.
            assert np.isfinite(graph(images)).all()
            with pytest.raises(tf.errors.InvalidArgumentError, match=RULE.format(argument)):
                graph(images * 255)


def test_images_of_8_bits_in_0_to_1_are_refused_where_0_to_255_is_declared(images):
    for argument, function in users(images, (0, 255)):
        function(images * 255)
        with pytest.raises(ValueError, match=f"{RULE.format(argument)}.*from 0 to 1. Pass"):
            function(images)


@pytest.mark.parametrize("value_range", [(0, 1), (0, 255), (-1, 1), (-128, 127)])
def test_preprocessed_pictures_are_refused(value_range, images):
    preprocess = keras.applications.vgg19.preprocess_input
    layer = VGG19Features(["conv1_1"], value_range=value_range)
    for picture in (images, 0.2 * images):
        pixels = np.round(picture * 255).astype(np.float32)
        with pytest.raises(ValueError, match="use no `preprocess_input`"):
            layer(preprocess(pixels.copy()))
        layer(pixels - np.float32(100.5))  # What a network may compute.


def test_negative_values_are_refused_where_there_are_none(images):
    augment = users(images, (0, 1))[0][1]
    with pytest.raises(ValueError, match="from -1 to 1"):
        augment(images * 2 - 1)


def test_black_pictures_and_small_excesses_are_accepted(images, rng):
    black = np.zeros((2, 18, 18, 3), np.float32)
    levels = rng.integers(0, 2, (2, 160, 160, 3)).astype(np.float32)  # As black as 8 bits allow.
    pictures = [black, levels, levels.astype(np.uint8), tf.image.resize(levels, (32, 32), "area")]
    pictures += [
        tf.image.resize(levels, (30, 31), "bicubic"),
        levels[:, :16, :16] + black[:, :16, :16],
    ]
    # Means over 5 x 3 px are multiples of 1/15, and so of 1/255.
    pictures.append(tf.nn.avg_pool2d(levels, (3, 5), (3, 5), "SAME"))
    for _, function in users(images, (0, 255)):
        for picture in pictures:
            function(tf.convert_to_tensor(picture))
    for _, function in users(images, (0, 1)):
        function(np.clip(images + rng.normal(0, 0.1, images.shape), -0.45, 1.45).astype("float32"))


def test_a_network_may_compute_any_values_that_are_not_pixels(images, rng):
    loss = PerceptualLoss(config=LAYERS)
    for computed in (rng.normal(0, 300, images.shape), images * 9, -images * 300):
        assert np.isfinite(loss(images, computed.astype(np.float32)))


def test_fit_and_datasets_tell(images):
    model = keras.Sequential([keras.Input((16, 20, 3)), keras.layers.Conv2D(3, 1)])
    model.compile("sgd", loss=PerceptualLoss(config=LAYERS))
    with pytest.raises(tf.errors.InvalidArgumentError, match=RULE.format("y_true")):
        model.fit(images, images * 255, verbose=0)
    bank = StyleAugmentation([images[0]], value_range=(0, 1), steps=0, probability=0.0, strength=1)
    bank.probability = 0.01
    data = tf.data.Dataset.from_tensor_slices(images * 255).batch(2)
    with pytest.raises(tf.errors.InvalidArgumentError, match=RULE.format("images")):
        list(data.map(bank.map_pair))


def test_xla_gives_nan_for_what_it_cannot_tell(images):
    for value_range, wrong in (((0, 1), images * 255), ((0, 255), images)):
        loss = ContentLoss(config=LAYERS, value_range=value_range)
        compiled = tf.function(lambda x, loss=loss: loss(x, x + 0.01), jit_compile=True)
        right = wrong / 255 if value_range == (0, 1) else wrong * 255
        assert np.isfinite(compiled(right)) and np.isnan(compiled(wrong))


def test_a_functional_model_is_saved_and_told(images, tmp_path):
    image = keras.Input((16, 20, 3))
    model = keras.Model(image, VGG19Features(["conv1_1"])(image))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    with pytest.raises(tf.errors.InvalidArgumentError, match=RULE.format("images")):
        loaded.predict(images * 255, verbose=0)
