"""The objective, compared with float64 goldens and a float64 program."""

import json
import sys

import numpy as np
import pytest
import reference
import tensorflow as tf
from golden_numbers import (
    check_total_and_gradient,
    golden_numbers,
    pictures_of,
    preset_pictures,
)
from units import PAPER

from tf_style.config import loss as loss_options
from tf_style.config import presets, style_config
from tf_style.export.tensor_names import named_targets
from tf_style.losses import kernels, quantiles
from tf_style.losses.style import STYLE_LOSSES
from tf_style.network import weights
from tf_style.network.extractor import build_extractor
from tf_style.objective.loss import loss_terms
from tf_style.objective.objective import Objective
from tf_style.objective.targets import (
    RegionTargets,
    Targets,
    blended_targets,
    style_statistics,
    style_targets,
)

PRESET_TOTALS = golden_numbers("presets.json")
GOLDENS = golden_numbers("vgg19_8bit.json")
STYLE_LAYERS = [f"block{block}_conv1" for block in range(1, 6)]


def make(layers, pooling="avg", **options):
    options = {"padding": "zeros", **options}
    return build(layers, style_config.StyleConfig().replace(pooling=pooling, **options))


def build(layers, style_config):
    loss, network = style_config.loss, style_config.network
    options = {"pooling": network.pooling, "padding": network.padding}
    return Objective(build_extractor(layers, layers=loss.layers, **options), loss)


@pytest.mark.weights
@pytest.mark.parametrize("name", GOLDENS)
def test_the_real_network_agrees_with_the_float64_goldens(name, real_layers):
    golden, layers = GOLDENS[name], real_layers
    if golden["normalized"]:
        layers = weights.normalize(layers, weights.mean_activations())
    objective = make(
        layers,
        golden["pooling"],
        style_weight=1000.0,
        style_layers=",".join(STYLE_LAYERS),
        tv_weight=0.0,
        content_reduction="sum",
        **PAPER,
    )
    image, content, style = map(tf.constant, pictures_of(golden))
    targets = objective.targets(content, style)
    terms = objective.terms(image, targets)
    assert float(terms.layers["content/block4_conv2"]) == pytest.approx(
        golden["content_loss"], rel=1e-4
    )
    for layer, expected in zip(STYLE_LAYERS, golden["style_losses"], strict=True):
        assert float(terms.layers[f"style/{layer}"]) == pytest.approx(expected, rel=1e-4)
    check_total_and_gradient(golden, *objective.value_and_gradient(image, targets))


@pytest.mark.weights
@pytest.mark.parametrize("name", presets.PRESETS)
def test_every_presets_loss_agrees_with_the_float64_goldens(name, real_layers, eagerly):
    image, content, style = map(tf.constant, preset_pictures())
    preset, layers = style_config.preset(name), real_layers
    if preset.network.normalized:
        layers = weights.normalize(layers, weights.mean_activations())
    objective = build(layers, preset)
    total = objective.terms(image, objective.targets(content, style)).total
    assert float(total) == pytest.approx(PRESET_TOTALS[name], rel=1e-4)


@pytest.mark.parametrize("name", presets.PRESETS)
def test_every_presets_loss_and_gradient_agree_with_the_float64_program(name, mini_layers, rng):
    preset = style_config.preset(name)
    image, content = rng.uniform(size=(2, 1, 36, 40, 3)).astype("float32")
    style = rng.uniform(size=(1, 33, 42, 3)).astype("float32")
    objective = build(mini_layers, preset)
    targets = objective.targets(tf.constant(content), tf.constant(style))
    total, gradient = objective.value_and_gradient(tf.constant(image), targets)

    def truth(picture):
        options = preset.to_dict()
        return reference.total_loss(picture, content, style, mini_layers, options)

    assert float(total) == pytest.approx(truth(image), rel=1e-4)
    gradient = gradient.numpy().astype(np.float64)
    for _ in range(2):
        # Partly along the gradient, so that the slope is not the difference of near-equal numbers.
        direction = rng.normal(size=image.shape) + gradient / np.sqrt((gradient**2).mean())
        slope = np.vdot(gradient, direction)
        ahead, behind = (truth(image + h * direction) for h in (1e-7, -1e-7))
        assert slope == pytest.approx((ahead - behind) / 2e-7, rel=1e-3)


