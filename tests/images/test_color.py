"""Luma and chroma, compared with the YIQ matrix."""

import numpy as np
import pytest

from tf_style.images.color import gray, into_gamut, luminance, with_luminance

# The NTSC matrix, rounded to three digits as in textbooks.
YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])


def iq(image):
    return image.astype(np.float64) @ YIQ[1:].T


@pytest.fixture
def image(rng):
    return rng.random((1, 20, 30, 3), np.float32)


@pytest.mark.parametrize(
    ("color", "luma"),
    [((1, 0, 0), 0.299), ((0, 1, 0), 0.587), ((0, 0, 1), 0.114), ((1, 1, 1), 1), ((0, 0, 0), 0)],
)
def test_luma_matches_yiq(color, luma):
    found = luminance(np.full((1, 2, 3, 3), color, np.float32))
    assert (found.shape, found.dtype) == ((1, 2, 3, 1), np.float32)
    np.testing.assert_allclose(found, luma, atol=1e-7)


def test_with_luminance_replaces_luma_and_keeps_chroma(image, rng):
    luma = rng.random((1, 20, 30, 1), np.float32)
    merged = with_luminance(image, luma)
    assert merged.dtype == np.float32
    np.testing.assert_allclose(merged.astype(np.float64) @ YIQ[0], luma[..., 0], atol=1e-6)
    np.testing.assert_allclose(iq(merged), iq(image), atol=1e-6)
    np.testing.assert_allclose(with_luminance(image, luminance(image)), image, atol=1e-6)


def test_into_gamut_keeps_luma_and_hue_and_as_much_chroma_as_possible(image, rng):
    merged = with_luminance(image, rng.random((1, 20, 30, 1), np.float32))
    found = into_gamut(merged)
    assert found.dtype == np.float32
    assert (found.min(), found.max()) == (0.0, 1.0)
    np.testing.assert_allclose(luminance(found), luminance(merged), atol=2e-6)
    before, after = iq(merged), iq(found)
    # The same direction in the plane of I and Q.
    turned = before[..., 0] * after[..., 1] - before[..., 1] * after[..., 0]
    np.testing.assert_allclose(turned, 0.0, atol=1e-6)
    assert (np.sum(before * after, -1) >= -1e-6).all()
    inside = ((merged >= 0) & (merged <= 1)).all(-1)
    assert 0.1 < inside.mean() < 0.9
    np.testing.assert_array_equal(found[inside], merged[inside])
    # Colors from outside touch the border: any more chroma would put them outside again.
    border = (found < 1e-6) | (found > 1 - 1e-6)
    assert border.any(-1)[~inside].all()


def test_luma_outside_the_range_becomes_black_or_white(image):
    dark, light = (with_luminance(image, np.full_like(image[..., :1], y)) for y in (-0.2, 1.3))
    np.testing.assert_array_equal(into_gamut(dark), 0.0)
    np.testing.assert_array_equal(into_gamut(light), 1.0)


def test_a_picture_inside_the_gamut_is_returned_unchanged(image):
    assert into_gamut(image) is image


def test_gray_has_no_chroma(image):
    found = gray(luminance(image))
    assert found.shape == image.shape
    np.testing.assert_allclose(luminance(found), luminance(image), atol=1e-7)
    np.testing.assert_allclose(iq(found), 0.0, atol=1e-3)  # The matrix has three digits.
