"""The guided filter, compared with its definition, window by window."""

import numpy as np
import pytest

from tf_style.images.guided_filter import guided_filter


def by_windows(values, guide, radius, epsilon):
    """Runs a ridge regression in each window, and averages the fits at each pixel."""
    height, width, colors = guide.shape
    sums, counts = np.zeros(values.shape), np.zeros([height, width, 1])
    for row in range(height):
        for column in range(width):
            rows = slice(max(0, row - radius), row + radius + 1)
            columns = slice(max(0, column - radius), column + radius + 1)
            own = guide[rows, columns]
            table = own.reshape(-1, colors)
            signals = values[rows, columns].reshape(len(table), -1)
            # Least squares of centered data, with the penalty as additional rows.
            center, level = table.mean(0), signals.mean(0)
            penalty = np.sqrt(epsilon * len(table)) * np.eye(colors)
            left = np.concatenate([table - center, penalty])
            right = np.concatenate([signals - level, np.zeros([colors, signals.shape[1]])])
            slopes = np.linalg.lstsq(left, right, rcond=None)[0]
            sums[rows, columns] += (own - center) @ slopes + level
            counts[rows, columns] += 1
    return sums / counts


@pytest.mark.parametrize("radius, epsilon, colors", [(1, 1e-2, 3), (3, 1e-4, 3), (2, 0.5, 1)])
def test_each_pixel_is_the_mean_of_the_fits_of_its_windows(radius, epsilon, colors, rng):
    guide = rng.uniform(size=(1, 9, 7, colors))
    values = rng.normal(size=(1, 9, 7, 2))
    found = guided_filter(values, guide, radius=radius, epsilon=epsilon)
    expected = by_windows(values[0], guide[0], radius, epsilon)
    np.testing.assert_allclose(found[0], expected, rtol=1e-9, atol=1e-11)


def test_windows_larger_than_the_picture_give_a_single_regression(rng):
    guide, values = rng.uniform(size=(1, 5, 6, 3)), rng.uniform(size=(1, 5, 6, 1))
    found = guided_filter(values, guide, radius=50, epsilon=1e-3)
    np.testing.assert_allclose(found[0], by_windows(values[0], guide[0], 50, 1e-3), rtol=1e-9)


def test_affine_functions_of_the_guide_are_kept(rng):
    guide = rng.uniform(size=(1, 20, 31, 3)).astype(np.float32)
    values = guide @ rng.normal(size=(3, 2)).astype(np.float32) + np.float32([0.3, -2.0])
    found = guided_filter(values, guide, radius=4, epsilon=1e-9)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, values, atol=1e-6)


def test_a_flat_guide_averages_the_values_and_keeps_constants(rng):
    guide = np.full([1, 12, 12, 3], 0.7, np.float32)
    values = np.concatenate([rng.uniform(size=(1, 12, 12, 1)), np.full([1, 12, 12, 1], 5.0)], -1)
    found = guided_filter(values, guide, radius=20, epsilon=1e-4)
    np.testing.assert_allclose(found[..., 0], values[..., 0].mean(), rtol=1e-9)
    np.testing.assert_allclose(found[..., 1], 5.0, rtol=1e-12)
