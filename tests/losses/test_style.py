"""Every style loss of the table, with and without a guide, against float64 loops and properties."""

import numpy as np
import pytest
import reference
import tensorflow as tf

from tf_style.config.loss import UNTILEABLE
from tf_style.losses import kernels, quantiles
from tf_style.losses.style import STYLE_LOSSES, weighted_sum

SHAPE, STYLE_SHAPE = (1, 4, 5, 3), (1, 6, 3, 3)


@pytest.fixture(params=STYLE_LOSSES)
def name(request):
    return request.param


@pytest.fixture(params=[False, True], ids=["all", "guided"])
def guided(request):
    return request.param


def guide_of(rng, shape):
    """Weights with mean 1, some of them 0."""
    weights = np.maximum(rng.normal(0.5, 0.6, size=(*shape[:3], 1)), 0.0)
    return weights / weights.mean()


def target_of(name, style, guide=None):
    style_loss = STYLE_LOSSES[name]
    return style_loss.target(style_loss.statistics(tf.constant(style), guide=guide))


def loss_of(name, image, style, *, guide=None, style_guide=None, per_sample=False):
    target = target_of(name, style, style_guide)
    image = tf.constant(image)
    return STYLE_LOSSES[name].loss(image, target, guide=guide, per_sample=per_sample)


def truth(name, image, style, weights, style_weights):
    return reference.layer_style_loss(
        name,
        image[0],
        style[0],
        weights.ravel(),
        style_weights.ravel(),
        frequencies=kernels.frequencies(image.shape[-1]),
        directions=quantiles.directions(image.shape[-1]),
        num_bins=quantiles.NUM_BINS,
    )


def pictures(rng, guided):
    image, style = rng.normal(size=SHAPE), 0.5 + 1.5 * rng.normal(size=STYLE_SHAPE)
    guides = [guide_of(rng, shape) for shape in (SHAPE, STYLE_SHAPE)] if guided else [None, None]
    return image, style, *guides


def test_values_agree_with_loops(name, guided, rng):
    image, style, guide, style_guide = pictures(rng, guided)
    found = loss_of(name, image, style, guide=guide, style_guide=style_guide)
    weights = [
        np.ones(shape[1:3]) if weights is None else weights
        for weights, shape in ((guide, SHAPE), (style_guide, STYLE_SHAPE))
    ]
    assert float(found) == pytest.approx(truth(name, image, style, *weights), rel=1e-9)


def test_gradients_agree_with_central_differences(name, guided, rng):
    image, style, guide, style_guide = pictures(rng, guided)
    target = target_of(name, style, style_guide)
    image = tf.constant(image)
    with tf.GradientTape() as tape:
        tape.watch(image)
        loss = STYLE_LOSSES[name].loss(image, target, guide=guide)
    gradient = tape.gradient(loss, image).numpy()
    for _ in range(3):
        # A component along the gradient keeps the slope from being a small difference.
        direction = rng.normal(size=image.shape) + gradient / np.sqrt((gradient**2).mean())
        ahead, behind = (
            float(STYLE_LOSSES[name].loss(image + h * direction, target, guide=guide))
            for h in (1e-6, -1e-6)
        )
        assert np.vdot(gradient, direction) == pytest.approx((ahead - behind) / 2e-6, rel=1e-6)


@pytest.mark.parametrize("size", [(16, 16), (32, 24), (17, 31)])
def test_gradients_agree_with_more_positions_than_shares(name, guided, size, rng):
    image = tf.constant(rng.normal(size=(1, *size, 3)))
    guide = guide_of(rng, image.shape) if guided else None
    target = target_of(name, rng.normal(size=(1, 20, 20, 3)))
    with tf.GradientTape() as tape:
        tape.watch(image)
        loss = STYLE_LOSSES[name].loss(image, target, guide=guide)
    gradient = tape.gradient(loss, image).numpy()
    direction = rng.normal(size=image.shape) + gradient / np.sqrt((gradient**2).mean())
    ahead, behind = (
        float(STYLE_LOSSES[name].loss(image + h * direction, target, guide=guide))
        for h in (1e-7, -1e-7)
    )
    assert np.vdot(gradient, direction) == pytest.approx((ahead - behind) / 2e-7, rel=1e-4)


def test_a_guide_of_ones_changes_nothing(name, rng):
    image, style = rng.normal(size=(2, 4, 5, 3)), rng.normal(size=STYLE_SHAPE)
    for guides in (1, 2):
        ones = np.ones((guides, 4, 5, 1))
        found = loss_of(name, image, style, guide=ones, per_sample=True)
        np.testing.assert_allclose(found, loss_of(name, image, style, per_sample=True), rtol=1e-9)


