"""The pass of a style network, against loops and plain convolutions in float64."""

import numpy as np
import pytest
import tensorflow as tf
from local_contrast_loops import contrast_in_loops
from tiny_style_network import TINY, make_tiny_network

from tf_style.feedforward.architecture import Architecture
from tf_style.feedforward.painting import (
    MARGIN,
    enlarging_convolution,
    padded,
    paint,
    split_styles,
)

BOX, TENT = np.array([1.0, 1.0]), np.array([0.25, 0.75, 0.75, 0.25])


@pytest.fixture(scope="module")
def network():
    return make_tiny_network("a", "b")


def convolution(image, kernel, stride=1):
    """Convolution with zeros at the borders, as TensorFlow's SAME, of `[h, w, c]`."""
    size = kernel.shape[0]
    sides = [-(-length // stride) for length in image.shape[:2]]
    lacking = [
        max((side - 1) * stride + size - length, 0)
        for side, length in zip(sides, image.shape[:2], strict=True)
    ]
    wide = np.pad(image, [*((more // 2, more - more // 2) for more in lacking), (0, 0)])
    rows = [
        [
            np.tensordot(
                wide[y * stride : y * stride + size, x * stride : x * stride + size], kernel, 3
            )
            for x in range(sides[1])
        ]
        for y in range(sides[0])
    ]
    return np.array(rows)


def normalization(features, scale, shift):
    mean, variance = features.mean((0, 1)), features.var((0, 1))
    return scale * (features - mean) / np.sqrt(variance + 1e-5) + shift


def repeated(features):
    return features.repeat(2, 0).repeat(2, 1)


def bilinear(features):
    """Enlarges twofold by a tent; beyond the border there is 0."""
    wide = np.zeros([2 * features.shape[0] + 2, 2 * features.shape[1] + 2, features.shape[2]])
    for y in range(features.shape[0]):
        for x in range(features.shape[1]):
            tent = TENT[:, None, None] * TENT[None, :, None]
            wide[2 * y : 2 * y + 4, 2 * x : 2 * x + 4] += tent * features[y, x]
    return wide[1:-1, 1:-1]


def painted_in_loops(network, photograph, style):
    """The whole pass of the tiny network, float64, of one photograph `[h, w, 3]`."""
    kernels = {name: np.float64(value) for name, value in network.parameters.items()}
    scales, shifts = split_styles(network.architecture, tf.constant(style[None]))

    def layer(features, name, stride=1):
        features = convolution(features, kernels[name], stride)
        return normalization(features, scales[name][0].numpy(), shifts[name][0].numpy())

    def positive(features):
        return np.maximum(features, 0.0)

    height, width, _ = photograph.shape
    features = contrast_in_loops(photograph, TINY.local_contrast) - 0.5
    for before, after in ((24, 27), (16, 16)):
        features = np.pad(features, [(before, after), (before, after), (0, 0)], "reflect")
    features = features[: 80 + height + (-height) % 4, : 80 + width + (-width) % 4]
    features = positive(layer(features, "shrink1", 2))
    features = positive(layer(features, "shrink2", 2))
    inner = positive(layer(features, "block1_conv1"))
    features = features + layer(inner, "block1_conv2")
    features = positive(layer(repeated(features), "enlarge1"))
    logits = convolution(bilinear(features), kernels["enlarge2"]) + kernels["bias"]
    pictures = 1.0 / (1.0 + np.exp(-logits))
    return pictures[MARGIN : MARGIN + height, MARGIN : MARGIN + width]


def test_a_picture_is_that_of_loops_in_float64(network, rng):
    photograph = rng.uniform(size=[1, 29, 34, 3]).astype(np.float32)
    style = network.styles["a"]
    found = paint(TINY, network.parameters, tf.constant(photograph), tf.constant(style[None]))
    expected = painted_in_loops(network, photograph[0], style)
    np.testing.assert_allclose(found[0], expected, atol=2e-5)
    assert expected.std() > 0.05  # So that the comparison says something.


def test_a_batch_gives_what_its_photographs_give_alone(network, rng):
    photographs = tf.constant(rng.uniform(size=[3, 32, 28, 3]), tf.float32)
    styles = tf.stack([network.styles[name] for name in "aba"])
    together = paint(TINY, network.parameters, photographs, styles)
    for index in range(3):
        one = slice(index, index + 1)
        alone = paint(TINY, network.parameters, photographs[one], styles[one])
        np.testing.assert_allclose(together[one], alone, atol=2e-5)
    same = paint(TINY, network.parameters, photographs, styles[1:2])
    np.testing.assert_allclose(same[1], together[1], atol=2e-5)


@pytest.mark.parametrize(("filter_1d", "enlarged"), [(BOX, repeated), (TENT, bilinear)])
def test_enlarging_and_convolving_at_once_is_both_after_each_other(filter_1d, enlarged, rng):
    features = rng.normal(size=[1, 5, 4, 3]).astype(np.float32)
    kernel = rng.normal(size=[3, 3, 3, 2]).astype(np.float32)
    found = enlarging_convolution(tf.constant(features), tf.constant(kernel), filter_1d, tf.float32)
    expected = convolution(enlarged(np.float64(features[0])), np.float64(kernel))
    if filter_1d is TENT:  # Values that a tent leaves just beyond the border are seen, too.
        found, expected = found[:, 1:-1, 1:-1], expected[1:-1, 1:-1]
    np.testing.assert_allclose(found[0], expected, atol=1e-5)


@pytest.mark.parametrize("filter_1d", [BOX, TENT])
def test_flat_features_leave_no_checkerboard(filter_1d, rng):
    kernel = tf.constant(rng.normal(size=[3, 3, 4, 2]), tf.float32)
    flat = tf.ones([1, 8, 8, 4]) * tf.constant(rng.normal(size=4), tf.float32)
    found = enlarging_convolution(flat, kernel, filter_1d, tf.float32)[0, 4:-4, 4:-4].numpy()
    assert np.ptp(found, (0, 1)).max() < 1e-5


def test_pictures_of_every_size_are_padded_to_whole_cells(rng):
    for height, width in ((28, 28), (29, 31), (30, 45)):
        images = tf.constant(rng.uniform(size=[1, height, width, 3]), tf.float32)
        wide = padded(images)
        assert wide.shape[1] % 4 == wide.shape[2] % 4 == 0
        inner = wide[:, MARGIN : MARGIN + height, MARGIN : MARGIN + width]
        np.testing.assert_array_equal(inner, images)


def test_one_graph_paints_photographs_of_all_sizes(network, rng):
    graph = tf.function(
        lambda photographs, styles: paint(TINY, network.parameters, photographs, styles),
        input_signature=[tf.TensorSpec([None, None, None, 3]), tf.TensorSpec([None, None])],
        autograph=False,
    )
    styles = tf.constant(network.styles["b"][None])
    for size in ((28, 33), (40, 32)):
        photographs = tf.constant(rng.uniform(size=[1, *size, 3]), tf.float32)
        eager = paint(TINY, network.parameters, photographs, styles)
        np.testing.assert_allclose(graph(photographs, styles), eager, atol=2e-5)


def test_bfloat16_differs_by_a_few_steps_of_8_bits(network, rng):
    photographs = tf.constant(rng.uniform(size=[1, 40, 32, 3]), tf.float32)
    styles = tf.constant(network.styles["a"][None])
    exact = paint(TINY, network.parameters, photographs, styles)
    rounded = paint(TINY, network.parameters, photographs, styles, dtype=tf.bfloat16)
    assert rounded.dtype == tf.float32
    assert 0.0 < np.abs(rounded - exact).mean() * 255.0 < 3.0


def test_a_style_is_two_numbers_for_each_normalized_filter():
    architecture = Architecture()
    assert architecture.style_size == 2 * (16 + 64 + 5 * (32 + 64) + 16)
    scales, shifts = split_styles(architecture, tf.zeros([1, architecture.style_size]))
    assert list(scales) == list(shifts) == list(architecture.kernels)[:-1]
    assert all((scale == 1.0).numpy().all() for scale in scales.values())
