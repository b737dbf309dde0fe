"""Trainings with a tiny network: losses fall, gradients are right, and what is frozen stays."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tiny_style_network import TINY, make_tiny_network

from tf_style.config.training import TrainingConfig
from tf_style.feedforward.architecture import TRAINING_MARGIN
from tf_style.feedforward.painting import paint
from tf_style.feedforward.predictor import predicted_styles
from tf_style.training.assembly import load_objective
from tf_style.training.choices import choices
from tf_style.training.photographs import Photographs
from tf_style.training.step import STYLES, from_windows, in_windows
from tf_style.training.training import DivergedError, Reached, Training

CONFIG = TrainingConfig(
    steps=12, batch=2, crops="64", learning_rate=0.01, seed=5, style_loss="gram"
)


@pytest.fixture
def styles(rng):
    """Two paintings: waves of a color each."""
    rows = np.sin(np.arange(72.0) / 3.0)[None, :, None, None] * np.ones([1, 1, 80, 1])
    return {
        name: np.float32(0.5 + 0.4 * rows * color)
        for name, color in {"red": [1.0, 0.2, 0.1], "blue": [-0.3, 0.1, 1.0]}.items()
    }


@pytest.fixture
def photographs(tmp_path, rng):
    paths = []
    for index in range(3):
        coarse = Image.fromarray(rng.integers(0, 256, (9, 11, 3), np.uint8))
        paths.append(tmp_path / f"{index}.png")
        coarse.resize((110, 90), Image.Resampling.BICUBIC).save(paths[-1])
    return Photographs(paths)


@pytest.fixture
def make_training(mini_network, styles, photographs):
    def make(config=CONFIG, **options):
        if "base" not in options:
            options["architecture"] = TINY
        objective = load_objective(config)
        return Training(objective, config, styles=styles, photographs=photographs, **options)

    return make


def run(training, state=None, reached=None, count=None):
    """All progress of a training, or of its first steps."""
    steps = training.steps(training.initial() if state is None else state, reached or Reached())
    found = []
    for progress in steps:
        found.append(progress)
        if len(found) == count:
            break
    return found


def assert_same(first, second):
    tf.nest.map_structure(np.testing.assert_array_equal, first, second)


def test_the_loss_falls_and_a_resumed_training_is_the_same_to_the_bit(make_training):
    config = CONFIG.replace(any_share=0.5, crops="64,72")
    training = make_training(config)
    whole = run(training)
    assert [progress.reached.step for progress in whole] == list(range(1, 13))
    assert {progress.side for progress in whole} == {64, 72}
    first, last = (np.mean([p.losses.style for p in part]) for part in (whole[:4], whole[-4:]))
    assert last < 0.9 * first
    begun = run(training, count=5)[-1]
    resumed = run(make_training(config), begun.state, begun.reached)
    assert_same(resumed[-1].state, whole[-1].state)
    network = training.network(whole[-1].state, {"steps": 12})
    assert list(network.styles) == ["red", "blue"]
    assert np.abs(network.styles["red"] - network.styles["blue"]).max() > 1e-3


@pytest.mark.parametrize("others", [{}, {"any_share": 0.5, "adversarial_weight": 2.0}])
def test_gradients_are_those_of_the_loss(make_training, others):
    training = make_training(CONFIG.replace(stability_weight=30.0, **others))
    state = training.initial()
    state = state._replace(
        parameters={
            **state.parameters,
            STYLES: 0.3 * tf.random.stateless_normal([2, TINY.style_size], [1, 2]),
        }
    )
    photographs, style = next(training._batches(0, 64))
    batch = training._batch(0, 0.5, photographs, style)
    graph = tf.function(training.step, autograph=False)

    def loss(moved):
        changed = {name: state.parameters[name] + change for name, change in moved.items()}
        parameters = {**state.parameters, **changed}
        return float(graph(state._replace(parameters=parameters), batch, training.paintings)[1][0])

    after, losses = graph(state, batch, training.paintings)
    # The first average is a tenth of the gradient, which was shortened to a length of 2.
    lengthened = 10.0 * max(1.0, float(losses.slope) / 2.0)
    gradients = {
        name: lengthened * first
        for name, first in after.first.items()
        if not name.startswith("discriminator/")
    }
    whole = np.sqrt(sum(np.sum(np.square(gradient)) for gradient in gradients.values()))
    np.testing.assert_allclose(losses.slope, whole, rtol=1e-4)
    small = 1e-4  # Few units of a ReLU change their sign on so short a way.
    for names in (["shrink1", "enlarge1"], [STYLES], ["predictor2", "bias"], ["block1_conv2"]):
        # Along the gradient of a few parameters: there the slope is far above rounding.
        length = np.sqrt(sum(np.sum(np.square(gradients[name])) for name in names))
        plus, minus = (
            loss({name: sign * small * gradients[name] / length for name in names})
            for sign in (1, -1)
        )
        np.testing.assert_allclose((plus - minus) / (2.0 * small), length, rtol=0.015)


def test_windows_are_parts_in_their_order_and_join_to_the_picture(rng):
    pictures = rng.uniform(size=[2, 6, 9, 3]).astype(np.float32)
    windows = in_windows(tf.constant(pictures), 3).numpy()
    assert windows.shape == (18, 2, 3, 3)
    np.testing.assert_array_equal(windows[9 + 3 + 2], pictures[1, 2:4, 6:9])
    np.testing.assert_array_equal(from_windows(tf.constant(windows), 3), pictures)


@pytest.mark.parametrize("windows", [1, 2])
def test_losses_are_means_over_the_windows_of_painted_pictures(make_training, windows):
    default = TrainingConfig().loss
    config = CONFIG.replace(
        stability_weight=0.0, windows=windows, style_contrast=1.5, style_loss=default.style_loss
    )
    training = make_training(config)
    objective, state = training.step.objective, training.initial()
    batch = training._batch(0, 0.5, *next(training._batches(0, 64)))
    losses = tf.function(training.step, autograph=False)(state, batch, training.paintings)[1]
    photographs = batch.photographs[:, 4:-4, 4:-4]
    styles = predicted_styles(state.parameters, training.paintings.statistics)
    styles = tf.gather(styles + state.parameters[STYLES], batch.named)
    plain = dataclasses.replace(TINY, local_contrast=0.0)  # Trainings raise no contrasts.
    pictures = paint(plain, state.parameters, photographs, styles, margin=TRAINING_MARGIN)
    found, side = [], 64 // windows
    places = [(y, x) for y in range(0, 64, side) for x in range(0, 64, side)]
    for picture, photograph, named in zip(pictures, photographs, batch.named.numpy(), strict=True):
        painted, seen = (
            [each[tf.newaxis, y : y + side, x : x + side] for y, x in places]
            for each in (picture, photograph)
        )
        painting = training._pictures[named]
        mean = painting.mean((1, 2), keepdims=True)
        asked = np.clip(mean + 1.5 * (painting - mean), 0.0, 1.0)
        targets = [objective.targets(part, tf.constant(asked)) for part in seen]
        shared = {
            name: tf.reduce_mean([each.scales[name] for each in targets], 0)
            for name in targets[0].content
        }
        assert len(shared) == 2
        for part, target in zip(painted, targets, strict=True):
            terms = objective.terms(part, target._replace(scales={**target.scales, **shared}))
            layers = terms.layers.items()
            style = np.mean([float(loss) for key, loss in layers if "style/" in key])
            # The default's two layers weigh alike.
            content = np.mean([float(loss) for key, loss in layers if "content/" in key])
            found.append([float(terms.total), style, content])
    given = [losses.total, losses.style, losses.content]
    np.testing.assert_allclose(given, np.mean(found, 0), rtol=1e-3)


def test_the_predictor_sees_paintings_with_their_own_contrast(make_training):
    plain, stronger = (
        make_training(CONFIG.replace(style_contrast=contrast)).paintings for contrast in (1.0, 2.0)
    )
    np.testing.assert_allclose(plain.statistics, stronger.statistics, atol=1e-5)
    for name, scale in plain.scales.items():
        assert (stronger.scales[name].numpy() > 1.2 * scale.numpy()).all()


def test_a_step_moves_kernels_by_muon_and_named_styles_fast(make_training):
    training = make_training()
    state = training.initial()
    batch = training._batch(0, 0.5, *next(training._batches(0, 64)))._replace(
        rate=tf.constant(0.01)
    )
    after = tf.function(training.step, autograph=False)(state, batch, training.paintings)[0]
    changes = {
        name: after.parameters[name].numpy() - value.numpy()
        for name, value in state.parameters.items()
    }
    for name in TINY.kernels:
        singular = np.linalg.svd(changes[name].reshape(-1, changes[name].shape[-1]))[1]
        assert 0.7 < np.sqrt(np.mean(np.square(changes[name]))) / 0.02 < 1.3, name
        assert singular[0] < 2.5 * np.median(singular), name
    # The first change by Adam is the whole rate, in the gradient's direction.
    np.testing.assert_allclose(np.abs(changes["bias"]), 0.01, rtol=1e-3)
    np.testing.assert_allclose(np.quantile(np.abs(changes[STYLES]), 0.5), 0.05, rtol=1e-3)
    # A unit adds up as many numbers as there are statistics; by larger steps units die.
    for name, step in (("predictor1", 1e-4), ("predictor2", 1e-3)):
        np.testing.assert_allclose(np.abs(changes[name]).max(), step, rtol=0.01)


def test_new_styles_leave_the_network_and_its_styles_as_they_are(make_training):
    base = make_tiny_network("old")
    training = make_training(base=base, only_styles=True)
    found = run(training)
    network = training.network(found[-1].state, {})
    assert list(network.styles) == ["old", "red", "blue"]
    np.testing.assert_array_equal(network.styles["old"], base.styles["old"])
    assert_same(dict(network.parameters), dict(base.parameters))
    assert found[-1].losses.style < found[0].losses.style
    for name, value in base.parameters.items():
        np.testing.assert_array_equal(found[-1].state.parameters[name], value)


def test_styles_of_the_base_go_on_from_what_it_knows(make_training):
    base = make_tiny_network("old", "red")
    training = make_training(base=base)
    network = training.network(training.initial(), {})
    assert list(network.styles) == ["red", "blue"]
    np.testing.assert_allclose(network.styles["red"], base.styles["red"], atol=1e-6)
    predicted = predicted_styles(base.parameters, training.paintings.statistics)
    np.testing.assert_allclose(network.styles["blue"], predicted[1], atol=1e-6)


def test_a_discriminator_learns_and_is_not_part_of_the_network(make_training):
    training = make_training(CONFIG.replace(adversarial_weight=0.1))
    found = run(training)
    assert found[0].losses.discriminator == pytest.approx(2.0, abs=0.5)
    assert found[-1].losses.discriminator < found[0].losses.discriminator
    assert found[0].losses.adversarial != 0.0
    network = training.network(found[-1].state, {})
    assert not any(name.startswith("discriminator") for name in network.parameters)


def test_losses_that_are_no_numbers_end_the_training(make_training):
    training = make_training()
    state = training.initial()
    broken = {**state.parameters, "bias": tf.fill([3], np.nan)}
    with pytest.raises(DivergedError, match="after step 0.*smaller `learning_rate`"):
        next(training.steps(state._replace(parameters=broken)))


def test_every_named_style_has_its_turn(styles):
    config, pictures = CONFIG.replace(batch=3), list(styles.values())
    turns = [
        int(style)
        for step in range(7)
        for style in choices(config, pictures, step=step, share=0.1, side=64).named
    ][:20]
    assert all({turns[index], turns[index + 1]} == {0, 1} for index in range(0, 20, 2))
    assert turns[::2] != [turns[0]] * 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crops": "12"}, "`crops` must be whole numbers within 64..2048"),
        ({"crops": "a,128"}, "`crops` must be whole numbers"),
        ({"crops": "129", "windows": 2}, "`crops` must be multiples of `windows`, of at least"),
        ({"crops": "96", "windows": 4}, "`crops` must be multiples of `windows`"),
        ({"windows": 0}, "`windows` must lie within 1..16"),
        ({"style_contrast": 0.0}, "`style_contrast` must lie within 0.1..10"),
        ({"style_layers": "conv4_1"}, "`style_loss` must name layers in use, 'block4_conv1'"),
        ({"minutes": 0.0}, "`minutes` must lie within"),
        ({"any_share": 0.1, "batch": 4}, "`any_share` must be at least half a photograph"),
        ({"any_share": 1.5}, "`any_share` must lie within"),
        ({"deterministic": True, "steps": 0}, "Cannot use `deterministic` without `steps`"),
        ({"learning_rate": 0.0}, "`learning_rate` must lie within"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        TrainingConfig().replace(**options)


def test_crops_grow_with_the_training():
    config = TrainingConfig(crops="128,160,224")
    assert [config.crop_side(share) for share in (0.0, 0.3, 0.5, 0.9, 1.0)] == [
        128, 128, 160, 224, 224,
    ]  # fmt: skip
    assert TrainingConfig(crops="96").crop_side(0.99) == 96
