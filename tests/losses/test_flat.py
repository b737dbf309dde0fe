"""Style losses of features that are the same everywhere, as those of pictures of one color."""

import itertools

import numpy as np
import pytest
import reference
import tensorflow as tf

from tf_style.config.loss import LossConfig
from tf_style.losses import kernels, moments, quantiles
from tf_style.losses.style import STYLE_LOSSES
from tf_style.network.extractor import build_extractor
from tf_style.objective.objective import Objective

SHAPE = (1, 4, 5, 3)
COLORS = {"black": [0.0, 0.0, 0.0], "white": [1.0, 1.0, 1.0], "one": [0.8, 0.3, 0.1]}
VECTORS = {"zero": [0.0, 0.0, 0.0], "ones": [1.0, 1.0, 1.0], "large": [300.0, 0.0, 41.7]}


@pytest.fixture(params=STYLE_LOSSES)
def name(request):
    return request.param


def flat(vector, size):
    return np.broadcast_to(np.float32(vector), (1, *size, 3))


def target_of(name, style):
    style_loss = STYLE_LOSSES[name]
    return style_loss.target(style_loss.statistics(tf.constant(style)))


def cases(rng, size):
    """Yields an image and a style; at least one is flat."""
    textured = rng.uniform(0.0, 5.0, size=(1, *size, 3)).astype(np.float32)
    features = [flat(vector, size) for vector in VECTORS.values()]
    yield from itertools.product(features, features)
    yield from ((textured, each) for each in features)
    yield from ((each, textured) for each in features)


def test_values_in_float32_agree_with_loops_in_float64(name, rng):
    for image, style in cases(rng, SHAPE[1:3]):
        wide = [features.astype(np.float64) for features in (image, style)]
        expected = reference.layer_style_loss(
            name,
            wide[0][0],
            wide[1][0],
            *2 * [np.ones(20)],
            frequencies=kernels.frequencies(3),
            directions=quantiles.directions(3),
            num_bins=quantiles.NUM_BINS,
        )
        scale = float(STYLE_LOSSES[name].scale(target_of(name, wide[1]))[0])
        found = float(STYLE_LOSSES[name].loss(tf.constant(image), target_of(name, style)))
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-5 * scale + 1e-6)


def test_a_million_positions_have_the_wasserstein_loss_of_a_few(rng):
    """The moments of flat features do not drift with the number of summands."""
    style = target_of("wasserstein", rng.uniform(size=(1, 5, 6, 3)).astype(np.float32))
    for vector in VECTORS.values():
        few, many = (moments.moments(tf.constant(flat(vector, s))) for s in ((3, 4), (1000, 1000)))
        np.testing.assert_allclose(many.mean, few.mean, rtol=1e-4)
        np.testing.assert_array_equal(moments.covariance(many), moments.covariance(few))
        losses = [float(moments.wasserstein_loss(each, style)) for each in (few, many)]
        assert losses[1] == pytest.approx(losses[0], rel=2e-4)


def test_gradients_are_finite_and_the_slopes(name, rng):
    for image, style in cases(rng, SHAPE[1:3]):
        target = target_of(name, style.astype(np.float64))
        x = tf.constant(image, tf.float64)
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = STYLE_LOSSES[name].loss(x, target)
        gradient = tape.gradient(loss, x).numpy()
        assert np.isfinite(gradient).all()
        # Sorted values have a kink where all are equal, except along a common shift.
        sorts = name in ("sliced", "histogram")
        direction = np.ones(SHAPE) if sorts else rng.normal(size=SHAPE)
        h = 1e-7 * max(1.0, float(np.abs(image).max()))
        ahead, behind = (float(STYLE_LOSSES[name].loss(x + s * direction, target)) for s in (h, -h))
        scale = float(STYLE_LOSSES[name].scale(target)[0])
        assert np.vdot(gradient, direction) == pytest.approx(
            (ahead - behind) / (2.0 * h),
            rel=1e-4,
            abs=1e-5 * np.abs(gradient).max() + 1e-8 * (1.0 + scale),
        )


@pytest.mark.parametrize("relative", [True, False])
@pytest.mark.parametrize("padding", ["zeros", "reflect_all"])
def test_objectives_of_pictures_of_one_color_are_finite(
    name, relative, padding, mini_layers, rng, eagerly
):
    layers = {"style_layers": ("conv1_1", "conv2_1"), "content_layers": ("conv2_1",)}
    config = LossConfig(style_loss=name, relative_losses=relative, **layers)
    objective = Objective(
        build_extractor(mini_layers, layers=config.layers, padding=padding), config
    )
    textured = tf.constant(rng.uniform(size=(1, 16, 20, 3)).astype(np.float32))
    colors = [tf.constant(flat(color, (16, 20))) for color in COLORS.values()]
    pairs = [*zip(colors, colors[1:] + colors[:1], strict=True), (colors[0], colors[0])]
    pairs += [(textured, colors[0]), (colors[1], textured)]
    for content, style in pairs:
        targets = objective.targets(content, style)
        loss, gradient = objective.value_and_gradient(content, targets)
        assert np.isfinite(float(loss))
        assert np.isfinite(gradient).all()
