"""Relative losses against closed forms, and their scales in blends, regions and tiles."""

import dataclasses

import numpy as np
import pytest
import reference
import tensorflow as tf

import tf_style
from tf_style.config.loss import LossConfig
from tf_style.network.extractor import build_extractor
from tf_style.objective.objective import Objective
from tf_style.objective.region_targets import Controls, controlled_targets
from tf_style.objective.scales import FLOOR, IMAGE, blended_scale
from tf_style.objective.targets import EDGES, Targets
from tf_style.objective.terms import TERMS
from tf_style.tiling.tiled_objective import TiledObjective
from tf_style.tiling.tiles import Tiling

LAYERS = {"style_layers": "conv1_1,conv2_1,conv3_1", "content_layers": "conv3_1"}


def make(layers, **options):
    config = LossConfig(**{**LAYERS, **options})
    return Objective(build_extractor(layers, layers=config.layers, padding="zeros"), config)


@pytest.fixture
def pictures(rng):
    """An image, its content, and a style of another size, float32."""
    sizes = ((36, 41), (36, 41), (30, 44))
    return [rng.uniform(size=(1, *size, 3)).astype(np.float32) for size in sizes]


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("power", [1.0, 2.0, 4.0])
def test_the_total_agrees_with_the_float64_program(reduction, power, pictures, mini_layers):
    options = {"content_reduction": reduction, "content_power": power, "style_strength": 2.0}
    objective = make(mini_layers, **options)
    image, content, style = map(tf.constant, pictures)
    terms = objective.terms(image, objective.targets(content, style))
    described = tf_style.StyleConfig().replace(padding="zeros", **LAYERS, **options).to_dict()
    expected = reference.total_loss(*pictures, mini_layers, described)
    assert float(terms.total) == pytest.approx(expected, rel=1e-4)


def test_a_relative_loss_is_0_at_its_target_and_1_where_nothing_is_reached(pictures, mini_layers):
    objective = make(mini_layers)
    _, content, style = map(tf.constant, pictures)
    at_content = objective.terms(content, objective.targets(content, style))
    assert float(at_content.layers["content/block3_conv1"]) == 0.0
    at_style = objective.terms(style, objective.targets(style, style))
    assert all(float(value) < 1e-8 for value in at_style.layers.values())
    # Features of 0 have Gram matrices of 0: every style loss is 1.
    config, targets = objective.config, objective.targets(content, style)
    zeros = {name: tf.zeros_like(value) for name, value in objective.features(content).items()}
    from tf_style.objective.loss import loss_terms

    nothing = loss_terms(config, content, zeros, targets)
    for layer, _ in config.style_layers:
        assert float(nothing.layers[f"style/{layer}"]) == pytest.approx(1.0, rel=1e-6)


def test_a_style_with_twice_the_contrast_weighs_the_same(mini_layers, pictures):
    """Without biases features double with the picture; the relative loss of a double does not."""
    bare = {name: (kernel, np.zeros_like(bias)) for name, (kernel, bias) in mini_layers.items()}
    objective = make(bare, tv_weight=0.0)
    mean = np.array([123.68, 116.779, 103.939], np.float32) / 255.0  # Subtracted by the network.
    image, content, style = (picture - mean for picture in pictures)

    def style_loss(unit):
        given = [tf.constant(mean + unit * picture) for picture in (image, content, style)]
        return float(objective.terms(given[0], objective.targets(*given[1:])).style)

    assert style_loss(2.0) == pytest.approx(style_loss(1.0), rel=1e-4)


def test_the_power_multiplies_the_gradient_of_the_content_by_its_loss(pictures, mini_layers):
    image, content, style = map(tf.constant, pictures)
    weights = {"style_weight": 0.0, "tv_weight": 0.0}
    plain, cubed = (make(mini_layers, content_power=power, **weights) for power in (1.0, 3.0))
    loss, gradient = plain.value_and_gradient(image, plain.targets(content, style))
    value, powered = cubed.value_and_gradient(image, cubed.targets(content, style))
    assert float(value) == pytest.approx(float(loss) ** 3 / 3, rel=1e-5)
    np.testing.assert_allclose(powered, float(loss) ** 2 * gradient, rtol=1e-4, atol=1e-7)


