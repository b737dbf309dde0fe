"""The Keras losses against a float64 reference, against `Objective`, and in training."""

import dataclasses
import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from PIL import Image
from places import ROOT
from units import PAPER

from tf_style.config import presets, style_config
from tf_style.config.loss import STYLE_LOSS_NAMES, LossConfig
from tf_style.config.network import NetworkConfig
from tf_style.keras import ContentLoss, PerceptualLoss, StyleLoss
from tf_style.network.extractor import build_extractor
from tf_style.objective.objective import Objective
from tf_style.objective.targets import Targets

STYLE_LAYERS = ("block1_conv1", "block2_conv1")
SHALLOW = LossConfig(content_layers=["block2_conv2"], style_layers=list(STYLE_LAYERS))
# The mini network's features are about a hundred times as large as VGG-19's normalized ones.
GENTLE = dataclasses.replace(
    SHALLOW, content_weight=1e-4, style_weight=1e-5, tv_weight=1.0, **PAPER
)
ALL = [ContentLoss, StyleLoss, PerceptualLoss]

pytestmark = [
    pytest.mark.usefixtures("mini_network"),
    # 2026-11: keras 3.15 on numpy 2.4.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


@pytest.fixture
def pictures(rng):
    """Three contents, three images and an 8-bit style."""
    true, image = rng.uniform(size=(2, 3, 20, 24, 3)).astype("float32")
    return true, image, rng.integers(0, 256, (22, 18, 3), np.uint8)


def objective(layers, loss=SHALLOW):
    extractor = build_extractor(layers, layers=loss.layers, padding=NetworkConfig.padding)
    return Objective(extractor, loss)


def as_image(pixels):
    return tf.constant(pixels[None] / np.float32(255.0))


@pytest.mark.parametrize("name", presets.PRESETS)
def test_every_samples_loss_agrees_with_the_float64_reference(name, mini_layers, rng):
    preset = style_config.preset(name)
    true, image = rng.uniform(size=(2, 2, 36, 40, 3)).astype("float32")
    style = rng.integers(0, 256, (33, 42, 3), np.uint8)
    loss = PerceptualLoss(config=preset.loss, network=preset.network, style=style, reduction="none")
    expected = [
        reference.total_loss(
            image[i : i + 1], true[i : i + 1], style[None] / 255.0, mini_layers, preset.to_dict()
        )
        for i in range(2)
    ]
    np.testing.assert_allclose(loss(true, image), expected, rtol=1e-4)


@pytest.mark.parametrize("edge_weight", [0.0, 1.0])
def test_the_losses_of_one_sample_are_the_objectives_terms(edge_weight, mini_layers, pictures):
    true, image, style = pictures
    config = dataclasses.replace(SHALLOW, edge_weight=edge_weight)
    truth = objective(mini_layers, config)
    image = tf.constant(image[:1])
    expected = truth.terms(image, truth.targets(tf.constant(true[:1]), as_image(style)))
    content = ContentLoss(config=config)(true[:1], image)
    styled = StyleLoss(config=config, style=style)(true[:1], image)
    both = PerceptualLoss(config=config, style=style)
    assert float(content) == pytest.approx(float(expected.content), rel=1e-5)
    assert float(styled) == pytest.approx(float(expected.style), rel=1e-5)
    assert float(both(true[:1], image)) == pytest.approx(float(expected.total), rel=1e-5)
    terms = both.terms(true[:1], image)
    assert float(terms.variation[0]) == pytest.approx(float(expected.variation), rel=1e-5)
    assert set(terms.layers) == set(expected.layers)


@pytest.mark.parametrize("name", STYLE_LOSS_NAMES)
def test_every_loss_has_a_value_for_each_sample(name, mini_layers, pictures):
    true, image, style = pictures
    shallow = dataclasses.replace(SHALLOW, style_loss=name, content_reduction="self_similarity")
    truth = objective(mini_layers, shallow)
    fixed = PerceptualLoss(config=shallow, style=style, reduction="none")(true, image)
    own = StyleLoss(config=shallow, reduction="none")(true, image)
    for i in range(2):
        one, other = tf.constant(image[i : i + 1]), tf.constant(true[i : i + 1])
        expected = truth.terms(one, truth.targets(other, as_image(style)))
        assert float(fixed[i]) == pytest.approx(float(expected.total), rel=1e-4)
        expected = truth.terms(one, truth.targets(other, other))
        assert float(own[i]) == pytest.approx(float(expected.style), rel=1e-4)


def test_gradients_of_samples_are_the_objectives(mini_layers, pictures):
    true, image, style = pictures
    truth = objective(mini_layers)
    loss = PerceptualLoss(config=SHALLOW, style=style, reduction="sum")
    image = tf.constant(image)
    with tf.GradientTape() as tape:
        tape.watch(image)
        total = loss(true, image)
    gradient = tape.gradient(total, image)
    for i in range(3):
        targets = truth.targets(tf.constant(true[i : i + 1]), as_image(style))
        _, expected = truth.value_and_gradient(image[i : i + 1], targets)
        scale = float(tf.reduce_max(tf.abs(expected)))
        np.testing.assert_allclose(gradient[i : i + 1], expected, atol=1e-5 * scale)


def test_a_gradient_agrees_with_differences_of_the_float64_reference(mini_layers, pictures, rng):
    true, image, style = pictures
    loss = PerceptualLoss(config=SHALLOW, style=style)
    options = style_config.StyleConfig().replace(
        content_layers=SHALLOW.content_layers, style_layers=SHALLOW.style_layers
    )
    picture = tf.constant(image[:1])
    with tf.GradientTape() as tape:
        tape.watch(picture)
        total = loss(true[:1], picture)
    gradient = tape.gradient(total, picture).numpy().astype(np.float64)

    def truth(candidate):
        return reference.total_loss(
            candidate, true[:1], style[None] / 255.0, mini_layers, options.to_dict()
        )

    direction = rng.normal(size=gradient.shape) + gradient / np.sqrt((gradient**2).mean())
    ahead, behind = (truth(image[:1] + h * direction) for h in (1e-7, -1e-7))
    assert np.vdot(gradient, direction) == pytest.approx((ahead - behind) / 2e-7, rel=1e-3)


@pytest.mark.parametrize("kind", ALL)
def test_a_sample_has_the_same_loss_alone_and_in_any_batch(kind, pictures):
    true, image, _ = pictures
    loss = kind(config=SHALLOW, reduction="none")
    alone = [float(loss(true[i : i + 1], image[i : i + 1])[0]) for i in range(3)]
    np.testing.assert_allclose(loss(true, image), alone, rtol=1e-5)
    np.testing.assert_allclose(loss(true[::-1], image[::-1]), alone[::-1], rtol=1e-5)


@pytest.mark.parametrize("kind", ALL)
def test_keras_weights_and_reduces_the_samples_losses(kind, pictures):
    true, image, _ = pictures
    weights = np.array([0.5, 0.0, 2.0], np.float32)

    def reduced(reduction, sample_weight=None):
        return kind(config=SHALLOW, reduction=reduction)(true, image, sample_weight)

    values = reduced("none").numpy()
    assert values.shape == (3,)
    assert float(reduced("sum_over_batch_size")) == pytest.approx(values.mean(), rel=1e-5)
    assert float(reduced("sum")) == pytest.approx(values.sum(), rel=1e-5)
    weighted = values * weights
    np.testing.assert_allclose(reduced(None, weights), weighted, rtol=1e-5)
    assert float(reduced("sum_over_batch_size", weights)) == pytest.approx(
        weighted.mean(), rel=1e-5
    )
    assert float(reduced("mean_with_sample_weight", weights)) == pytest.approx(
        weighted.sum() / 2.5, rel=1e-5
    )


def test_the_loss_of_a_picture_for_itself_is_its_total_variation(pictures):
    true = pictures[0]
    assert float(ContentLoss(config=SHALLOW)(true, true)) == 0.0
    assert float(StyleLoss(config=SHALLOW)(true, true)) == 0.0
    # Relative to its own: the picture is its own style.
    loss = PerceptualLoss(config=SHALLOW, reduction="none")
    np.testing.assert_allclose(loss(true, true), [SHALLOW.tv_weight] * 3, rtol=1e-5)
    plain = dataclasses.replace(SHALLOW, tv_weight=20.0, **PAPER)
    expected = [20.0 * reference.variation(true[i : i + 1], "mean_square") for i in range(3)]
    loss = PerceptualLoss(config=plain, reduction="none")
    np.testing.assert_allclose(loss(true, true), expected, rtol=1e-5)


def test_the_style_of_y_true_may_have_another_size(pictures):
    _, image, style = pictures
    fixed = StyleLoss(config=SHALLOW, style=style, reduction="none")(image, image)
    theirs = np.repeat(as_image(style), 3, 0)
    found = StyleLoss(config=SHALLOW, reduction="none")(theirs, image)
    np.testing.assert_allclose(found, fixed, rtol=1e-5)
    with pytest.raises(ValueError, match="`y_true` must have the height and width of `y_pred`"):
        PerceptualLoss(config=SHALLOW)(theirs, image)


@pytest.mark.parametrize("kind", ALL)
def test_other_value_ranges_mean_the_same_pictures(kind, pictures):
    true, image, _ = pictures
    expected = float(kind(config=SHALLOW)(true, image))
    bytes_ = kind(config=SHALLOW, value_range=(0, 255))
    signed = kind(config=SHALLOW, value_range=(-1, 1))
    assert float(bytes_(true * 255, image * 255)) == pytest.approx(expected, rel=1e-4)
    assert float(signed(true * 2 - 1, image * 2 - 1)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("kind", ALL)
def test_unknown_sizes_give_the_same_in_a_graph(kind, pictures):
    true, image, _ = pictures
    loss = kind(config=SHALLOW)
    any_images = tf.TensorSpec([None, None, None, 3], tf.float32)
    graph = tf.function(loss, input_signature=[any_images, any_images])
    for pair in ((true, image), (true[:2, :16, :17], image[:2, :16, :17])):
        found = float(graph(*map(tf.constant, pair)))
        assert found == pytest.approx(float(loss(*pair)), rel=1e-5)


@pytest.mark.parametrize("kind", ALL)
def test_losses_of_half_precision_pictures_are_computed_in_float32(kind, pictures):
    true, image = (tf.cast(array, tf.bfloat16) for array in pictures[:2])
    loss = kind(config=SHALLOW)
    exact = loss(tf.cast(true, tf.float32), tf.cast(image, tf.float32))
    assert loss(true, image).dtype == tf.float32
    assert float(loss(true, image)) == float(exact)


def options(kind, path):
    return {} if kind is ContentLoss else {"style": path, "style_size": 20}


@pytest.mark.parametrize("kind", ALL)
def test_a_loss_made_from_its_config_is_the_same_and_needs_no_file(kind, pictures, picture_file):
    true, image, _ = pictures
    path = picture_file("style.png")
    loss = kind(
        config=SHALLOW,
        network=NetworkConfig(pooling="max"),
        value_range=(0, 2),
        reduction="sum",
        name="mine",
        **options(kind, path),
    )
    path.unlink()
    text = json.dumps(keras.losses.serialize(loss))
    again = keras.losses.deserialize(json.loads(text))
    assert type(again) is kind
    assert again.get_config() == loss.get_config()
    assert float(again(true, image)) == float(loss(true, image))
    assert float(kind.from_config(loss.get_config())(true, image)) == float(loss(true, image))


def test_a_style_is_reduced_to_its_size_and_never_enlarged(picture_file):
    path = picture_file("style.png", width=40, height=32)

    def kept(size):
        loss = StyleLoss(config=SHALLOW, style=path, style_size=size)
        from tf_style.keras.inputs import picture_of_text

        return picture_of_text(loss.get_config()["style"], argument="style").shape[1:3]

    assert (kept(20), kept(64), kept(0)) == ((16, 20), (32, 40), (32, 40))


def small_network():
    return keras.Sequential(
        [
            keras.Input((None, None, 3)),
            keras.layers.Conv2D(8, 3, padding="same", activation="relu"),
            keras.layers.Conv2D(3, 3, padding="same", activation="sigmoid"),
        ]
    )


@pytest.fixture
def policy(request):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy(before)


@pytest.fixture
def dark_style(rng):
    return rng.integers(0, 100, (22, 18, 3), np.uint8)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16"], indirect=True)
def test_training_lowers_the_loss_under_every_policy(policy, pictures, dark_style, graph_rewriting):
    true = pictures[0]
    keras.utils.set_random_seed(5)
    model = small_network()
    loss = PerceptualLoss(config=GENTLE, style=dark_style)
    model.compile(keras.optimizers.Adam(0.03), loss=loss)
    data = tf.data.Dataset.from_tensor_slices(true).repeat(20).batch(3)
    pairs = data.map(lambda x: (x, x)).prefetch(2)
    before = model.evaluate(true, true, verbose=0)
    model.fit(pairs, shuffle=False, verbose=0)
    assert model.evaluate(true, true, verbose=0) < 0.2 * before
    assert loss(true, model(true)).dtype == tf.float32


def test_a_compiled_model_is_saved_without_the_networks_weights(pictures, tmp_path):
    true, _, style = pictures
    model = small_network()
    model.compile("adam", loss=PerceptualLoss(config=SHALLOW, style=style))
    model.fit(true, true, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert len(loaded.weights) == len(model.weights) == 4
    assert loaded.evaluate(true, true, verbose=0) == model.evaluate(true, true, verbose=0)
    model.save_weights(tmp_path / "model.weights.h5")
    plain = small_network()
    plain.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(plain(true), model(true))


def test_it_trains_in_a_custom_loop(pictures, dark_style):
    true = pictures[0]
    keras.utils.set_random_seed(5)
    model, optimizer = small_network(), keras.optimizers.Adam(0.03)
    loss = StyleLoss(config=GENTLE, style=dark_style)

    @tf.function
    def step(images):
        with tf.GradientTape() as tape:
            value = loss(images, model(images, training=True))
        variables = model.trainable_variables
        optimizer.apply(tape.gradient(value, variables), variables)
        return value

    values = [float(step(tf.constant(true))) for _ in range(20)]
    assert values[-1] < 0.2 * values[0]


IN_REPLICAS = """
import json
import sys

import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
sys.path.insert(0, "tests/support")
import mini_network
from tf_style.network import extractor, weights
from tf_style.keras import PerceptualLoss

layers = mini_network.make_mini_layers()
extractor.load_weights = lambda name, notify=None: weights.Weights(layers, "0" * 64)
means = {name: np.ones(kernel.shape[-1]) for name, (kernel, _) in layers.items()}
extractor.mean_activations = lambda: means
true, images = np.random.default_rng(1).uniform(size=(2, 4, 16, 18, 3)).astype("float32")
config = {"content_layers": ["conv2_2"], "style_layers": ["conv1_1", "conv2_1"]}


def make():
    return PerceptualLoss(config=config, style=true[0], reduction="sum")


def losses_and_gradients(true, images):
    results = []
    for loss in (outside, inside):
        with tf.GradientTape() as tape:
            tape.watch(images)
            value = loss(true, images)
        results.append((value[tf.newaxis], tape.gradient(value, images)))
    return results


strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
outside = make()
with strategy.scope():
    inside = make()
pairs = tf.data.Dataset.from_tensor_slices((true, images)).batch(4)
pair = next(iter(strategy.experimental_distribute_dataset(pairs)))
found = tf.function(lambda pair: strategy.run(losses_and_gradients, pair))(pair)
found = tf.nest.map_structure(lambda part: strategy.gather(part, 0), found)
expected = losses_and_gradients(true, tf.constant(images))
for (value, gradient), (total, slope) in zip(found, expected, strict=True):
    assert value.shape == (2,)
    np.testing.assert_allclose(tf.reduce_sum(value), total[0], rtol=1e-5)
    np.testing.assert_allclose(gradient, slope, atol=1e-5 * np.abs(slope).max())
"""


@pytest.mark.slow
def test_two_replicas_share_a_batch_as_one_device_computes_it():
    done = subprocess.run(
        [sys.executable, "-c", IN_REPLICAS],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", ALL)
def test_wrong_pictures_are_named(kind, pictures):
    true, image, _ = pictures
    loss = kind(config=SHALLOW)
    with pytest.raises(ValueError, match=r"`y_pred` must be RGB images .* shape=\(3, 20, 24, 1\)"):
        loss(true[..., :1], image[..., :1])
    with pytest.raises(ValueError, match=r"`y_pred` must be RGB images .* shape=\(20, 24, 3\)"):
        loss(true[0], image[0])
    with pytest.raises(ValueError, match="`y_pred` must have at least 2 px on each side"):
        loss(true[:, :1], image[:, :1])
    with pytest.raises(ValueError, match=r"`y_true` must be RGB images"):
        loss(true[..., :2], image)


def test_wrong_options_are_named(tmp_path):
    with pytest.raises(ValueError, match="Did you mean 'style_weight'"):
        StyleLoss(config={"style_wait": 3.0})
    with pytest.raises(TypeError, match="`network` must be a NetworkConfig or its dict"):
        ContentLoss(network="imagenet")
    with pytest.raises(ValueError, match="`arithmetic` must be one of 'direct'"):
        ContentLoss(config=SHALLOW, arithmetic="float16")
    with pytest.raises(ValueError, match=r"`value_range` must be two numbers.*\(255, 0\)"):
        ContentLoss(config=SHALLOW, value_range=(255, 0))
    with pytest.raises(FileNotFoundError, match="`style` must be an existing file"):
        StyleLoss(config=SHALLOW, style=tmp_path / "none.png")
    with pytest.raises(ValueError, match="`style` must be a picture or the text .* damaged"):
        StyleLoss(config=SHALLOW, style="data:image/png;base64,AAAA")
    with pytest.raises(ValueError, match="`style` must have at least 2 px on each side"):
        StyleLoss(config=SHALLOW, style=np.zeros((1, 9, 3), np.uint8))
    with pytest.raises(ValueError, match="`style_size` must be at least 0"):
        StyleLoss(config=SHALLOW, style=np.zeros((9, 9, 3), np.uint8), style_size=-1)


def test_a_style_given_as_a_file_is_its_pixels(tmp_path, pictures):
    true, image, style = pictures
    Image.fromarray(style).save(tmp_path / "style.png")
    found = StyleLoss(config=SHALLOW, style=tmp_path / "style.png")(true, image)
    assert float(found) == float(StyleLoss(config=SHALLOW, style=style)(true, image))


def test_several_styles_are_blended_as_stylize_blends_them(pictures, mini_layers, rng):
    true, image, first = pictures
    second = rng.integers(0, 256, (25, 21, 3), np.uint8)
    both = PerceptualLoss(config=SHALLOW, style=[first, second], style_blend=(3, 1))
    truth = objective(mini_layers)
    statistics = [truth.style_statistics(as_image(each)) for each in (first, second)]
    # Gram matrices are averages, and so is the scale of total variation.
    grams = {
        name: 0.75 * np.asarray(statistics[0][0][name]) + 0.25 * np.asarray(statistics[1][0][name])
        for name in STYLE_LAYERS
    }
    scales = [truth.variation_scale(as_image(each)) for each in (first, second)]
    scale = {name: 0.75 * scales[0][name] + 0.25 * scales[1][name] for name in scales[0]}
    one = tf.constant(image[:1])
    content = truth.content_targets(tf.constant(true[:1]))
    targets = Targets(content, grams, scales=truth.scales(content, scale))
    assert float(both(true[:1], one)) == pytest.approx(
        float(truth.terms(one, targets).total), rel=1e-5
    )
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(both))
    assert again.get_config() == both.get_config()
    assert float(again(true[:1], one)) == float(both(true[:1], one))
    alone = PerceptualLoss(config=SHALLOW, style=[first, second], style_blend=(0, 2))
    assert float(alone(true[:1], one)) == pytest.approx(
        float(PerceptualLoss(config=SHALLOW, style=second)(true[:1], one)), rel=1e-6
    )
    text = PerceptualLoss(config=SHALLOW, style=[first, second], style_blend="3,1")
    assert float(text(true[:1], one)) == float(both(true[:1], one))
    for wrong in ((1,), (0, 0), (-1, 2), "a,b", "1", ("a", 1), 3):
        with pytest.raises((TypeError, ValueError), match="`style_blend` must"):
            StyleLoss(config=SHALLOW, style=[first, second], style_blend=wrong)


def test_an_empty_list_of_styles_is_refused():
    with pytest.raises(ValueError, match="`style` must hold at least one picture. Received: none"):
        StyleLoss(config=SHALLOW, style=[])


@pytest.mark.parametrize("kind", ALL)
def test_batches_of_other_sizes_are_refused_and_not_repeated(kind, pictures):
    true, image, style = pictures
    loss = kind(config=SHALLOW)
    with pytest.raises(ValueError, match="as many pictures as `y_pred`. Received: 1 and 3."):
        loss(true[:1], image)
    spec = tf.TensorSpec([None, 20, 24, 3], tf.float32)
    graph = tf.function(loss.call, input_signature=[spec, spec], autograph=False)
    with pytest.raises(tf.errors.InvalidArgumentError, match="as many pictures as `y_pred`"):
        graph(true[:1], image)
    StyleLoss(config=SHALLOW, style=style)(true[:1], image)  # It does not look at `y_true`.
