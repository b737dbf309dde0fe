"""Masks, scaled down to the layers."""

import numpy as np
import pytest
import tensorflow as tf

from tf_style import vgg19
from tf_style.config.loss import MASK_MODES
from tf_style.objective.guides import guides

LAYERS = ("block1_conv1", "block2_conv1", "block3_conv1", "block4_conv2")


def seen(marks):
    """Returns how many marked pixels each unit sees, by layer: sums over windows.

    Convolutions add up 3x3 positions, poolings 2x2; outside the picture marks are 0.
    """
    found = {}
    for name in vgg19.up_to(LAYERS):
        height, width, _ = marks.shape
        if name in vgg19.CONVOLUTIONS:
            padded = np.pad(marks, [(1, 1), (1, 1), (0, 0)])
            marks = sum(padded[i : i + height, j : j + width] for i in range(3) for j in range(3))
        else:
            even = marks[: height // 2 * 2, : width // 2 * 2]
            marks = even.reshape(height // 2, 2, width // 2, 2, -1).sum((1, 3))
        found[name] = marks
    return found


@pytest.fixture
def masks(rng):
    """A left part, its rest, and a disc; float32 [1, 61, 80, 3]."""
    rows, columns = np.mgrid[:61, :80]
    left = columns < 47
    disc = (rows - 30) ** 2 + (columns - 35) ** 2 < 24**2
    return np.stack([left, ~left, disc], -1)[np.newaxis].astype(np.float32)


def test_inside_counts_the_units_that_see_only_the_region(masks):
    outside = seen(1.0 - masks[0].astype(np.float64))
    found = guides(tf.constant(masks), LAYERS, "inside").weights
    for name in LAYERS:
        expected = outside[name] == 0
        left = expected.any((0, 1))
        np.testing.assert_array_equal(found[name][0].numpy()[..., left] > 0, expected[..., left])


def test_all_counts_the_units_that_see_any_part_of_the_region(masks):
    within = seen(masks[0].astype(np.float64))
    found = guides(tf.constant(masks), LAYERS, "all").weights
    for name in LAYERS:
        np.testing.assert_array_equal(found[name][0] > 0, within[name] > 0)


def test_simple_is_the_mean_over_each_pooled_block(rng):
    masks = rng.uniform(size=(1, 37, 50, 2)).astype(np.float32)
    found = guides(tf.constant(masks), LAYERS, "simple")
    for name in LAYERS:
        side = 2 ** (int(name[5]) - 1)
        height, width = 37 // side, 50 // side
        blocks = masks[0, : height * side, : width * side].reshape(height, side, width, side, 2)
        squares = blocks.astype(np.float64).mean((1, 3)) ** 2
        np.testing.assert_allclose(
            found.weights[name][0], squares / squares.mean((0, 1)), rtol=1e-5
        )
    np.testing.assert_allclose(found.shares, (masks**2).mean((0, 1, 2)), rtol=1e-6)


@pytest.mark.parametrize("mode", MASK_MODES)
def test_weights_have_mean_one_however_small_the_region(mode, rng):
    masks = np.zeros((1, 48, 64, 3), np.float32)
    masks[0, 10:14, 20:23, 0] = 1.0
    masks[..., 1] = rng.uniform(size=(48, 64))
    masks[..., 2] = 1.0
    found = guides(tf.constant(masks), LAYERS, mode).weights
    for name in LAYERS:
        np.testing.assert_allclose(found[name].numpy().mean((0, 1, 2)), 1.0, rtol=1e-5)
        np.testing.assert_allclose(found[name][..., 2], 1.0, rtol=1e-6)


def test_an_empty_region_has_weight_zero_and_no_nan():
    found = guides(tf.zeros([1, 32, 32, 1]), LAYERS, "simple")
    assert all(not np.any(weights) for weights in found.weights.values())
    assert float(found.shares[0]) == 0.0


def test_sizes_may_be_unknown_when_traced(masks):
    @tf.function(input_signature=[tf.TensorSpec([1, None, None, 3])], autograph=False)
    def graph(masks):
        return guides(masks, LAYERS, "inside")

    for part in (masks, masks[:, 5:, 9:]):
        found, expected = graph(tf.constant(part)), guides(tf.constant(part), LAYERS, "inside")
        for name in LAYERS:
            np.testing.assert_array_equal(found.weights[name], expected.weights[name])


@pytest.mark.parametrize("mode", MASK_MODES)
def test_a_region_at_the_far_border_is_in_every_layer(mode):
    """44 = 2 * 16 + 12 px: poolings drop the last columns before block 5."""
    mask = np.zeros([1, 40, 44, 1], np.float32)
    mask[:, :, 40:] = 1.0
    layers = [f"block{block}_conv1" for block in range(1, 6)]
    found = guides(tf.constant(mask), layers, mode).weights
    for name in layers:
        weights = found[name].numpy()
        assert weights.mean() == pytest.approx(1.0, rel=1e-6)
        assert weights[0, :, -1].min() > 0.0