def test_total_variation_is_relative_to_the_paintings(pictures, mini_layers):
    objective = make(mini_layers, tv_weight=3.0)
    image, content, style = map(tf.constant, pictures)
    found = objective.terms(image, objective.targets(content, style))
    variations = [reference.variation(picture, "mean_square") for picture in pictures]
    assert float(found.variation) == pytest.approx(3.0 * variations[0] / variations[2], rel=1e-5)


def test_edges_are_relative_to_the_photographs(pictures, mini_layers):
    objective = make(mini_layers, edge_weight=0.5)
    _, content, style = map(tf.constant, pictures)
    flat = tf.fill(content.shape, 0.5)  # No edge is left.
    found = objective.terms(flat, objective.targets(content, style))
    assert float(found.layers[f"content/{EDGES}"]) == pytest.approx(1.0, rel=1e-5)


def test_a_smooth_photographs_edges_are_above_the_floor(mini_layers):
    """A soft portrait or an enlarged photograph: a wave of 60 px and a fifth of the range."""
    objective = make(mini_layers, edge_weight=0.5)
    rows = 0.5 + 0.1 * np.sin(np.arange(64) * 2.0 * np.pi / 60.0)
    smooth = tf.constant(np.tile(rows[None, :, None, None], (1, 1, 64, 3)), tf.float32)
    found = objective.terms(tf.fill(smooth.shape, 0.5), objective.targets(smooth, smooth))
    assert float(found.layers[f"content/{EDGES}"]) == pytest.approx(1.0, rel=1e-3)


def test_flat_pictures_have_finite_losses(mini_layers):
    objective = make(mini_layers, edge_weight=1.0)
    gray, black = tf.fill([1, 32, 32, 3], 0.5), tf.zeros([1, 32, 32, 3])
    targets = objective.targets(gray, black)
    assert float(targets.scales[IMAGE][0]) == 0.0
    value, gradient = objective.value_and_gradient(tf.fill([1, 32, 32, 3], 0.4), targets)
    assert np.isfinite(float(value)) and np.isfinite(gradient.numpy()).all()
    assert FLOOR > 0.0


def test_a_blend_has_the_weighted_scale_of_its_styles(pictures, mini_layers):
    objective = make(mini_layers)
    _, content, style = map(tf.constant, pictures)
    blend = tf.constant([[0.25, 0.75]])
    targets = controlled_targets(objective, content, (content, style), Controls(blend=blend))
    variations = [reference.variation(picture, "mean_square") for picture in pictures[1:]]
    expected = 0.25 * variations[0] + 0.75 * variations[1]
    assert float(targets.scales[IMAGE][0]) == pytest.approx(expected, rel=1e-5)
    assert blended_scale([{}, {}], [0.5, 0.5]) == {}


def test_tiles_have_the_scales_of_the_whole(pictures, mini_layers):
    objective = make(mini_layers, edge_weight=0.5)
    tiled = TiledObjective(objective, Tiling(("block2_pool",), (16,) * 2, 16))
    _, content, style = map(tf.constant, pictures)
    expected = objective.targets(content, style).scales
    found = tiled.targets(content, style).scales
    assert set(found) == set(expected) == {"block3_conv1", EDGES, IMAGE}
    for name, scale in expected.items():
        np.testing.assert_allclose(found[name], scale, rtol=1e-5)


