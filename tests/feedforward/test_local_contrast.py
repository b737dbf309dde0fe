"""Raised contrasts, against loops in float64, closed forms and properties."""

import numpy as np
import pytest
import tensorflow as tf
from local_contrast_loops import contrast_in_loops

from tf_style.feedforward.local_contrast import (
    contrast_change,
    with_change,
    with_local_contrast,
)


def raised(image, contrast=0.2):
    """Returns an image `[h, w, 3]` with its contrasts raised."""
    return with_local_contrast(tf.constant(image[None], tf.float32), contrast)[0].numpy()


def clouds(rng, deviation, sides=(96, 120)):
    """Returns a smooth gray image of waves of 64 px with this deviation."""
    rows, columns = np.mgrid[: sides[0], : sides[1]] * (2.0 * np.pi / 64.0)
    phase = rng.uniform(0.0, 6.0)
    waves = np.sin(rows + phase) * np.cos(columns) * 2.0 * deviation
    return np.float32(0.5 + waves[:, :, None] * np.ones(3))


@pytest.mark.parametrize("size", [(8, 8), (15, 16), (28, 33), (61, 90)])
def test_it_is_that_of_loops_in_float64(size, rng):
    image = rng.uniform(0.2, 0.8, size=(*size, 3)).astype(np.float32)
    expected = contrast_in_loops(image, 0.2)
    np.testing.assert_allclose(raised(image), expected, atol=2e-5)
    assert min(size) < 16 or np.abs(expected - image).max() > 0.01


@pytest.mark.parametrize("size", [(64, 64), (61, 90)])
def test_a_slope_has_no_contrast_not_even_at_the_border(size):
    rows, columns = np.mgrid[: size[0], : size[1]] / 100.0
    image = np.stack([rows, columns, 1.0 - rows - columns], -1).astype(np.float32)
    np.testing.assert_allclose(raised(image), image, atol=1e-4)


def test_strong_contrasts_stay(rng):
    image = clouds(rng, 0.4)
    np.testing.assert_array_equal(raised(image), image)


def test_weak_contrasts_get_stronger_but_not_as_strong_as_asked(rng):
    for deviation in (0.01, 0.02, 0.05):
        image = clouds(rng, deviation)
        after = raised(image).std()
        assert 1.3 * image.std() < after < 0.2, deviation


def test_the_faintest_are_raised_fourfold_at_most(rng):
    image = clouds(rng, 1e-4)
    change, bound = np.abs(raised(image) - image).max(), 3.0 * np.abs(image - 0.5).max()
    assert 0.4 * bound < change <= 1.01 * bound


@pytest.mark.parametrize(
    ("period", "most"),
    [(2, 0.0), (3, 0.1), (4, 0.0), (6, 0.2), (8, 0.0), (10, 0.5), (12, 0.3), (16, 0.1)],
)
def test_detail_is_hardly_raised(period, most):
    for phase in (0.0, 0.8, 1.6):
        stripes = np.sin(np.arange(160) * (2.0 * np.pi / period) + phase)
        image = np.float32(0.5 + 0.02 * stripes[:, None, None] * np.ones((1, 64, 3)))
        change = np.abs(raised(image) - image)[56:-56]
        assert change.max() <= most * 0.02 + 1e-5  # Larger waves change by 0.03.


def test_noise_stays_below_itself(rng):
    image = np.float32(0.5 + 0.02 * rng.normal(size=(160, 160, 3)))
    assert (raised(image) - image).std() < 0.02


@pytest.mark.parametrize("move", [1, 2, 3, 4, 5, 6, 7, 8])
def test_contrasts_move_with_the_photograph(move, rng):
    image = clouds(rng, 0.03, (320, 320))
    before, after = raised(image), raised(image[move:, move:])
    inner = np.s_[100:-100, 100:-100]
    change = np.abs(before - image)[inner].max()
    moved = np.abs(after - before[move:, move:])[inner].max()
    assert moved < 0.15 * change


def test_parts_are_changed_as_the_whole(rng):
    image = tf.constant(rng.uniform(0.4, 0.6, size=(1, 61, 90, 3)), tf.float32)
    change, whole = contrast_change(image, 0.2), with_local_contrast(image, 0.2)
    for top, left in ((0, 0), (3, 8), (16, 21), (33, 50)):
        for height, width in ((61 - top, 90 - left), (20, 31)):
            place = np.s_[:, top : top + height, left : left + width]
            found = with_change(image[place], change, (top, left))
            np.testing.assert_allclose(found, whole[place], atol=1e-6)


def test_images_of_a_batch_are_raised_one_by_one(rng):
    images = rng.uniform(0.4, 0.6, size=(2, 40, 33, 3)).astype(np.float32)
    together = with_local_contrast(tf.constant(images), 0.2)
    for image, found in zip(images, together, strict=True):
        np.testing.assert_allclose(found, raised(image), atol=1e-6)


def test_one_graph_takes_all_sizes(rng):
    graph = tf.function(
        lambda images: with_local_contrast(images, 0.2),
        input_signature=[tf.TensorSpec([None, None, None, 3])],
        autograph=False,
    )
    for size in ((28, 33), (40, 64)):
        images = tf.constant(rng.uniform(0.4, 0.6, size=(1, *size, 3)), tf.float32)
        np.testing.assert_allclose(graph(images), with_local_contrast(images, 0.2), atol=1e-6)


@pytest.mark.parametrize("deviation", [0.0, 0.03])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_gradient_is_that_of_finite_differences(deviation, jit_compile, rng):
    image = tf.constant(clouds(rng, deviation, (40, 48))[None])
    along, weights = (tf.constant(clouds(rng, 1.0, (40, 48))[None] - 0.5) for _ in range(2))

    def loss(images):
        return float(np.sum(np.float64(with_local_contrast(images, 0.2)) * weights.numpy()))

    @tf.function(autograph=False, jit_compile=jit_compile)
    def gradient(images):
        with tf.GradientTape() as tape:
            tape.watch(images)
            total = tf.reduce_sum(with_local_contrast(images, 0.2) * weights)
        return tape.gradient(total, images)

    found = float(tf.reduce_sum(gradient(image) * along))
    step = 1e-3
    expected = (loss(image + step * along) - loss(image - step * along)) / (2.0 * step)
    assert found == pytest.approx(expected, rel=0.02)
