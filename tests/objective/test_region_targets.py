"""Several styles, and regions with their own styles."""

import numpy as np
import pytest
import tensorflow as tf
from units import PAPER

import tf_style
from tf_style.config.loss import MASK_MODES
from tf_style.engine import graph_stages
from tf_style.engine.assembly import load_problem
from tf_style.engine.parametrization import PARAMETRIZATIONS
from tf_style.engine.pictures import pictures_of
from tf_style.engine.problem import Problem
from tf_style.inputs.control_pictures import ControlPictures
from tf_style.inputs.preparation import prepare_inputs
from tf_style.network.extractor import make_extractor
from tf_style.objective.loss import by_name
from tf_style.objective.region_targets import controlled_targets
from tf_style.transfer import painting

pytestmark = pytest.mark.usefixtures("mini_network")

SIZE = (48, 60)
LEFT = np.zeros([*SIZE, 1], np.uint8)
LEFT[:, :30] = 255
RIGHT = 255 - LEFT
WHOLE = np.full_like(LEFT, 255)


def picture(seed, size=SIZE):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


CONTENT, STYLE, OTHER = picture(1), picture(2, (40, 44)), picture(3, (52, 36)) // 3


def settings(**options):
    return tf_style.StyleConfig(size=0).replace(**{"style_size": 44, **options})


_OBJECTIVES = {}


def objective_of(config, layers):
    """Returns the objective of a config; tests share it because tracing takes seconds."""
    recipe = config.network, config.loss
    if recipe not in _OBJECTIVES:
        extractor = make_extractor(layers, config.network, layers=config.loss.layers)
        _OBJECTIVES[recipe] = tf_style.Objective(extractor, config.loss)
    return _OBJECTIVES[recipe]


def targets_of(config, layers, styles, **masks):
    """Returns the objective and the targets."""
    pictures = pictures_of(prepare_inputs(CONTENT, styles, config, ControlPictures(**masks)))
    objective = objective_of(config, layers)
    return objective, controlled_targets(
        objective, pictures.content, pictures.styles, pictures.controls
    )


@pytest.fixture
def image():
    return tf.constant(picture(4)[np.newaxis] / np.float32(255))


def distance(found, expected):
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


@pytest.mark.parametrize("mode", MASK_MODES)
@pytest.mark.parametrize("style_loss", ["gram", "wasserstein"])
def test_a_mask_of_all_ones_changes_nothing(mode, style_loss, mini_layers, image, eagerly):
    config = settings(mask_mode=mode, style_loss=style_loss)
    plain, targets = targets_of(settings(style_loss=style_loss), mini_layers, STYLE)
    guided, of_regions = targets_of(config, mini_layers, STYLE, content_masks=[WHOLE])
    expected, slope = plain.value_and_gradient(image, targets)
    found, gradient = guided.value_and_gradient(image, of_regions)
    assert float(found) == pytest.approx(float(expected), rel=1e-6)
    limit = {"gram": 1e-6, "wasserstein": 1e-3}[style_loss]  # Roots of small variances.
    assert distance(gradient, slope) <= limit


def test_styles_are_blended_by_their_gram_matrices(mini_layers, eagerly):
    config = settings(style_blend="3,1")
    objective, targets = targets_of(config, mini_layers, [STYLE, OTHER])
    grams = []
    for style in prepare_inputs(CONTENT, [STYLE, OTHER], config).styles:
        features = objective.extractor(style)
        grams.append(
            {
                name: np.einsum("bhwc,bhwd->bcd", *2 * [np.float64(features[name])])
                / np.prod(features[name].shape[1:3])
                for name in targets.style
            }
        )
    for name, found in targets.style.items():
        expected = 0.75 * grams[0][name] + 0.25 * grams[1][name]
        assert distance(found, expected) <= 1e-5


def test_a_style_at_several_scales_is_their_mean(mini_layers, eagerly):
    config = settings(style_scales="1,0.5")
    objective, targets = targets_of(config, mini_layers, STYLE)
    each = [targets_of(settings(style_size=size), mini_layers, STYLE)[1].style for size in (44, 22)]
    for name, found in targets.style.items():
        expected = 0.5 * (np.float64(each[0][name]) + np.float64(each[1][name]))
        assert distance(found, expected) <= 1e-5