@pytest.mark.parametrize("pooling", ["avg", "max"])
def test_losses_and_gradient_agree_with_the_float64_program(pooling, mini_layers, rng):
    image, content = rng.uniform(size=(2, 1, 33, 47, 3)).astype("float32")
    style = rng.uniform(size=(1, 28, 40, 3)).astype("float32")
    options = {"content_layer": "block4_conv2", "style_layers": STYLE_LAYERS}
    content_loss, style_losses, total, gradient = reference.objective(
        image, content, style, mini_layers, alpha=2.0, beta=0.5, pooling=pooling, **options
    )
    objective = make(
        mini_layers,
        pooling,
        content_weight=2.0,
        style_weight=0.5,
        style_layers=",".join(STYLE_LAYERS),
        tv_weight=0.0,
        content_reduction="sum",
        **PAPER,
    )
    targets = objective.targets(tf.constant(content), tf.constant(style))
    terms = objective.terms(tf.constant(image), targets)
    found, found_gradient = objective.value_and_gradient(tf.constant(image), targets)
    assert float(terms.content) == pytest.approx(2.0 * content_loss, rel=1e-4)
    assert float(terms.style) == pytest.approx(0.5 * np.mean(style_losses), rel=1e-4)
    assert float(found) == pytest.approx(total, rel=1e-4)
    difference = np.linalg.norm(found_gradient - gradient)
    assert difference <= 1e-4 * np.linalg.norm(gradient)


def test_the_gradient_agrees_with_central_differences_of_the_float64_program(mini_layers, rng):
    image, content, style = rng.uniform(size=(3, 1, 24, 25, 3))
    options = {"content_layer": "block4_conv2", "style_layers": STYLE_LAYERS}
    options |= {"alpha": 1.0, "beta": 1.0, "pooling": "avg"}
    gradient = reference.objective(image, content, style, mini_layers, **options)[3]
    for _ in range(3):
        direction = rng.normal(size=image.shape)
        ahead, behind = (
            reference.objective(image + h * direction, content, style, mini_layers, **options)[2]
            for h in (1e-6, -1e-6)
        )
        assert np.vdot(gradient, direction) == pytest.approx((ahead - behind) / 2e-6, rel=1e-4)


def test_every_layer_has_its_own_weight(mini_layers, rng):
    image, content, style = (
        tf.constant(rng.uniform(size=(1, 20, 24, 3)).astype("float32")) for _ in range(3)
    )
    content_layers = {"block3_conv1": 0.7, "block4_conv2": 0.2}
    style_layers = {"block1_conv1": 3.0, "block2_conv2": 0.5, "block5_conv1": 1.5}

    def gradient(contents, styles, alpha, beta):
        objective = make(
            mini_layers,
            content_layers=contents,
            style_layers=styles,
            content_weight=alpha,
            style_weight=beta,
            tv_weight=0.0,
            content_power=1.0,
        )
        return objective.value_and_gradient(image, objective.targets(content, style))

    total, whole = gradient(content_layers, style_layers, 2.0, 5.0)
    parts = [
        (2.0 * weight, gradient({name: 1.0}, {"block1_conv1": 1.0}, 1.0, 0.0))
        for name, weight in content_layers.items()
    ]
    parts += [
        (5.0 * weight, gradient({"block1_conv1": 1.0}, {name: 1.0}, 0.0, 1.0))
        for name, weight in style_layers.items()
    ]
    expected = sum(factor * float(value) for factor, (value, _) in parts)
    assert float(total) == pytest.approx(expected, rel=1e-5)
    summed = sum(factor * slope.numpy() for factor, (_, slope) in parts)
    assert np.linalg.norm(whole - summed) <= 1e-5 * np.linalg.norm(summed)


def test_the_total_is_the_sum_of_its_weighted_parts(mini_layers, rng):
    objective = make(mini_layers, tv_weight=3.0, content_weight=2.0, style_weight=5.0)
    image, content = (
        tf.constant(rng.uniform(size=(1, 20, 20, 3)).astype("float32")) for _ in range(2)
    )
    terms = objective.terms(image, objective.targets(content, content))
    weights = (0.35, 0.3, 0.2, 0.1, 0.05)
    style = sum(
        weight * float(terms.layers[f"style/{name}"])
        for name, weight in zip(STYLE_LAYERS, weights, strict=True)
    )
    assert float(terms.style) == pytest.approx(5.0 * style, rel=1e-5)
    content = (2.0 * float(terms.content)) ** 0.25  # From 2 C**4 / 4.
    assert content == pytest.approx(float(terms.layers["content/block4_conv2"]), rel=1e-6)
    assert float(terms.variation) > 0
    assert float(terms.total) == pytest.approx(
        float(terms.content) + float(terms.style) + float(terms.variation), rel=1e-6
    )


