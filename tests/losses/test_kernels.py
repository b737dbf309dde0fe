"""The waves of the Gaussian kernel against the kernel itself."""

import numpy as np
import pytest
import reference
import tensorflow as tf

from tf_style.losses import kernels


def test_with_many_frequencies_the_loss_is_that_of_the_gaussian_kernel(monkeypatch, rng):
    waves = rng.normal(size=(3, 50_000))
    monkeypatch.setattr(kernels, "frequencies", lambda channels: waves)
    image, style = rng.normal(size=(1, 4, 5, 3)), 1.0 + 2.0 * rng.normal(size=(1, 6, 3, 3))
    target = kernels.kernel_target(kernels.kernel_means(tf.constant(style)))
    means = kernels.image_waves(tf.constant(image), target)
    found = float(kernels.mmd_gaussian_loss(means, target))
    rows, style_rows = image.reshape(-1, 3), style.reshape(-1, 3)
    shares = [np.full(len(part), 1 / len(part)) for part in (rows, style_rows)]
    scale = reference.bandwidth(style_rows, shares[1])
    expected = reference._mmd(
        lambda a, b: reference.gaussian_kernel(a, b, scale), rows, style_rows, *shares
    )
    # The error is of order 1 / sqrt(50,000).
    assert found == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("deviation", [1e-6, 0.02, 1.0, 37.0, 1e5])
def test_the_bandwidth_is_the_rounded_root_mean_squared_distance(deviation, rng):
    style = tf.constant(5.0 + deviation * rng.normal(size=(1, 20, 20, 8)))
    target = kernels.kernel_target(kernels.kernel_means(style))
    expected = np.clip(4.0 * deviation, kernels.RUNGS[0] ** 0.5, kernels.RUNGS[-1] ** 0.5)
    assert 0.45 < 1.0 / float(target.scale[0]) / expected < 2.2


def test_frequencies_are_always_the_same_and_nearly_normal():
    waves = kernels.frequencies(64)
    assert waves.shape == (64, 128)
    assert waves[0, 0] == pytest.approx(0.21052987081190827, rel=1e-12)
    assert abs(waves.mean()) < 0.05
    assert waves.std() == pytest.approx(1.0, abs=0.05)
