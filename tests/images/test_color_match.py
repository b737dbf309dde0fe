"""Color statistics, compared with those that NumPy computes in float64."""

import numpy as np
import pytest

from tf_style.images.color import gray, luminance
from tf_style.images.color_match import (
    MATCHES,
    cholesky_map,
    match_colors,
    shift_luminance,
    symmetric_map,
)

LINEAR = ("cholesky", "symmetric")


def moments(image, weights=None):
    pixels = image.reshape(-1, 3).astype(np.float64)
    weights = None if weights is None else weights.reshape(-1).astype(np.float64)
    return np.average(pixels, axis=0, weights=weights), np.cov(
        pixels.T, aweights=weights, bias=True
    )


def colorful(rng, size, center, spread):
    """Returns correlated channels of different spread within 0..1, with few equal values."""
    mixing = rng.normal(size=(3, 3)) * spread
    values = np.log(center) - np.log(1 - np.array(center)) + rng.normal(size=(1, *size, 3)) @ mixing
    return (1 / (1 + np.exp(-values))).astype(np.float32)


@pytest.fixture
def content(rng):
    return colorful(rng, (40, 50), (0.3, 0.5, 0.6), 0.5)


@pytest.fixture
def style(rng):
    return colorful(rng, (33, 27), (0.7, 0.6, 0.2), 0.3)


def covariance(rng):
    factor = rng.normal(size=(3, 3)) * 0.2
    return factor @ factor.T + 1e-3 * np.eye(3)