def test_the_gradient_is_traced_twice_for_any_number_of_sizes(mini_layers):
    objective = make(mini_layers)
    for side in (20, 24, 20, 28, 32):
        image = tf.random.stateless_uniform((1, side, side, 3), [side, 1])
        targets = objective.targets(image, image)
        objective.value_and_gradient(image * 0.5, targets)
        objective.terms(image * 0.5, targets)
    assert objective._graph_of_terms.experimental_get_tracing_count() == 2
    assert objective._graph_of_gradient.experimental_get_tracing_count() == 2
    assert objective._graph_of_targets.experimental_get_tracing_count() == 1


def test_an_extractor_without_the_layers_is_refused(mini_layers):
    extractor = build_extractor(mini_layers, layers=["conv1_1"])
    with pytest.raises(ValueError, match="must give every layer of the config"):
        Objective(extractor, loss_options.LossConfig())


def test_the_goldens_file_is_small():
    assert sys.getsizeof(json.dumps(GOLDENS)) < 20_000


@pytest.mark.parametrize(("options", "factor"), [({}, 4.0), (PAPER, 2.0)], ids=["default", "paper"])
def test_style_strength_multiplies_the_style_loss_alone(options, factor, mini_layers, rng):
    image, content, style = map(tf.constant, rng.uniform(size=(3, 1, 24, 25, 3)).astype("float32"))

    def terms(**strength):
        objective = make(mini_layers, style_weight=3.0, **options, **strength)
        return objective.terms(image, objective.targets(content, style))

    plain, doubled = terms(), terms(style_strength=2.0)
    assert float(doubled.style) == pytest.approx(factor * float(plain.style), rel=1e-5)
    assert float(doubled.content) == pytest.approx(float(plain.content), rel=1e-5)
    assert float(doubled.variation) == pytest.approx(float(plain.variation), rel=1e-5)


def layer_truth(features, style_features, style_losses, weights, style_weights):
    """Returns style losses by layer, from features `[h, w, c]` and weights `[h, w]` by layer."""
    return {
        layer: reference.layer_style_loss(
            name,
            features[layer],
            style_features[layer],
            weights[layer].ravel(),
            style_weights[layer].ravel(),
            frequencies=kernels.frequencies(features[layer].shape[-1]),
            directions=quantiles.directions(features[layer].shape[-1]),
            num_bins=quantiles.NUM_BINS,
        )
        for layer, name in style_losses.items()
    }


@pytest.mark.parametrize(
    "names",
    [
        "gram,conv4_1:sliced",
        "conv2_1:covariance,mean_std,conv5_1:histogram",
        "conv3_1:mmd_linear,conv4_1:mmd_polynomial,mmd_gaussian",
    ],
)
def test_every_layer_has_its_chosen_loss_with_and_without_guides(names, mini_layers, rng):
    loss = loss_options.LossConfig(
        style_loss=names,
        style_layers="conv2_1:0.5,conv3_1:2,conv4_1:1,conv5_1:3",
        tv_weight=0.0,
        **PAPER,
    )
    image, style = rng.uniform(size=(1, 33, 37, 3)), rng.uniform(size=(1, 32, 38, 3))
    features, style_features = (
        reference.forward(picture, mini_layers, "block5_conv1", "avg")[0]
        for picture in (image, style)
    )
    extractor = build_extractor(mini_layers, layers=loss.layers, padding="zeros")
    found, style_found = (
        extractor(tf.constant(picture.astype("float32"))) for picture in (image, style)
    )
    guided = ["block2_conv1", "block4_conv1"]  # The other layers have all ones.
    weights, style_weights = (
        {layer: np.ones(of[layer].shape[:2]) for layer in loss.style_losses}
        for of in (features, style_features)
    )
    for of in (weights, style_weights):
        for layer in guided:
            of[layer] = rng.uniform(size=of[layer].shape)
            of[layer] /= of[layer].mean()
    guides, style_guides = (
        {layer: tf.constant(of[layer][None, :, :, None], tf.float32) for layer in guided}
        for of in (weights, style_weights)
    )
    region = RegionTargets(style_targets(loss, style_found, guides=style_guides), guides)
    targets = Targets({}, {}, (region,))
    terms = loss_terms(loss, tf.constant(image, tf.float32), found, targets)
    expected = layer_truth(features, style_features, loss.style_losses, weights, style_weights)
    for layer, value in expected.items():
        assert float(terms.layers[f"style/{layer}"]) == pytest.approx(value, rel=1e-3)
    total = sum(weight * expected[layer] for layer, weight in loss.style_layers)
    assert float(terms.style) == pytest.approx(loss.style_weight * total, rel=1e-3)