def test_a_guide_of_one_half_gives_the_loss_of_that_half(name, rng):
    image, style = rng.normal(size=(1, 6, 8, 3)), rng.normal(size=(1, 8, 5, 3))
    image[:, :, 4:] *= 3.0
    style[:, 4:] += 1.0
    guide, style_guide = np.zeros((1, 6, 8, 1)), np.zeros((1, 8, 5, 1))
    guide[:, :, :4] = style_guide[:, :4] = 2.0
    found = float(loss_of(name, image, style, guide=guide, style_guide=style_guide))
    alone = float(loss_of(name, image[:, :, :4], style[:, :4]))
    assert found == pytest.approx(alone, rel=1e-9)
    assert float(loss_of(name, image, style)) != pytest.approx(alone, rel=1e-2)


def test_repeated_pictures_have_the_loss_of_one(name, rng):
    image, style = rng.normal(size=SHAPE), rng.normal(size=STYLE_SHAPE)
    repeated = loss_of(name, np.tile(image, (1, 3, 5, 1)), np.tile(style, (1, 2, 1, 1)))
    assert float(repeated) == pytest.approx(float(loss_of(name, image, style)), rel=1e-9)


def test_the_loss_is_0_at_the_style_for_any_order_of_positions(name, rng):
    style = rng.normal(size=(1, 9, 8, 3))
    shuffled = style.reshape(1, 72, 3)[:, rng.permutation(72)].reshape(1, 12, 6, 3)
    near, far = loss_of(name, shuffled, style), loss_of(name, 1.1 * style, style)
    assert abs(float(near)) < 1e-9 < float(far)


def test_losses_per_sample_add_up(name, guided, rng):
    images, style = rng.normal(size=(3, 4, 5, 3)), rng.normal(size=STYLE_SHAPE)
    guide = guide_of(rng, images.shape) / 1.0 if guided else None
    found = loss_of(name, images, style, guide=guide, per_sample=True)
    alone = [
        float(loss_of(name, images[[i]], style, guide=guide[[i]] if guided else None))
        for i in range(3)
    ]
    np.testing.assert_allclose(found, alone, rtol=1e-9)
    assert float(loss_of(name, images, style, guide=guide)) == pytest.approx(sum(alone), rel=1e-9)


def test_a_batch_of_styles_has_a_target_for_each_sample(name, rng):
    images, styles = rng.normal(size=(3, 4, 5, 3)), rng.normal(size=(3, 6, 3, 3))
    styles *= np.array([1.0, 5.0, 0.1])[:, None, None, None]
    found = loss_of(name, images, styles, per_sample=True)
    alone = [float(loss_of(name, images[[i]], styles[[i]])) for i in range(3)]
    np.testing.assert_allclose(found, alone, rtol=1e-9)


def test_losses_are_the_same_in_graphs_of_unknown_size(name, guided, rng):
    image, style = (rng.normal(size=shape).astype("float32") for shape in (SHAPE, STYLE_SHAPE))
    ones = np.ones((1, 4, 5, 1), "float32")

    def loss(image, style, guide):
        style_loss = STYLE_LOSSES[name]
        target = style_loss.target(style_loss.statistics(style))
        value = style_loss.loss(image, target, guide=guide if guided else None)
        return value, tf.gradients(value, image)[0]

    spec = tf.TensorSpec([None, None, None, 3], tf.float32)
    weights = tf.TensorSpec([None, None, None, 1], tf.float32)
    graph = tf.function(loss, input_signature=[spec, spec, weights], autograph=False)
    value, gradient = graph(image, style, ones)
    assert float(value) == pytest.approx(float(loss_of(name, image, style)), rel=1e-4)
    assert gradient.shape == SHAPE
    other = graph(image[:, 1:], style[:, 1:], ones[:, 1:])[0]
    expected = float(loss_of(name, image[:, 1:], style[:, 1:]))
    assert float(other) == pytest.approx(expected, rel=1e-4)
    assert graph.experimental_get_tracing_count() == 1


def test_measures_of_tiles_add_up_except_for_losses_called_untileable(name, rng):
    image, style = rng.normal(size=(1, 6, 8, 3)), rng.normal(size=STYLE_SHAPE)
    target, measure = target_of(name, style), STYLE_LOSSES[name].measure
    # Each tile alone, weighted by its share of the positions, against the whole image.
    tiles = [measure(image[:, :, :5], target), measure(image[:, :, 5:], target)]
    whole = tf.nest.flatten(measure(image, target))
    sums = tf.nest.flatten(weighted_sum(tiles, [5 / 8, 3 / 8]))
    adds_up = all(
        np.allclose(part, expected, rtol=1e-9, atol=1e-12)
        for part, expected in zip(sums, whole, strict=True)
    )
    assert adds_up == (name not in UNTILEABLE)


