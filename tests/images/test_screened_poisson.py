"""The screened Poisson filter: dense linear algebra as reference, and its invariants."""

import numpy as np
import pytest

from tf_style.images.screened_poisson import screened_poisson


def differences(height, width):
    """Returns the matrix that maps a flattened picture to its differences of neighboring pixels."""
    places = np.arange(height * width).reshape(height, width)
    pairs = [*zip(places[:, :-1].ravel(), places[:, 1:].ravel(), strict=True)]
    pairs += zip(places[:-1].ravel(), places[1:].ravel(), strict=True)
    matrix = np.zeros([len(pairs), height * width])
    for row, (one, other) in enumerate(pairs):
        matrix[row, one], matrix[row, other] = -1.0, 1.0
    return matrix


def pictures(rng, size=(9, 14)):
    content = rng.uniform(size=(1, *size, 3)).astype(np.float32)
    return rng.normal(0.5, 0.4, content.shape).astype(np.float32), content


@pytest.mark.parametrize("size", [(9, 14), (8, 8), (1, 7), (5, 1), (1, 1)])
@pytest.mark.parametrize("fidelity", [1e-3, 0.2, 5.0])
def test_the_result_is_the_least_squares_solution(size, fidelity, rng):
    image, content = pictures(rng, size)
    gradient = differences(*size)
    found = screened_poisson(image, content, fidelity=fidelity)
    assert found.dtype == np.float32
    for channel in range(3):
        made, original = (
            each[0, ..., channel].ravel().astype(np.float64) for each in (image, content)
        )
        rows = np.concatenate([np.sqrt(fidelity) * np.eye(made.size), gradient])
        wanted = np.concatenate([np.sqrt(fidelity) * made, gradient @ original])
        expected = np.linalg.lstsq(rows, wanted, rcond=None)[0]
        np.testing.assert_allclose(found[0, ..., channel].ravel(), expected, atol=2e-6)


def test_the_content_itself_is_unchanged(rng):
    _, content = pictures(rng)
    for fidelity in (1e-6, 1.0, 1e6):
        np.testing.assert_array_equal(
            screened_poisson(content, content, fidelity=fidelity), content
        )


def test_a_tint_and_the_means_are_kept(rng):
    image, content = pictures(rng)
    tinted = content + np.float32([0.2, -0.1, 0.05])
    np.testing.assert_allclose(screened_poisson(tinted, content, fidelity=1e-4), tinted, atol=1e-6)
    found = screened_poisson(image, content, fidelity=1e-2)
    np.testing.assert_allclose(found.mean((0, 1, 2)), image.mean((0, 1, 2)), atol=1e-6)


def test_a_flat_content_blurs_and_infinite_fidelity_keeps_the_image(rng):
    image, content = pictures(rng, (40, 51))
    flat = np.full_like(content, 0.3)
    spreads = [screened_poisson(image, flat, fidelity=f).std() for f in (1e-4, 1e-2, 1.0, 1e2)]
    assert spreads == sorted(spreads) and spreads[0] < 0.1 * image.std()
    np.testing.assert_allclose(screened_poisson(image, content, fidelity=1e9), image, atol=1e-6)
    np.testing.assert_array_equal(screened_poisson(image, content, fidelity=np.inf), image)


def test_channels_are_independent(rng):
    image, content = pictures(rng)
    other = image.copy()
    other[..., 1] = rng.uniform(size=other[..., 1].shape)
    found, changed = (screened_poisson(each, content, fidelity=0.1) for each in (image, other))
    np.testing.assert_array_equal(found[..., ::2], changed[..., ::2])