def test_objectives_of_every_loss_go_through_graphs_and_named_targets(mini_layers, rng):
    image, content, style = map(tf.constant, rng.uniform(size=(3, 1, 20, 24, 3)).astype("float32"))
    for name in STYLE_LOSSES:
        objective = make(
            mini_layers,
            style_loss=name,
            content_reduction="self_similarity",
            content_layers="conv2_1",
            style_layers="conv1_1,conv2_1",
        )
        targets = objective.targets(content, style)
        assert named_targets(targets).keys() >= {"content_block2_conv1"}
        value, gradient = objective.value_and_gradient(image, targets)
        assert np.isfinite(float(value)) and float(tf.norm(gradient)) > 0.0
        nearer = objective.terms(style, objective.targets(content, style)).style
        assert float(nearer) <= 0.01 * float(objective.terms(image, targets).style)


def test_blended_targets_are_those_of_each_layers_loss(mini_layers, rng):
    loss = loss_options.LossConfig(
        style_layers="conv1_1,conv2_1", style_loss="gram,conv2_1:histogram"
    )
    extractor = build_extractor(mini_layers, layers=loss.layers)
    one, other = (
        style_statistics(loss, extractor(tf.constant(picture)))
        for picture in rng.uniform(size=(2, 1, 20, 24, 3)).astype("float32")
    )
    found = blended_targets(loss, [one, other], [0.25, 0.75])
    for layer in loss.style_losses:
        expected = 0.25 * one[layer] + 0.75 * other[layer]
        np.testing.assert_allclose(found[layer], expected, rtol=1e-6)


@pytest.mark.parametrize("style_loss", STYLE_LOSSES)
def test_a_batch_has_the_losses_and_gradients_of_its_images(style_loss, mini_layers, rng, eagerly):
    objective = make(
        mini_layers,
        style_loss=style_loss,
        content_layers="conv2_2",
        style_layers="conv1_1,conv2_1",
        edge_weight=0.3,
    )
    images, contents, styles = (
        tf.constant(rng.random((3, 20, 24, 3)), tf.float32) for _ in range(3)
    )
    together = objective.targets(contents, styles)
    values, gradients = objective.value_and_gradient(images, together, per_sample=True)
    terms = objective.terms(images, together, per_sample=True)
    assert values.shape == terms.style.shape == (3,)
    for row in range(3):
        one = slice(row, row + 1)
        targets = objective.targets(contents[one], styles[one])
        value, gradient = objective.value_and_gradient(images[one], targets)
        assert float(values[row]) == pytest.approx(float(value), rel=1e-5)
        largest = float(tf.reduce_max(tf.abs(gradient)))
        np.testing.assert_allclose(gradients[row], gradient[0], atol=1e-5 * largest)
        alone = objective.terms(images[one], targets)
        for name in ("content", "style", "variation"):
            expected = float(getattr(alone, name))
            assert float(getattr(terms, name)[row]) == pytest.approx(expected, rel=1e-5)


def test_images_that_do_not_fit_their_targets_are_refused(mini_layers, rng):
    objective = make(mini_layers)
    images = tf.constant(rng.random((3, 32, 32, 3)), tf.float32)
    targets = objective.targets(images[:1], images[:1])
    for function in (objective.terms, objective.value_and_gradient):
        with pytest.raises(ValueError, match="`image` must be one image, a batch of 1. Received"):
            function(images, targets)
        with pytest.raises(ValueError, match="must have the size of the content of `targets`"):
            function(images[:1, :16], targets)
        with pytest.raises(ValueError, match="must be of floats, RGB 0..1. Received: dtype=uint8"):
            function(tf.cast(images[:1], tf.uint8), targets)
        with pytest.raises(ValueError, match="targets of 2 pictures for a batch of 3"):
            function(images, objective.targets(images[:2], images[:2]), per_sample=True)
        with pytest.raises(ValueError, match="targets of 3 pictures for a batch of 1"):
            function(images[:1], objective.targets(images[:1], images))
    with pytest.raises(ValueError, match="`style` must be one picture, or one for each content"):
        objective.targets(images, images[:2])
    for function in (objective.features, lambda image: objective.targets(image, images)):
        with pytest.raises(ValueError, match="must be of floats, RGB 0..1. Received: dtype=uint8"):
            function(tf.cast(images, tf.uint8))
    with pytest.raises(TypeError, match="`targets` must come from `Objective.targets`. Received"):
        objective.terms(images[:1], None)
    with pytest.raises(TypeError, match="`config` must be a LossConfig. Received: StyleConfig. Of"):
        Objective(objective.extractor, style_config.StyleConfig())
    doubles = rng.random((1, 32, 32, 3))
    found = objective.terms(doubles, objective.targets(doubles, doubles)).total
    assert found.dtype == tf.float32
