"""Regions found in several pictures at once, on clearly different textures."""

import numpy as np
import pytest

from tf_style.images import resizing
from tf_style.inputs.automatic_regions import automatic_regions, clusters, nearest_of
from tf_style.network.extractor import build_extractor


def textures(size, rng):
    """Stripes, noise and a checkerboard, each float32 [H, W, 3], of different colors."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    stripes = np.where(columns % 4 < 2, 0.9, 0.2)[..., np.newaxis] * np.float32([1.0, 0.3, 0.2])
    noise = rng.uniform(size=(*size, 1)) * np.float32([0.2, 0.5, 1.0])
    board = np.where((rows // 2 + columns // 2) % 2, 0.8, 0.3)[..., np.newaxis] * np.float32(
        [0.1, 1.0, 0.3]
    )
    return [each.astype(np.float32) for each in (stripes, noise, board)]


def picture(size, where, rng):
    """A picture, float32 [1, H, W, 3], with texture i where `where` is i."""
    found = np.zeros([*size, 3], np.float32)
    for index, texture in enumerate(textures(size, rng)):
        found[where == index] = texture[where == index]
    return found[np.newaxis]


def left(size, share):
    """0 in the left part, which has this share of the width, 1 elsewhere."""
    return np.broadcast_to(np.arange(size[1]) >= share * size[1], size).astype(int)


@pytest.fixture(scope="module")
def extractor(mini_layers):
    model = build_extractor(mini_layers, layers=["block2_conv1", "block3_conv1"])
    return lambda image: {name: each.numpy() for name, each in model(image).items()}


def overlap(mask, truth):
    one, other = mask > 0.5, truth
    return (one & other).sum() / (one | other).sum()


CONTENT, STYLE = (97, 131), (121, 83)


@pytest.fixture
def pair(rng):
    here, there = left(CONTENT, 0.6), 1 - left(STYLE, 0.55)
    return picture(CONTENT, here, rng), picture(STYLE, there, rng), here, there


@pytest.mark.parametrize("num_regions", [2, 5])
def test_textures_are_matched_at_any_position(num_regions, pair, extractor):
    content, style, here, there = pair
    found = automatic_regions(
        extractor, content, [style], num_regions=num_regions, seed=1, blend=[1.0]
    )
    # Extra regions split a texture; they never join two.
    for texture in (0, 1):
        own = [
            region
            for region in range(found.content.shape[-1])
            if found.content[0, ..., region][here == texture].mean()
            > found.content[0, ..., region][here != texture].mean()
        ]
        assert own
        assert overlap(found.content[0][..., own].sum(-1), here == texture) > 0.9
        assert overlap(found.styles[0][0][..., own].sum(-1), there == texture) > 0.9
    assert found.content.shape[:3] == content.shape[:3] and found.content.dtype == np.float32
    assert found.styles[0].shape[:3] == style.shape[:3]
    for mask in (found.content, *found.styles):
        assert mask.min() >= 0.0
        np.testing.assert_allclose(mask.sum(-1), 1.0, atol=1e-6)
    np.testing.assert_array_equal(found.blend, np.ones([found.content.shape[-1], 1]))
    np.testing.assert_array_equal(found.strengths, np.ones(found.content.shape[-1]))


def test_regions_do_not_depend_on_the_seed(pair, extractor):
    content, style, *_ = pair
    first, again, other = (
        automatic_regions(extractor, content, [style], num_regions=2, seed=seed, blend=[1.0])
        for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first.content, again.content)
    np.testing.assert_array_equal(first.styles[0], again.styles[0])
    # Regions are ordered by size, not by the index of their cluster.
    np.testing.assert_allclose(first.content, other.content, atol=1e-5)


def test_styles_without_a_region_have_weight_0_in_it(rng, extractor):
    # Stripes, noise and a board, top to bottom; one style has all, the other has no stripes.
    size = (96, 96)
    thirds = np.broadcast_to(np.arange(96)[:, np.newaxis] // 32, size)
    content, whole = picture(size, thirds, rng), picture(size, 2 - thirds, rng)
    partial = picture(size, np.maximum(thirds, 1), rng)

    def labels(image):
        # One-hot textures as features: this test is only about the matching.
        means = image[0].reshape(24, 4, 24, 4, 3).mean((1, 3))
        hard = np.eye(3)[np.argmax(means, -1)]
        return {"block3_conv1": (hard - hard.mean((0, 1)) + 3.0)[np.newaxis].astype(np.float32)}

    found = automatic_regions(
        labels, content, [whole, partial], num_regions=3, seed=0, blend=[1.0, 3.0]
    )
    assert found.content.shape[-1] == 3
    blends = sorted(map(tuple, found.blend.tolist()))
    assert blends == [(0.25, 0.75), (0.25, 0.75), (1.0, 0.0)]
    # A style with weight 0 adds no regions.
    alone = automatic_regions(
        labels, content, [whole, partial], num_regions=3, seed=0, blend=[0.0, 1.0]
    )
    assert np.all(alone.blend == [0.0, 1.0])


def test_flat_pictures_are_one_region(extractor):
    flat = np.full([1, 40, 50, 3], 0.5, np.float32)
    found = automatic_regions(
        lambda image: {"block1_conv1": np.ones([*image.shape[:3], 4], np.float32)},
        flat,
        [flat[:, :33]],
        num_regions=4,
        seed=0,
        blend=[2.0],
    )
    np.testing.assert_array_equal(found.content, np.ones([1, 40, 50, 1]))
    np.testing.assert_array_equal(found.styles[0], np.ones([1, 33, 50, 1]))


def test_large_pictures_have_the_regions_of_reduced_ones(rng, extractor):
    size = (150, 320)
    content = picture(size, left(size, 0.5), rng)
    seen = []

    def watched(image):
        seen.append(image.shape)
        return extractor(image)

    found = automatic_regions(watched, content, [content], num_regions=2, seed=0, blend=[1.0])
    assert seen == [(1, 120, 256, 3)] * 2
    assert found.content.shape == (1, 150, 320, 2)
    smaller = resizing.resize(found.content, (120, 256))
    within = automatic_regions(
        extractor,
        resizing.resize(content, (120, 256)),
        [resizing.resize(content, (120, 256))],
        num_regions=2,
        seed=0,
        blend=[1.0],
    )
    assert np.abs(smaller - within.content).mean() < 0.02


def test_clusters_recover_a_mixture(rng):
    means = rng.normal(0.0, 10.0, (4, 6))
    truth = rng.integers(0, 4, 200)
    rows = (means[truth] + rng.normal(size=(200, 6))).astype(np.float32)
    labels, centers = clusters(rows, 4, seed=0)
    pairs = set(zip(truth.tolist(), labels.tolist(), strict=True))
    assert len(pairs) == 4 and len(centers) == 4
    for label in range(4):
        np.testing.assert_allclose(centers[label], rows[labels == label].mean(0), rtol=1e-4)
    few, centers = clusters(np.float32([[0, 0], [0, 0], [3, 4]]), 5, seed=0)
    assert len(centers) == 2 and few[0] == few[1] != few[2]


def test_centers_that_are_not_chosen_map_to_the_nearest_chosen_one():
    centers = np.array([[0.0], [1.0], [5.0], [9.0]])
    found = nearest_of(centers, np.array([True, False, False, True]))
    assert found.tolist() == [0, 0, 3, 3]


def test_wrong_numbers_are_errors(pair, extractor):
    content, style, *_ = pair
    with pytest.raises(ValueError, match=r"`num_regions` must lie within 1..16"):
        automatic_regions(extractor, content, [style], num_regions=0, seed=0, blend=[1.0])
    with pytest.raises(ValueError, match=r"and one above 0. Received: blend=\(1.0, 1.0\) for 1"):
        automatic_regions(extractor, content, [style], num_regions=2, seed=0, blend=[1.0, 1.0])
    with pytest.raises(ValueError, match=r"and one above 0. Received: blend=\(0.0,\) for 1"):
        automatic_regions(extractor, content, [style], num_regions=2, seed=0, blend=[0.0])
