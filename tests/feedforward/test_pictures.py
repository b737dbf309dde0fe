"""Pictures of any size through a network: strength, tiles without seams, types of features."""

import numpy as np
import pytest
import tensorflow as tf
from tiny_style_network import TINY, make_tiny_network

from tf_style.feedforward import painting, pictures


@pytest.fixture(scope="module")
def network():
    return make_tiny_network("one", "two")


def picture_of(height, width, seed=0):
    return np.random.default_rng(seed).random((1, height, width, 3), np.float32)


def as_input(photographs):
    """Returns photographs as the first convolution takes them."""
    return painting.padded(painting.network_input(TINY, tf.constant(photographs)))


def whole(network, photograph, style):
    """Returns a photograph painted by the pass alone."""
    return painting.paint(TINY, network.parameters, photograph, style[np.newaxis]).numpy()


@pytest.mark.parametrize("size", [(28, 28), (29, 46), (48, 61)])
def test_a_small_picture_is_one_pass(network, size):
    photograph, style = picture_of(*size), network.styles["one"]
    painted = pictures.paint_picture(network, photograph, style)
    assert painted.shape == photograph.shape
    np.testing.assert_array_equal(painted, whole(network, photograph, style))


@pytest.mark.parametrize("side", [32, 64])
@pytest.mark.parametrize("size", [(97, 130), (64, 151)])
def test_tiles_equal_the_whole_pass_with_the_same_statistics(network, size, side):
    photograph, style = picture_of(*size), network.styles["one"]
    _, statistics = painting.paint_padded(
        TINY, network.parameters, as_input(photograph), style[np.newaxis]
    )
    tiles = pictures.paint_tiles(network, photograph, style, statistics, side=side)
    np.testing.assert_allclose(tiles, whole(network, photograph, style), atol=1e-4)


def test_statistics_are_means_and_variances_of_float64(network):
    photograph, style = picture_of(40, 52), network.styles["two"]
    padded = as_input(photograph)
    _, statistics = painting.paint_padded(TINY, network.parameters, padded, style[np.newaxis])
    features = tf.nn.conv2d(padded - 0.5, network.parameters["shrink1"], 2, "SAME").numpy()
    mean, variance = statistics["shrink1"]
    np.testing.assert_allclose(mean[0], features.mean((0, 1, 2), dtype=np.float64), atol=1e-6)
    np.testing.assert_allclose(variance[0], features.var((0, 1, 2), dtype=np.float64), rtol=1e-5)
    assert set(statistics) == set(TINY.normalized)


def test_batches_have_the_statistics_of_their_samples(network):
    photographs = np.concatenate([picture_of(40, 52, seed) for seed in (1, 2)])
    styles = np.stack([network.styles["one"], network.styles["two"]])
    padded = as_input(photographs)
    together, statistics = painting.paint_padded(TINY, network.parameters, padded, styles)
    for index in range(2):
        alone, own = painting.paint_padded(
            TINY, network.parameters, padded[index : index + 1], styles[index : index + 1]
        )
        np.testing.assert_allclose(together[index], alone[0], atol=2e-5)
        for name in own:
            for found, expected in zip(statistics[name], own[name], strict=True):
                np.testing.assert_allclose(found[index], expected[0], rtol=1e-3, atol=1e-5)
    again, _ = painting.paint_padded(
        TINY, network.parameters, padded, styles, statistics=statistics
    )
    np.testing.assert_allclose(again, together, atol=1e-5)


def test_nothing_farther_than_the_reach_changes_a_pixel(network):
    style = network.styles["one"][np.newaxis]
    photograph = picture_of(100, 100)
    _, statistics = painting.paint_padded(TINY, network.parameters, photograph, style)

    def painted(picture):
        found, _ = painting.paint_padded(
            TINY, network.parameters, picture, style, statistics=statistics
        )
        return found.numpy()

    before, reach = painted(photograph), painting.reach(TINY)
    for place in range(48, 52):
        changed = photograph.copy()
        changed[:, :, place] = 1.0 - changed[:, :, place]
        difference = np.abs(painted(changed) - before).max((0, 1, 3))
        touched = np.flatnonzero(difference > 1e-6)
        assert touched.min() >= place - reach
        assert touched.max() <= place + reach


def test_a_large_picture_has_no_seams(network):
    # A smooth photograph, whose statistics are nearly the same at every size.
    rows, columns = np.mgrid[:120, :200] / 200.0
    photograph = np.stack([rows, columns, 1.0 - rows], -1)[np.newaxis].astype(np.float32)
    style = network.styles["one"]
    tiles = pictures.paint_picture(network, photograph, style, most_pixels=12_000)
    expected = whole(network, photograph, style)
    steps = [np.abs(np.diff(picture, axis=2)).max() for picture in (tiles, expected)]
    assert steps[0] < 1.3 * steps[1]
    assert np.abs(tiles - expected).mean() < 0.05


def test_strengths_go_from_the_photograph_over_the_painting_to_a_painting_of_it(network):
    photograph, style = picture_of(40, 44), network.styles["one"]

    def at(strength):
        return pictures.paint_picture(network, photograph, style, strength=strength)

    once = whole(network, photograph, style)
    np.testing.assert_array_equal(at(0.0), photograph)
    np.testing.assert_allclose(at(0.25), 0.75 * photograph + 0.25 * once, atol=1e-6)
    np.testing.assert_array_equal(at(1.0), once)
    np.testing.assert_allclose(at(1.0 + 1e-5), once, atol=1e-3)
    np.testing.assert_allclose(at(2.0), whole(network, once, style), atol=1e-6)


@pytest.mark.parametrize(
    ("features", "gpus", "bits", "expected"),
    [
        ("avx2 avx512_bf16", [], 8, tf.bfloat16),
        ("GenuineIntel avx2 avx512_bf16", [], 8, tf.float32),
        ("GenuineIntel avx2 avx512_bf16 amx_bf16", [], 8, tf.bfloat16),
        ("avx2 amx_bf16", [], 16, tf.float32),
        ("avx2 amx_bf16", ["gpu"], 8, tf.float32),
        ("avx2 avx512f", [], 8, tf.float32),
        ("", [], 8, tf.float32),
    ],
)
def test_the_type_is_chosen_without_a_measurement(monkeypatch, features, gpus, bits, expected):
    monkeypatch.setattr(pictures, "processor_features", lambda: features)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus)
    assert pictures.fast_dtype(bits) is expected


def test_bfloat16_differs_by_little(network):
    photograph, style = picture_of(48, 48), network.styles["one"]
    exact = pictures.paint_picture(network, photograph, style)
    rounded = pictures.paint_picture(network, photograph, style, dtype=tf.bfloat16)
    assert 0.0 < np.abs(rounded - exact).max() < 0.05
