"""Resizing in graphs: gives what Pillow gives, for static and dynamic sizes."""

import numpy as np
import pytest
import tensorflow as tf

from tf_style.images import resizing
from tf_style.images.graph_resizing import cover, lanczos_matrix, resize, size_of

SIZES = [((31, 40), (16, 20)), ((31, 40), (62, 81)), ((7, 90), (13, 11)), ((20, 20), (20, 7))]


@pytest.mark.parametrize(("old", "new"), SIZES)
def test_resize_gives_what_pillow_gives(rng, old, new):
    image = rng.random((1, *old, 3), np.float32)
    expected = resizing.resize(image, new, clip=False)
    np.testing.assert_allclose(resize(tf.constant(image), new), expected, atol=2e-6)


@pytest.mark.parametrize("scaled", [resize, cover])
def test_each_image_of_a_batch_is_resized(rng, scaled):
    images = tf.constant(rng.random((3, 31, 40, 3), np.float32))
    together = scaled(images, (16, 20))
    for row in range(3):
        np.testing.assert_array_equal(together[row], scaled(images[row : row + 1], (16, 20))[0])


@pytest.mark.parametrize(("old", "new"), SIZES)
def test_cover_gives_what_pillow_gives(rng, old, new):
    image = rng.random((1, *old, 3), np.float32)
    found = tf.clip_by_value(cover(tf.constant(image), new), 0.0, 1.0)
    np.testing.assert_allclose(found, resizing.cover(image, new), atol=2e-6)


@pytest.mark.parametrize(("old", "new"), [*SIZES, ((12, 9), (12, 9))])
def test_dynamic_sizes_give_the_same_bits(rng, old, new):
    image = tf.constant(rng.random((1, *old, 3), np.float32))
    graph = tf.function(
        lambda image, size: resize(image, tf.unstack(size)),
        input_signature=[
            tf.TensorSpec([1, None, None, 3], tf.float32),
            tf.TensorSpec([2], tf.int32),
        ],
    )
    np.testing.assert_array_equal(graph(image, tf.constant(new)), resize(image, new))


def test_an_image_of_the_right_size_is_returned_unchanged(rng):
    image = tf.constant(rng.random((1, 9, 12, 3), np.float32))
    assert resize(image, (9, 12)) is image
    assert size_of(image) == (9, 12)


@pytest.mark.parametrize(("old", "new"), [(40, 13), (13, 40), (5, 5)])
def test_a_row_of_ones_stays_one(old, new):
    np.testing.assert_allclose(tf.reduce_sum(lanczos_matrix(old, new), 1), np.ones(new), rtol=1e-6)


def test_the_same_length_is_the_identity():
    np.testing.assert_allclose(lanczos_matrix(9, 9), np.eye(9), atol=1e-7)