def test_tiles_read_the_scale_of_the_sum_too(pictures, mini_layers):
    objective = make(mini_layers, content_reduction="sum")
    tiled = TiledObjective(objective, Tiling(("block2_pool",), (16,) * 2, 16, on_disk=True))
    _, content, style = map(tf.constant, pictures)
    expected = objective.targets(content, style).scales["block3_conv1"]
    found = tiled.targets(content, style).scales["block3_conv1"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("gain", [1.0, 30.0])
def test_the_content_pulls_as_hard_whatever_share_of_the_picture_is_painted(gain, mini_layers, rng):
    """A picture twice side by side, one half untouched, the other with the content's weight."""
    objective = make(mini_layers, tv_weight=0.0, style_weight=0.0)
    image, content, style = rng.uniform(size=(3, 1, 32, 32, 3)).astype(np.float32)
    double, other = np.concatenate([image, content], 2), np.concatenate([content, content], 2)
    half = tf.constant(
        np.concatenate([np.ones((1, 32, 32, 1)), np.zeros((1, 32, 32, 1))], 2), tf.float32
    )
    weights = tf.fill([1, 32, 64, 1], gain)
    controls = Controls(touched=half, content_map=weights)
    targets = controlled_targets(objective, tf.constant(other), (tf.constant(style),), controls)
    value, gradient = objective.value_and_gradient(tf.constant(double), targets)
    whole = objective.targets(tf.constant(content), tf.constant(style))
    expected, slope = objective.value_and_gradient(tf.constant(image), whole)
    # The content's variance differs a little where the halves meet, at the border of the layers.
    assert float(value) == pytest.approx(0.5 * gain * float(expected), rel=0.1)
    inner = gradient.numpy()[:, :, :16]
    wanted = 0.5 * gain * slope.numpy()[:, :, :16]
    assert np.linalg.norm(inner - wanted) <= 0.1 * np.linalg.norm(wanted)


def test_the_variation_of_regions_counts_by_their_areas(mini_layers, rng):
    objective = make(mini_layers)
    styles = rng.uniform(size=(2, 1, 32, 32, 3)).astype(np.float32) * [[[[[1.0]]]], [[[[0.2]]]]]
    first, second = (tf.constant(style, tf.float32) for style in styles)
    left = np.zeros((1, 32, 32, 1), np.float32)
    left[:, :, :8] = 1.0
    masks = tf.constant(np.concatenate([left, 1.0 - left], -1))
    controls = Controls(
        blend=tf.eye(2),
        strengths=tf.ones(2),
        content_masks=masks,
        style_masks=(tf.ones((1, 32, 32, 2)),) * 2,
    )
    targets = controlled_targets(objective, first, (first, second), controls)
    variations = [reference.variation(style, "mean_square") for style in styles]
    expected = 0.25 * variations[0] + 0.75 * variations[1]
    assert float(targets.scales[IMAGE][0]) == pytest.approx(expected, rel=1e-4)


def test_absolute_losses_have_no_scales(pictures, mini_layers):
    objective = make(mini_layers, relative_losses=False)
    _, content, style = map(tf.constant, pictures)
    assert objective.targets(content, style).scales == ()


def test_relative_losses_name_a_scale_that_is_missing(pictures, mini_layers):
    objective = make(mini_layers)
    image, content, style = map(tf.constant, pictures)
    targets = objective.targets(content, style)._replace(scales=())
    with pytest.raises(ValueError, match="`targets.scales` must hold 'block3_conv1'"):
        objective.terms(image, targets)


@pytest.mark.parametrize("name", sorted(TERMS))
def test_every_term_follows_the_option(name, pictures, mini_layers):
    """Absolute losses of every term, divided by the scales, are the relative ones."""
    objective = make(mini_layers, edge_weight=0.5)
    absolute = Objective(
        objective.extractor, dataclasses.replace(objective.config, relative_losses=False)
    )
    image, content, style = map(tf.constant, pictures)
    targets: Targets = objective.targets(content, style)
    relative_terms = objective.terms(image, targets)
    absolute_terms = absolute.terms(image, targets)
    if name == "variation":
        ratio = float(absolute_terms.variation) / float(relative_terms.variation)
        assert ratio == pytest.approx(float(targets.scales[IMAGE][0]), rel=1e-5)
        return
    keys = {
        "content": ["content/block3_conv1"],
        "edges": [f"content/{EDGES}"],
        "style": [f"style/{layer}" for layer, _ in objective.config.style_layers],
    }[name]
    for key in keys:
        layer = key.partition("/")[2]
        scale = (
            float(np.square(targets.style[layer]).mean()) / 4.0
            if name == "style"
            else float(targets.scales[layer][0])
        )
        ratio = float(absolute_terms.layers[key]) / float(relative_terms.layers[key])
        assert ratio == pytest.approx(scale, rel=1e-5)