def test_the_loss_of_regions_is_that_of_a_loop_over_positions(mini_layers, image, eagerly):
    config = settings(
        style_layers="conv1_1:0.5,conv3_1:2", region_strengths="1,3", tv_weight=0.0, **PAPER
    )
    soft = picture(9)[..., :1]
    masks = [WHOLE - soft, soft]
    style_masks = [picture(10, (40, 44))[..., :1], picture(11, (40, 44))[..., :1]]
    objective, targets = targets_of(
        config, mini_layers, STYLE, content_masks=masks, style_masks=style_masks
    )
    found = by_name(objective.terms(image, targets))
    style = prepare_inputs(CONTENT, STYLE, settings()).styles[0]

    def gram(features, mask, side):
        """Returns the Gram matrix weighted by T**2 over its mean, T averaged over pooled blocks."""
        height, width, channels = features.shape
        total, squares = np.zeros([channels, channels]), 0.0
        for row in range(height):
            for column in range(width):
                block = mask[row * side : (row + 1) * side, column * side : (column + 1) * side]
                weight = np.mean(block / 255.0) ** 2
                total += weight * np.outer(features[row, column], features[row, column])
                squares += weight
        return total / squares

    expected = 0.0
    for name, weight in (("block1_conv1", 0.5), ("block3_conv1", 2.0)):
        side = 2 ** (int(name[5]) - 1)
        ours = np.float64(objective.extractor(image)[name][0])
        theirs = np.float64(objective.extractor(style)[name][0])
        layer = 0.0
        for mask, other, strength in zip(masks, style_masks, (1.0, 3.0), strict=True):
            share = np.mean((mask / 255.0) ** 2)
            gap = gram(ours, mask[..., 0], side) - gram(theirs, other[..., 0], side)
            layer += strength * share * np.sum(gap**2) / (4.0 * ours.shape[-1] ** 2)
        assert found[f"style/{name}"] == pytest.approx(layer, rel=1e-4)
        expected += weight * layer
    assert found["style"] == pytest.approx(config.loss.style_weight * expected, rel=1e-4)


def test_a_region_has_no_gradient_outside_its_receptive_field(mini_layers, image, eagerly):
    config = settings(content_weight=0.0, tv_weight=0.0, style_layers="conv1_1,conv2_1")
    objective, targets = targets_of(config, mini_layers, STYLE, content_masks=[LEFT])
    gradient = objective.value_and_gradient(image, targets)[1].numpy()[0]
    # conv2_1 sees at most 5 px to each side: 1 + 1 px of conv1, the pooling, and 2 px of its own.
    assert np.all(gradient[:, 36:] == 0.0)
    assert np.all(np.abs(gradient[:, :30]).max(-1) > 0.0)


