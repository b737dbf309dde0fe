"""Luma and chroma, compared with the YIQ matrix."""

import numpy as np
import pytest

from tf_style.images.color import (
    MOST_SATURATED,
    gray,
    into_gamut,
    luminance,
    muted,
    with_luminance,
)

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


def ratio(image):
    """Chroma divided by luma, by a loop."""
    found = np.zeros(image.shape)
    for place in np.ndindex(image.shape[:3]):
        luma = sum(w * float(c) for w, c in zip((0.299, 0.587, 0.114), image[place], strict=True))
        found[place] = [(float(c) - luma) / max(luma, 1e-6) for c in image[place]]
    return found


def test_chroma_grows_at_most_by_half_relative_to_luma(image, rng):
    image = 0.1 + 0.8 * image
    luma = rng.random((1, 20, 30, 1), np.float32)
    own = luminance(image)
    found = muted(image, luma)
    assert found.dtype == np.float32
    is_kept = (MOST_SATURATED * luma >= own)[..., 0]
    assert 0.2 < is_kept.mean() < 0.9
    np.testing.assert_array_equal(found[is_kept], image[is_kept])
    np.testing.assert_allclose(luminance(found), own, atol=1e-6)
    darkened = with_luminance(found, luma)
    expected = 1.5 * ratio(image)
    is_lit = ~is_kept & (luma[..., 0] > 0.01)
    np.testing.assert_allclose(ratio(darkened)[is_lit], expected[is_lit], atol=1e-4)


def test_a_dark_outline_beside_its_place_gets_no_burnt_rim():
    """A dark disk on a beige wall, painted 4 px larger: the ring is in the wall's chroma."""
    y, x = np.mgrid[:64, :64]
    distance = np.hypot(y - 31.5, x - 31.5)
    wall, hair = np.float32((0.9, 0.8, 0.6)), np.float32((0.12, 0.1, 0.1))
    photograph = np.where((distance < 16)[..., np.newaxis], hair, wall)[np.newaxis]
    painted = np.where(distance < 20, 0.1, 0.81).astype(np.float32)[np.newaxis, ..., np.newaxis]
    ring = (distance > 17) & (distance < 19)

    def saturation(colors):
        return (colors.max(-1) - colors.min(-1)) / colors.max(-1)

    burnt = into_gamut(with_luminance(photograph, painted))[0, ring]
    found = into_gamut(with_luminance(muted(photograph, painted), painted))[0, ring]
    assert saturation(burnt).min() > 0.99  # Chroma as far as the gamut reaches.
    assert saturation(found).max() < 1.5 * saturation(wall)
    np.testing.assert_allclose(luminance(found[np.newaxis, np.newaxis]), 0.1, atol=1e-6)


@pytest.mark.parametrize("luma", [-0.5, 0.0, 0.2, 1.4])
def test_black_white_and_gray_have_no_chroma_to_lose(luma):
    levels = np.float32([0.0, 0.5, 1.0]).reshape(1, 1, 3, 1).repeat(3, -1)
    found = muted(levels, np.full((1, 1, 3, 1), luma, np.float32))
    np.testing.assert_allclose(found, levels, atol=1e-6)
