"""Raised contrasts, against loops in float64, closed forms and properties."""

import numpy as np
import pytest
import tensorflow as tf
from local_contrast_loops import contrast_in_loops

from tf_style.feedforward.local_contrast import with_local_contrast


def raised(image, deviation=0.2):
    """Returns an image `[h, w, 3]` with its contrasts raised."""
    return with_local_contrast(tf.constant(image[None], tf.float32), deviation)[0].numpy()


def cells_of(rng, deviation, *, sides=(12, 15)):
    """Returns an image of flat cells of 8 px with random colors around gray."""
    colors = 0.5 + deviation * rng.normal(size=(*sides, 3))
    return colors.repeat(8, 0).repeat(8, 1).astype(np.float32)


@pytest.mark.parametrize("size", [(8, 8), (15, 16), (28, 33), (61, 90)])
def test_it_is_that_of_loops_in_float64(size, rng):
    image = rng.uniform(0.4, 0.6, size=(*size, 3)).astype(np.float32)
    expected = contrast_in_loops(image, 0.2)
    np.testing.assert_allclose(raised(image), expected, atol=2e-5)
    assert min(size) < 16 or np.abs(expected - image).max() > 0.01


@pytest.mark.parametrize("size", [(64, 64), (61, 90)])
def test_a_slope_has_no_contrast_not_even_at_the_border(size):
    rows, columns = np.mgrid[: size[0], : size[1]] / 100.0
    image = np.stack([rows, columns, 1.0 - rows - columns], -1).astype(np.float32)
    np.testing.assert_allclose(raised(image), image, atol=1e-4)


def test_strong_contrasts_stay(rng):
    image = cells_of(rng, 0.4)
    np.testing.assert_array_equal(raised(image), image)


def test_weak_contrasts_get_the_deviation(rng):
    before, after = (cells_of(rng, 0.05, sides=(40, 40)), None)
    after = raised(before)
    centers = np.s_[4::8, 4::8]
    found = after[centers].std() / before[centers].std()
    assert 1.5 < found < 0.2 / 0.05  # The largest contrasts nearby are larger than 0.05.


def test_the_faintest_are_raised_tenfold_at_most(rng):
    image = cells_of(rng, 1e-4)
    change = np.abs(raised(image) - image).max()
    assert 5.0 * 1e-4 < change < 9.0 * 5.0 * 1e-4


def test_what_is_finer_than_a_cell_is_not_raised():
    image = np.full((64, 64, 3), 0.5, np.float32)
    image[::2] += 0.02
    np.testing.assert_allclose(raised(image), image, atol=1e-6)


def test_contrasts_move_with_the_photograph(rng):
    image = cells_of(rng, 0.05, sides=(40, 40))
    moved = raised(image[16:, 8:])
    inner = np.s_[96:-96, 96:-96]
    np.testing.assert_allclose(moved[inner], raised(image)[16:, 8:][inner], atol=1e-5)


def test_images_of_a_batch_are_raised_one_by_one(rng):
    images = rng.uniform(0.4, 0.6, size=(2, 40, 33, 3)).astype(np.float32)
    together = with_local_contrast(tf.constant(images), 0.2)
    for image, found in zip(images, together, strict=True):
        np.testing.assert_allclose(found, raised(image), atol=1e-6)


def test_one_graph_takes_all_sizes(rng):
    graph = tf.function(
        with_local_contrast,
        input_signature=[tf.TensorSpec([None, None, None, 3]), tf.TensorSpec([])],
        autograph=False,
    )
    for size in ((28, 33), (40, 64)):
        images = tf.constant(rng.uniform(0.4, 0.6, size=(1, *size, 3)), tf.float32)
        np.testing.assert_allclose(graph(images, 0.2), with_local_contrast(images, 0.2), atol=1e-6)


@pytest.mark.parametrize("deviation", [0.0, 0.03])
def test_the_gradient_is_that_of_finite_differences(deviation, rng):
    image = tf.constant(cells_of(rng, deviation, sides=(4, 5))[None])
    along = tf.constant(rng.normal(size=image.shape), tf.float32)
    weights = tf.constant(rng.normal(size=image.shape), tf.float32)

    def loss(images):
        return float(np.sum(np.float64(with_local_contrast(images, 0.2)) * weights.numpy()))

    with tf.GradientTape() as tape:
        tape.watch(image)
        total = tf.reduce_sum(with_local_contrast(image, 0.2) * weights)
    found = float(tf.reduce_sum(tape.gradient(total, image) * along))
    step = 1e-3
    expected = (loss(image + step * along) - loss(image - step * along)) / (2.0 * step)
    assert found == pytest.approx(expected, rel=0.02, abs=0.5)