@pytest.mark.parametrize("method", LINEAR)
def test_mean_and_covariance_become_the_contents(style, content, method):
    found = match_colors(style, content, method=method)
    assert (found.shape, found.dtype) == (style.shape, np.float32)
    for ours, theirs in zip(moments(found), moments(content), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("method", LINEAR)
def test_weights_restrict_the_match_to_a_region(style, content, method, rng):
    weights = {
        "style_weights": rng.random((*style.shape[:3], 1)),
        "content_weights": np.zeros((*content.shape[:3], 1), np.float32),
    }
    weights["content_weights"][:, :20] = 0.7
    found = match_colors(style, content, method=method, **weights)
    ours, theirs = moments(found, weights["style_weights"]), moments(content[:, :20])
    np.testing.assert_allclose(ours[0], theirs[0], atol=1e-5)
    np.testing.assert_allclose(ours[1], theirs[1], atol=1e-5)


@pytest.mark.parametrize("method", MATCHES)
def test_uniform_weights_equal_no_weights(style, content, method):
    equal = match_colors(
        style,
        content,
        method=method,
        style_weights=np.full((*style.shape[:3], 1), 3.0),
        content_weights=np.full((*content.shape[:3], 1), 0.2),
    )
    np.testing.assert_allclose(equal, match_colors(style, content, method=method), atol=1e-6)


@pytest.mark.parametrize("make_map", [cholesky_map, symmetric_map])
def test_maps_solve_the_papers_equation(make_map, rng):
    for _ in range(20):
        ours, wanted = covariance(rng), covariance(rng)
        matrix = make_map(ours, wanted)
        np.testing.assert_allclose(matrix @ ours @ matrix.T, wanted, atol=1e-10)


def test_the_cholesky_map_is_made_of_cholesky_factors(rng):
    ours, wanted = covariance(rng), covariance(rng)
    expected = np.linalg.cholesky(wanted) @ np.linalg.inv(np.linalg.cholesky(ours))
    np.testing.assert_allclose(cholesky_map(ours, wanted), expected, atol=1e-10)


def test_the_symmetric_map_is_symmetric_positive_definite_and_moves_least(rng):
    for _ in range(20):
        ours, wanted = covariance(rng), covariance(rng)
        matrix = symmetric_map(ours, wanted)
        np.testing.assert_array_equal(matrix, matrix.T)
        assert np.linalg.eigvalsh(matrix).min() > 0

        def moved(matrix, ours=ours):  # The mean square of A p - p.
            change = matrix - np.eye(3)
            return np.trace(change @ ours @ change.T)

        values, vectors = np.linalg.eigh(ours)
        inverse_root = vectors / np.sqrt(values) @ vectors.T
        root = np.linalg.cholesky(wanted)
        turns = [np.linalg.qr(rng.normal(size=(3, 3)))[0] for _ in range(50)]
        others = [root @ turn @ inverse_root for turn in turns]
        others.append(cholesky_map(ours, wanted))
        assert moved(matrix) <= min(map(moved, others)) + 1e-12


@pytest.mark.parametrize("method", MATCHES)
def test_matching_a_picture_with_itself_changes_nothing(content, method):
    np.testing.assert_allclose(match_colors(content, content, method=method), content, atol=1e-6)


def test_the_histogram_becomes_the_contents_value_for_value(rng):
    # Equally many pixels, all different: the sorted values must be equal.
    style, content = (rng.random((1, 20, 30, 3), np.float32) ** power for power in (1, 3))
    found = match_colors(style, content, method="histogram")
    for channel in range(3):
        ours, theirs = (np.sort(image[..., channel], axis=None) for image in (found, content))
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
        order = np.argsort(style[..., channel], axis=None)
        assert (np.diff(found[..., channel].ravel()[order]) >= 0).all()


def test_histogram_matching_across_sizes_gives_the_contents_quantiles(style, content):
    found = match_colors(style, content, method="histogram")
    shares = np.linspace(0.05, 0.95, 19)
    np.testing.assert_allclose(
        np.quantile(found, shares, axis=(0, 1, 2)),
        np.quantile(content, shares, axis=(0, 1, 2)),
        atol=0.02,
    )


def test_histogram_matching_keeps_equal_values_equal(rng, content):
    style = np.repeat(rng.integers(0, 4, (1, 20, 20, 1)) / 3, 3, axis=-1).astype(np.float32)
    found = match_colors(style, content, method="histogram")
    for value in np.unique(style):
        assert np.ptp(found[style[..., 0] == value], axis=0).max() == 0


def test_histogram_matching_uses_the_weights(style):
    content = np.zeros((1, 10, 10, 3), np.float32)
    content[:, :5] = 1.0
    weights = np.zeros((1, 10, 10, 1))
    weights[:, :5] = 2.0
    found = match_colors(style, content, method="histogram", content_weights=weights)
    np.testing.assert_array_equal(found, 1.0)


PLAIN = np.full((1, 16, 16, 3), (0.2, 0.4, 0.9), np.float32)


@pytest.mark.parametrize("method", MATCHES)
def test_a_style_of_one_color_gets_the_contents_mean_or_median(content, method):
    found = match_colors(PLAIN, content, method=method)
    middle = np.median if method == "histogram" else np.mean
    expected = middle(content.astype(np.float64), axis=(0, 1, 2))
    np.testing.assert_allclose(found, np.broadcast_to(expected, found.shape), atol=1e-3)


@pytest.mark.parametrize("method", MATCHES)
def test_a_content_of_one_color_gives_that_color(style, method):
    found = match_colors(style, PLAIN, method=method)
    np.testing.assert_allclose(found, np.broadcast_to(PLAIN[:, :1, :1], found.shape), atol=1e-5)


@pytest.mark.parametrize("method", MATCHES)
def test_a_gray_content_makes_the_style_gray(style, content, method):
    found = match_colors(style, gray(luminance(content)), method=method)
    if method == "histogram":  # Equal distributions, but each channel in its own order.
        np.testing.assert_allclose(*np.sort(found[0].reshape(-1, 3), axis=0).T[:2], atol=0.02)
    else:
        assert np.ptp(found, axis=-1).max() < 1e-5


@pytest.mark.parametrize("method", LINEAR)
def test_rounding_errors_of_a_gray_style_are_not_amplified_into_color(rng, style, content, method):
    plain = gray(luminance(style))
    rounded = np.round(plain * 255 + rng.uniform(-0.6, 0.6, plain.shape)) / 255
    clean, noisy = (
        match_colors(image.astype(np.float32), content, method=method) for image in (plain, rounded)
    )
    assert np.abs(clean).max() < 2
    # One 8-bit level grows to at most the deviation of the content.
    deviation = np.sqrt(np.linalg.eigvalsh(moments(content)[1]).max())
    assert np.sqrt(np.mean((noisy - clean) ** 2)) < 1.1 * deviation


def test_the_lumas_mean_and_contrast_become_the_contents(style, content):
    found = shift_luminance(style, content).astype(np.float64)
    expected = content.astype(np.float64) @ (0.299, 0.587, 0.114)
    assert found.shape == (*style.shape[:3], 1)
    assert found.mean() == pytest.approx(expected.mean(), abs=1e-6)
    assert found.std() == pytest.approx(expected.std(), abs=1e-6)
    plain = style.astype(np.float64) @ (0.299, 0.587, 0.114)
    assert np.corrcoef(found.ravel(), plain.ravel())[0, 1] == pytest.approx(1.0)


def test_a_style_of_one_color_has_the_contents_mean_luma(content):
    found = shift_luminance(PLAIN, content)
    np.testing.assert_allclose(found, luminance(content).mean(), atol=1e-5)


def test_errors_name_the_argument(style, content):
    with pytest.raises(ValueError, match=r"`method` must be one of 'cholesky', 'symmetric', 'hi.*"):
        match_colors(style, content, method="pca")
    with pytest.raises(ValueError, match=r"`method` .*Did you mean 'symmetric'\?"):
        match_colors(style, content, method="symetric")
    with pytest.raises(ValueError, match=r"`style_weights` must have shape \(1, 33, 27, 1\)"):
        match_colors(style, content, style_weights=np.ones((1, 9, 9, 1)))
    for value in (0.0, -1.0, np.nan, np.inf):
        weights = np.full((*content.shape[:3], 1), value)
        with pytest.raises(ValueError, match="`content_weights` must be finite, at least 0, and"):
            shift_luminance(style, content, content_weights=weights)