def test_a_blend_of_one_style_with_itself_is_that_style(name, rng):
    style_loss = STYLE_LOSSES[name]
    kept = style_loss.statistics(tf.constant(rng.normal(size=STYLE_SHAPE)))
    blended = style_loss.blend([kept, kept], [0.3, tf.constant(0.7)])
    for found, expected in zip(*map(tf.nest.flatten, (blended, kept)), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize(
    "name", [name for name in STYLE_LOSSES if name[:5] not in ("slice", "histo")]
)
def test_a_blend_is_the_style_of_a_picture_in_which_each_covers_its_share(name, rng):
    style_loss = STYLE_LOSSES[name]
    one, other = rng.normal(size=(1, 4, 6, 3)), 2.0 + 3.0 * rng.normal(size=(1, 4, 2, 3))
    kept = [style_loss.statistics(tf.constant(style)) for style in (one, other)]
    blended = style_loss.target(style_loss.blend(kept, [0.75, 0.25]))
    whole = target_of(name, np.concatenate([one, other], 2))
    for found, expected in zip(*map(tf.nest.flatten, (blended, whole)), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["sliced", "histogram"])
def test_a_blend_of_distributions_is_their_barycenter(name, rng):
    # Halfway between a distribution and its affine image lies the image under half the map.
    style_loss = STYLE_LOSSES[name]
    one = rng.normal(size=(1, 4, 6, 3))
    kept = [style_loss.statistics(tf.constant(style)) for style in (one, 3.0 * one + 4.0)]
    between = style_loss.blend(kept, [0.5, 0.5])
    np.testing.assert_allclose(between, style_loss.statistics(2.0 * one + 2.0), rtol=1e-9)


def test_the_polynomial_kernels_discrepancy_is_the_loss_of_gatys(rng):
    # `test_values_agree_with_loops` checks the kernel by all pairs; this checks Gram matrices.
    image, style = rng.normal(size=SHAPE), rng.normal(size=STYLE_SHAPE)
    found = float(loss_of("mmd_polynomial", image, style))
    assert found == pytest.approx(reference.gram_loss(image[0], style[0]), rel=1e-12)


def test_constant_features_have_finite_losses_and_gradients(name):
    flat = tf.zeros((1, 4, 5, 3))
    for image, style in ((flat, flat), (flat, flat + 2.0), (flat + 1e4, flat)):
        target = target_of(name, style)
        with tf.GradientTape() as tape:
            tape.watch(image)
            loss = STYLE_LOSSES[name].loss(image, target)
        assert np.isfinite(float(loss))
        assert np.isfinite(tape.gradient(loss, image)).all()


@pytest.mark.parametrize("name", ["mmd_gaussian", "sliced"])
def test_xla_compiles_waves_and_sorting(name, guided, rng):
    image, style, guide, style_guide = pictures(rng, guided)
    target = target_of(name, style, style_guide)

    def loss(image):
        value = STYLE_LOSSES[name].loss(image, target, guide=guide)
        return value, tf.gradients(value, image)[0]

    found, gradient = tf.function(loss, jit_compile=True, autograph=False)(tf.constant(image))
    expected, slope = tf.function(loss, autograph=False)(tf.constant(image))
    assert float(found) == pytest.approx(float(expected), rel=1e-9)
    np.testing.assert_allclose(gradient, slope, rtol=1e-9, atol=1e-12)


def test_statistics_of_an_absent_region_are_finite(name, rng):
    image, style = rng.normal(size=SHAPE), rng.normal(size=STYLE_SHAPE)
    nowhere = np.zeros([*STYLE_SHAPE[:3], 1])
    style_loss = STYLE_LOSSES[name]
    absent, there = (style_loss.statistics(style, guide=guide) for guide in (nowhere, None))
    assert all(np.isfinite(part).all() for part in tf.nest.flatten(absent))
    target = style_loss.target(style_loss.blend([absent, there], [0.0, 1.0]))
    found = style_loss.loss(tf.constant(image), target)
    assert float(found) == pytest.approx(float(loss_of(name, image, style)), rel=1e-9)


def test_the_scale_is_the_loss_of_features_that_are_0(name, guided, rng):
    _, style, _, style_guide = pictures(rng, guided)
    weights = np.ones(STYLE_SHAPE[1:3]) if style_guide is None else style_guide
    found = STYLE_LOSSES[name].scale(target_of(name, style, style_guide)).numpy()
    # A variance of 1e-4 is added to features of 0, too, by the losses that take roots.
    expected = truth(name, np.zeros(SHAPE), style, np.ones(SHAPE[1:3]), weights)
    assert found.shape == (1,)
    assert found[0] == pytest.approx(
        expected, rel=0.02 if name in ("wasserstein", "mean_std") else 1e-9
    )


def test_relative_losses_do_not_change_with_the_unit_of_the_features(name, rng):
    """Scaled features of image and style: the unit cancels, up to the floor of variances."""
    image, style, *_ = pictures(rng, False)
    found = []
    for unit in (1.0, 4.0):  # A power of 2: the bandwidth of the Gaussian kernel follows exactly.
        scale = STYLE_LOSSES[name].scale(target_of(name, unit * style))
        found.append(float(loss_of(name, unit * image, unit * style)) / float(scale[0]))
    assert found[1] == pytest.approx(found[0], rel=2e-3)
