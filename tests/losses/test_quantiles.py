"""Quantile tables against sorted values."""

import numpy as np
import pytest
import tensorflow as tf

from tf_style.losses import quantiles


def test_the_table_of_as_many_positions_as_shares_is_the_sorted_values(rng):
    features = rng.normal(size=(1, 16, 16, 4))
    found = quantiles.channel_quantiles(tf.constant(features))
    expected = np.sort(features.reshape(256, 4), 0)[::-1].T
    np.testing.assert_allclose(found[0], expected, rtol=1e-12)


@pytest.mark.parametrize("times", [1, 6])
def test_the_loss_of_one_channel_is_the_wasserstein_distance_on_a_line(times, rng):
    # Each share holds `times` values; the loss compares the means of the shares.
    image, style = rng.normal(size=(2, 1, 16, 16 * times, 1))
    tables = [quantiles.channel_quantiles(tf.constant(part)) for part in (image, style)]
    found = float(quantiles.quantile_loss(*tables))
    means = [np.sort(part.ravel()).reshape(256, times).mean(1) for part in (image, style)]
    assert found == pytest.approx(((means[0] - means[1]) ** 2).mean(), rel=1e-12)
    exact = ((np.sort(image.ravel()) - np.sort(style.ravel())) ** 2).mean()
    assert found <= exact * (1 + 1e-12)
    assert found == pytest.approx(exact, rel=1e-12 if times == 1 else 0.3)


def test_directions_are_always_the_same_orthonormal_vectors():
    turned = quantiles.directions(32)
    np.testing.assert_allclose(turned @ turned.T, np.eye(32), atol=1e-12)
    assert turned[0, 0] == pytest.approx(0.04812307091682899, rel=1e-9)


def test_the_float32_table_of_a_large_layer_is_exact_to_rounding(rng):
    features = 3.0 + rng.normal(size=(1, 400, 500, 2))
    exact = quantiles.channel_quantiles(tf.constant(features))
    rough = quantiles.channel_quantiles(tf.constant(features.astype("float32")))
    np.testing.assert_allclose(rough, exact, rtol=3e-6)
    ones = tf.ones((1, 400, 500, 1))
    guided = quantiles.channel_quantiles(tf.constant(features.astype("float32")), guide=ones)
    np.testing.assert_allclose(guided, exact, rtol=3e-6)
