"""The change of variables: linear, exact, with the transpose as the map of gradients."""

import numpy as np
import pytest
import tensorflow as tf
from reference import cosine_transform

from tf_style.engine.parametrization import (
    PARAMETRIZATIONS,
    image_of_spectrum,
    spectrum,
    spectrum_of_gradient,
    spectrum_of_image,
)

SIZES = [(8, 8), (5, 12), (33, 7), (1, 6), (6, 1), (2, 2), (1, 1), (101, 67)]


@pytest.mark.parametrize("size", [1, 2, 7, 40])
def test_each_row_and_column_is_the_orthonormal_cosine_transform(size):
    expected = cosine_transform(size)
    np.testing.assert_allclose(expected @ expected.T, np.eye(size), atol=1e-12)
    impulses = np.eye(size, dtype=np.float32)
    for axis, shape in ((1, (size, 1)), (2, (1, size))):
        images = np.repeat(impulses.reshape(size, *shape, 1), 3, 3)
        found = spectrum_of_image(images, spectrum(*shape)).numpy()
        assert found.shape == (3 * size, *shape), axis
        np.testing.assert_allclose(found.reshape(size, 3, size)[:, 0], expected.T, atol=1e-6)


@pytest.mark.parametrize("name", PARAMETRIZATIONS)
@pytest.mark.parametrize("size", SIZES)
def test_the_maps_to_positions_and_images_are_inverse(name, size, rng):
    kind = PARAMETRIZATIONS[name]
    basis = kind.basis(*size)
    image = tf.constant(rng.uniform(-0.5, 1.5, (1, *size, 3)), tf.float32)
    position = kind.to_position(image, basis)
    assert sum(position.shape) == sum(image.shape) - (1 if name == "spectrum" else 0)
    np.testing.assert_allclose(kind.to_image(position, basis), image, atol=1e-5)


@pytest.mark.parametrize("size", SIZES)
def test_the_spectrum_is_that_of_the_float64_transform(size, rng):
    basis = spectrum(*size)
    image = rng.uniform(size=(1, *size, 3))
    found = spectrum_of_image(tf.constant(image, tf.float32), basis)
    rows, columns = map(cosine_transform, size)
    for channel in range(3):
        expected = rows @ image[0, ..., channel] @ columns.T / basis.scale.numpy()
        np.testing.assert_allclose(found[channel], expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("jit_compile", [False, True])
def test_in_graphs_the_maps_are_the_same(jit_compile, rng):
    image = tf.constant(rng.uniform(size=(2, 5, 12, 3)), tf.float32)

    # XLA knows all sizes, other graphs none.
    @tf.function(
        autograph=False,
        jit_compile=jit_compile,
        input_signature=[tf.TensorSpec([2, 5, 12, 3] if jit_compile else [None] * 4)],
    )
    def there_and_back(image):
        basis = spectrum(*tf.unstack(tf.shape(image)[1:3]), exponent=0.5)
        position = spectrum_of_image(image, basis)
        return position, image_of_spectrum(position, basis)

    position, back = there_and_back(image)
    expected = spectrum_of_image(image, spectrum(5, 12, 0.5))
    np.testing.assert_allclose(position, expected, atol=1e-5)
    np.testing.assert_allclose(back, image, atol=1e-5)


def test_a_cosine_is_one_coefficient():
    height, width, down, across = 12, 20, 3, 5
    rows = np.cos(np.pi * (np.arange(height) + 0.5) * down / height)
    columns = np.cos(np.pi * (np.arange(width) + 0.5) * across / width)
    image = np.zeros((1, height, width, 3), np.float32)
    image[0, :, :, 1] = np.outer(rows, columns)
    found = spectrum_of_image(image, spectrum(height, width)).numpy()
    assert np.unravel_index(np.abs(found).argmax(), found.shape) == (1, down, across)
    largest = np.abs(found).max()
    found[1, down, across] = 0.0
    assert np.abs(found).max() < 1e-5 * largest


@pytest.mark.parametrize("size", SIZES)
def test_the_map_of_gradients_is_the_transpose_of_the_map_to_images(size, rng):
    basis = spectrum(*size)
    position = tf.constant(rng.normal(size=(3, *size)), tf.float32)
    gradient = tf.constant(rng.normal(size=(1, *size, 3)), tf.float32)
    image = image_of_spectrum(position, basis).numpy().astype(np.float64)
    position_gradient = spectrum_of_gradient(gradient, basis).numpy().astype(np.float64)
    expected = np.sum(image * gradient.numpy())
    size_of_terms = np.linalg.norm(image) * np.linalg.norm(gradient)
    found = np.sum(position.numpy() * position_gradient)
    assert abs(found - expected) < 1e-6 * size_of_terms


@pytest.mark.parametrize("size", [*SIZES, (96, 128)])
@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_scales_have_a_mean_square_of_1_and_fall_with_the_frequency(size, exponent):
    scale = spectrum(*size, exponent=exponent).scale.numpy().astype(np.float64)
    assert np.mean(scale**2) == pytest.approx(1.0, rel=1e-5)
    assert np.all(scale > 0.0)
    assert np.all(np.diff(scale, axis=0)[1:] <= 1e-6)
    assert np.all(np.diff(scale, axis=1)[:, 1:] <= 1e-6)
    if exponent == 0.0:
        np.testing.assert_allclose(scale, 1.0, rtol=1e-6)


def test_with_a_negative_exponent_scales_rise_with_the_frequency():
    scale = spectrum(64, 48, -0.25).scale.numpy().astype(np.float64)
    assert np.mean(scale**2) == pytest.approx(1.0, rel=1e-5)
    assert np.all(np.diff(scale, axis=0)[1:] > 0.0)
    assert scale[32, 0] / scale[2, 0] == pytest.approx(2.0, rel=1e-5)


def test_a_frequency_four_times_as_high_moves_half_as_far():
    scale = spectrum(64, 64, 0.5).scale.numpy()
    assert scale[4, 0] / scale[16, 0] == pytest.approx(2.0, rel=1e-5)
    assert scale[3, 4] / scale[12, 16] == pytest.approx(2.0, rel=1e-5)
    # The same frequency in cycles per px has the same scale along the shorter side.
    narrow = spectrum(32, 64).scale.numpy()
    assert narrow[8, 0] == pytest.approx(narrow[0, 16], rel=1e-5)