@pytest.mark.parametrize("mode", MASK_MODES)
def test_two_halves_with_one_style_change_only_their_seam(mode, mini_layers, eagerly):
    side, seam = 96, 24  # conv3_1 sees 12 px on each side.
    half, noise = (np.repeat(picture(seed, (side, side // 3)), 3, 1) for seed in (5, 6))
    content, image = (np.concatenate([each, each], 1) for each in (half, noise))
    image = tf.constant(image[np.newaxis] / np.float32(255))
    left = np.zeros([side, 2 * side, 1], np.uint8)
    left[:, :side] = 255
    config = settings(
        mask_mode=mode, style_layers="conv1_1,conv2_1,conv3_1", tv_weight=0.0, **PAPER
    )
    objective = objective_of(config, mini_layers)

    def gradient(styles, *, config=config, **masks):
        controls = ControlPictures(**masks)
        pictures = pictures_of(prepare_inputs(content, styles, config, controls))
        targets = controlled_targets(
            objective, pictures.content, pictures.styles, pictures.controls
        )
        slope = objective.value_and_gradient(image, targets)[1].numpy()
        return np.concatenate(
            [slope[:, :, seam : side - seam], slope[:, :, side + seam : -seam]], 2
        )

    plain = gradient(STYLE, config=config.replace(mask_mode="simple"))
    halves = {"content_masks": [left, 255 - left]}
    assert distance(gradient(STYLE, **halves), plain) <= 0.03
    assert distance(gradient([STYLE, STYLE], **halves), plain) <= 0.03
    assert distance(gradient([STYLE, OTHER], **halves), plain) > 0.2


def test_the_order_of_regions_does_not_matter(mini_layers, image, eagerly):
    config = settings()
    pairs = [([LEFT, RIGHT], [STYLE, OTHER]), ([RIGHT, LEFT], [OTHER, STYLE])]
    values = []
    for masks, styles in pairs:
        objective, targets = targets_of(config, mini_layers, styles, content_masks=masks)
        values.append(float(objective.value_and_gradient(image, targets)[0]))
    assert values[0] == pytest.approx(values[1], rel=1e-6)


def test_the_content_map_weights_the_content_loss(mini_layers, image, eagerly):
    config = settings(content_map_gain=7.0)
    objective, targets = targets_of(config, mini_layers, STYLE, content_map=LEFT)
    _, plain = targets_of(settings(), mini_layers, STYLE)
    found = by_name(objective.terms(image, targets))["content/block4_conv2"]
    ours = np.float64(objective.extractor(image)["block4_conv2"])
    gaps = (ours - np.float64(plain.content["block4_conv2"])) ** 2
    weights = (1.0 + 6.0 * (LEFT / 255.0))[:48, :56].reshape(6, 8, 7, 8, 1).mean((1, 3))
    variance = np.var(np.float64(plain.content["block4_conv2"]))
    assert found == pytest.approx(np.mean(weights * gaps[0]) / variance, rel=1e-5)


def test_the_gradient_of_regions_agrees_with_finite_differences(mini_layers, rng):
    config = settings(tv_weight=0.0, style_layers="conv1_1,conv2_1", content_layers="conv2_2")
    problem = Problem(objective_of(config, mini_layers), PARAMETRIZATIONS["pixels"], gamut=False)
    inputs = prepare_inputs(
        CONTENT, [STYLE, OTHER], config, ControlPictures([LEFT // 2 + 60, picture(5)[..., :1]])
    )
    here = problem.at(pictures_of(inputs))
    position = here.start + tf.constant(rng.normal(0, 0.1, here.start.shape), tf.float32)
    _, gradient = problem.value_and_gradient(position, here.data)
    for _ in range(3):
        # Partly uphill: for values of 1e9, float32 resolves only large differences.
        direction = gradient / tf.math.reduce_std(gradient)
        direction += rng.normal(size=here.start.shape).astype(np.float32)
        values = [
            float(problem.value_and_gradient(position + step * direction, here.data)[0])
            for step in (1e-3, -1e-3)
        ]
        slope = (values[0] - values[1]) / 2e-3
        assert np.sum(gradient * direction) == pytest.approx(slope, rel=1e-2)  # ReLUs change sides.


@pytest.mark.parametrize(
    ("optimizer", "scales"),
    # The graph of TFP is traced for each size, which takes seconds.
    [("lbfgs", "0.5:2,1:3"), ("tfp_lbfgs", "1:3"), ("adam", "0.5:2,1:3")],
)
def test_what_no_mask_covers_is_the_content_to_the_bit(optimizer, scales):
    config = settings(optimizer=optimizer, scales=scales, history=4)
    result = tf_style.stylize(CONTENT, STYLE, config=config, content_masks=[LEFT])
    np.testing.assert_array_equal(result.pixels[:, 30:], CONTENT[:, 30:])
    assert np.mean(result.pixels[:, :30] != CONTENT[:, :30]) > 0.5


def test_regions_of_strength_0_stay_untouched_and_others_are_painted():
    config = settings(scales="none", steps=3, region_strengths="0,1")
    result = tf_style.stylize(CONTENT, STYLE, config=config, content_masks=[LEFT, RIGHT])
    np.testing.assert_array_equal(result.pixels[:, :30], CONTENT[:, :30])
    assert np.mean(result.pixels[:, 30:] != CONTENT[:, 30:]) > 0.5


def test_the_graph_makes_the_same_picture():
    # With Adam: graphs of line searches take seconds; tests/engine/test_graph_stages.py has them.
    config = settings(optimizer="adam", scales="0.5:2,1:3")
    styles, masks = [STYLE, OTHER], [LEFT, RIGHT]
    pictures = pictures_of(prepare_inputs(CONTENT, styles, config, ControlPictures(masks)))
    problem, _ = load_problem(config)
    graph = tf.function(
        lambda: graph_stages.stylize_in_graph(problem, pictures, config), autograph=False
    )
    expected = tf_style.stylize(CONTENT, styles, config=config, content_masks=masks)
    np.testing.assert_allclose(graph().image, expected.image, atol=1e-3)


def test_fine_texture_comes_from_one_style_and_structure_from_the_other(mini_layers):
    config = settings(steps=12, history=5, tv_weight=0.0)
    pictures = ControlPictures(fine_style=OTHER)
    inputs = prepare_inputs(CONTENT, STYLE, config, pictures)
    textured = painting.with_fine_texture(inputs, config).inputs
    assert textured.fine_style is None
    objective = objective_of(config, mini_layers)
    before, after, fine = (
        objective.targets(inputs.content, image).style
        for image in (inputs.styles[0], textured.styles[0], inputs.fine_style)
    )
    for layer in ("block1_conv1", "block2_conv1"):
        assert distance(after[layer], fine[layer]) < 0.5 * distance(before[layer], fine[layer])
    assert textured.styles[0].shape == inputs.styles[0].shape


def test_the_edge_weight_preserves_edges(mini_layers):
    config = settings(scales="none", steps=6, history=4)
    gaps = []
    for weight in (0.0, 1e12):
        edged = config.replace(edge_weight=weight)
        result = tf_style.stylize(CONTENT, STYLE, config=edged)
        blocks = [
            np.float64(pixels).reshape(12, 4, 15, 4, 3).mean((1, 3))
            for pixels in (255.0 * result.image[0], CONTENT)
        ]
        gap = blocks[0] - blocks[1]
        around = gap[:-2, 1:-1] + gap[2:, 1:-1] + gap[1:-1, :-2] + gap[1:-1, 2:]
        inner = 4 * gap[1:-1, 1:-1] - around
        gaps.append(np.mean(inner**2))
        assert ("content/laplacian" in result.terms) == (weight > 0)
    assert gaps[1] < 0.2 * gaps[0]


def test_each_region_has_its_own_color_rule():
    config = settings(color="match,luminance", scales="none", steps=3)
    inputs = prepare_inputs(CONTENT, STYLE, config, ControlPictures([LEFT, RIGHT]))
    assert len(inputs.styles) == 2
    matched, light = (np.float64(style.reshape(-1, 3)) for style in inputs.styles)
    left = np.float64(CONTENT[:, :30].reshape(-1, 3)) / 255.0
    # Noise of 0..255 fills the range, so the match is clipped to 0..1.
    np.testing.assert_allclose(matched.mean(0), left.mean(0), atol=0.02)
    assert np.ptp(light, axis=-1).max() == 0.0
    np.testing.assert_array_equal(inputs.regions.blend, np.eye(2))
    np.testing.assert_array_equal(inputs.content[0, :, :30], np.float32(CONTENT[:, :30]) / 255)
    assert np.ptp(inputs.content[0, :, 30:], axis=-1).max() <= 1e-6


def test_the_result_takes_the_chroma_of_the_content_in_regions_with_that_rule():
    config = settings(color="style,content", scales="none", steps=3)
    result = tf_style.stylize(CONTENT, STYLE, config=config, content_masks=[LEFT, RIGHT])
    plain = tf_style.stylize(
        CONTENT, STYLE, config=config.replace(color="style"), content_masks=[LEFT, RIGHT]
    )
    np.testing.assert_allclose(result.image[:, :, :30], plain.image[:, :, :30], atol=1e-4)
    ours, theirs = (
        np.stack([image[..., 0] - image[..., 1], image[..., 2] - image[..., 1]], -1)
        for image in (np.float64(result.image[0, :, 30:]), CONTENT[:, 30:] / 255.0)
    )
    # Colors that would leave 0..1 are paler, of the same hue.
    inside = (result.image[0, :, 30:].min(-1) > 1e-3) & (result.image[0, :, 30:].max(-1) < 0.999)
    np.testing.assert_allclose(ours[inside], theirs[inside], atol=1e-5)
    assert inside.mean() > 0.2


def test_there_is_one_color_rule_or_one_for_each_region():
    with pytest.raises(ValueError, match="`color` must be one rule, or one for each region"):
        prepare_inputs(CONTENT, STYLE, settings(color="style,match"), ControlPictures([LEFT]))
    with pytest.raises(ValueError, match="`color` must be one of 'style'"):
        settings(color="style,color")


@pytest.mark.parametrize(
    ("options", "masks"), [({}, {"fine_style": OTHER}), ({"init": "style"}, {})]
)
def test_color_rules_by_region_are_refused_for_pictures_without_regions(options, masks):
    config = settings(color="style,match", **options)
    controls = ControlPictures([LEFT, RIGHT], **masks)
    with pytest.raises(ValueError, match="with a `color` for each region.*Use one rule"):
        prepare_inputs(CONTENT, STYLE, config, controls)
