"""The table of loss terms is open: a new entry is in the loss, its gradient and its tiles."""

import dataclasses

import numpy as np
import pytest
import reference
import tensorflow as tf

from tf_style.config.fields import option
from tf_style.config.loss import LossConfig
from tf_style.config.style_config import StyleConfig
from tf_style.network.extractor import build_extractor
from tf_style.objective import terms
from tf_style.objective.loss import loss_terms
from tf_style.objective.objective import Objective
from tf_style.objective.scales import IMAGE
from tf_style.objective.targets import Targets
from tf_style.portable.objective import check_portable
from tf_style.tiling.tiled_objective import TiledObjective
from tf_style.tiling.tiles import Tiling

SIZE = (60, 44)
WEIGHT, TV_WEIGHT = 300.0, 5.0
OPTIONS = {"tv_weight": TV_WEIGHT, "style_weight": 0.1}
"""With the usual weight, the style loss of random pictures would hide all other terms."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BrightnessConfig(LossConfig):
    """`LossConfig` with the option of one more term."""

    brightness_weight: float = option(0.0, "Weight of the distance from gray; 0 is off.")


def measure(config, sample, targets):
    axes = [1, 2, 3] if sample.per_sample else None
    return ({"image": tf.reduce_mean(tf.square(sample.image - 0.5), axes)},)


def measure_rows(config, rows, targets):
    own = rows.image[:, rows.begin : rows.end]
    size = tf.cast(rows.height * tf.shape(own)[2] * tf.shape(own)[3], own.dtype)
    return ({"image": tf.reduce_sum(tf.square(own - 0.5)) / size},)


def compare(config, measures, targets, per_sample):
    yield terms.LayerLoss(config.brightness_weight, measures[0]["image"], "variation/brightness")


BRIGHTNESS = terms.Term(
    part="variation",
    option="brightness_weight",
    is_on=lambda config: getattr(config, "brightness_weight", 0.0) > 0.0,
    measure=measure,
    measure_rows=measure_rows,
    compare=compare,
)


@pytest.fixture
def pictures(rng):
    """An image, a content and a style, float32."""
    sizes = (SIZE, SIZE, (40, 52))
    return [rng.uniform(size=(1, *size, 3)).astype(np.float32) for size in sizes]


@pytest.fixture
def config(monkeypatch):
    """A config that uses the new term, which is in the table."""
    monkeypatch.setitem(terms.TERMS, "brightness", BRIGHTNESS)
    return BrightnessConfig(**OPTIONS, brightness_weight=WEIGHT)


def make(layers, config):
    return Objective(build_extractor(layers, layers=config.layers, padding="zeros"), config)


def evaluated(layers, config, image, content, style):
    """Returns the parts of the loss, its value and its gradient."""
    objective = make(layers, config)
    targets = objective.targets(tf.constant(content), tf.constant(style))
    image = tf.constant(image)
    return objective.terms(image, targets), *objective.value_and_gradient(image, targets)


def test_the_loss_and_its_gradient_include_a_new_term(config, pictures, mini_layers, monkeypatch):
    found, value, gradient = evaluated(mini_layers, config, *pictures)
    monkeypatch.delitem(terms.TERMS, "brightness")
    plain, _, plain_gradient = evaluated(mini_layers, LossConfig(**OPTIONS), *pictures)
    difference = pictures[0].astype(np.float64) - 0.5
    brightness = np.mean(difference**2)
    assert float(found.layers["variation/brightness"]) == pytest.approx(brightness, rel=1e-6)
    added = TV_WEIGHT * WEIGHT * brightness
    assert float(found.variation) == pytest.approx(float(plain.variation) + added, rel=1e-6)
    options = StyleConfig().replace(padding="zeros", **OPTIONS)
    total = added + reference.total_loss(*pictures, mini_layers, options.to_dict())
    assert float(value) == pytest.approx(total, rel=1e-4)
    assert float(found.total) == pytest.approx(total, rel=1e-4)
    slope = TV_WEIGHT * WEIGHT * 2.0 * difference / difference.size
    error = np.linalg.norm(gradient - plain_gradient - slope)
    assert error <= 1e-5 * np.linalg.norm(gradient)
    assert np.linalg.norm(slope) >= 0.01 * np.linalg.norm(gradient)


def test_losses_of_a_batch_include_a_new_term_for_each_sample(config, rng):
    images = rng.uniform(size=(3, 8, 9, 3)).astype(np.float32)
    targets = Targets({}, {}, scales={IMAGE: tf.ones([3])})
    found = loss_terms(config, tf.constant(images), {}, targets, per_sample=True)
    expected = np.mean((images.astype(np.float64) - 0.5) ** 2, (1, 2, 3))
    np.testing.assert_allclose(found.layers["variation/brightness"], expected, rtol=1e-6)


def test_tiles_have_the_loss_and_gradient_of_the_whole_with_a_new_term(
    config, pictures, mini_layers
):
    objective = make(mini_layers, config)
    tiling = Tiling(("block2_pool", "block4_pool"), (32,) * 3, 16)
    tiled = TiledObjective(objective, tiling)
    image, content, style = map(tf.constant, pictures)
    targets = objective.targets(content, style)
    value, gradient = objective.value_and_gradient(image, targets)
    tiled_value, tiled_gradient = tiled.value_and_gradient(image, targets)
    assert float(tiled_value) == pytest.approx(float(value), rel=1e-5)
    error = np.linalg.norm(tiled_gradient - gradient)
    assert error <= 1e-5 * np.linalg.norm(gradient)
    parts = tiled.terms(image, targets)
    expected = np.mean((pictures[0].astype(np.float64) - 0.5) ** 2)
    assert float(parts.layers["variation/brightness"]) == pytest.approx(expected, rel=1e-6)


def test_a_new_term_without_a_reverse_pass_is_not_portable(config):
    with pytest.raises(ValueError, match=r"Cannot use `brightness_weight` here.*weight=300\. Use"):
        check_portable(config)
    check_portable(BrightnessConfig(**OPTIONS))
