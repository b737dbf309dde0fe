"""Each convolution and its gradient against float64 ones in NumPy."""

import numpy as np
import pytest
import reference
import tensorflow as tf

from tf_style.network import convolution, winograd


def convolved(inputs, kernel):
    """Returns the float64 convolution of a batch."""
    kernel = kernel.astype(np.float64)
    return np.stack([reference.convolve(image.astype(np.float64), kernel) for image in inputs])


def convolved_back(upstream, kernel):
    kernel = kernel.astype(np.float64)
    return np.stack(
        [reference.convolve_back(image.astype(np.float64), kernel) for image in upstream]
    )


def random(rng, *shape):
    return rng.normal(size=shape).astype("float32")


SHAPES = [
    (1, 8, 8, 4, 4),
    (1, 7, 9, 3, 5),
    (2, 13, 6, 5, 3),
    (2, 4, 11, 1, 2),
    (1, 1, 1, 3, 4),
    (1, 1, 10, 2, 3),
    (2, 5, 1, 4, 1),
    (1, 2, 3, 130, 129),
]


@pytest.mark.parametrize("shape", SHAPES)
def test_winograd_convolution_agrees_with_float64(shape, rng):
    batch, height, width, channels, filters = shape
    inputs = random(rng, batch, height, width, channels)
    kernel = random(rng, 3, 3, channels, filters)
    expected = convolved(inputs, kernel)
    found = winograd.winograd_convolution(inputs, winograd.winograd_kernel(kernel))
    assert found.shape == expected.shape
    assert np.linalg.norm(found - expected) < 2e-6 * np.linalg.norm(expected)
    np.testing.assert_allclose(found, expected, atol=5e-6 * np.abs(expected).max())


def test_an_identity_kernel_returns_its_inputs(rng):
    kernel = np.zeros((3, 3, 2, 2), np.float32)
    kernel[1, 1] = np.eye(2)
    inputs = random(rng, 1, 9, 7, 2)
    found = winograd.winograd_convolution(inputs, winograd.winograd_kernel(kernel))
    np.testing.assert_allclose(found, inputs, atol=1e-5)


def test_a_turned_kernel_is_rotated_and_has_its_channels_swapped(rng):
    kernel = random(rng, 3, 3, 2, 4)
    turned = winograd.turned(kernel)
    assert turned.shape == (3, 3, 4, 2)
    for row, column, channel, filter_ in np.ndindex(*kernel.shape):
        value = turned[2 - row, 2 - column, filter_, channel]
        assert value == kernel[row, column, channel, filter_]
    np.testing.assert_array_equal(convolution.turned_in_graph(tf.constant(kernel)), turned)


def test_convolving_with_the_turned_kernel_is_the_gradient(rng):
    kernel, upstream = random(rng, 3, 3, 3, 4), random(rng, 1, 6, 5, 4)
    expected = convolved_back(upstream, kernel)
    np.testing.assert_allclose(
        convolved(upstream, winograd.turned(kernel)), expected, rtol=1e-12, atol=1e-12
    )


def winograd_relu(inputs, kernel, bias):
    points = winograd.winograd_kernel
    return winograd.winograd_relu(inputs, points(kernel), points(winograd.turned(kernel)), bias)


@pytest.mark.parametrize(
    ("operation", "tolerance"),
    [(convolution.convolution_relu, 1e-6), (winograd_relu, 1e-5)],
)
@pytest.mark.parametrize("shape", [(1, 7, 9, 3, 5), (2, 6, 4, 5, 3), (1, 1, 5, 2, 2)])
def test_values_and_gradients_agree_with_float64(operation, tolerance, shape, rng):
    batch, height, width, channels, filters = shape
    inputs = tf.constant(random(rng, batch, height, width, channels))
    kernel, bias = random(rng, 3, 3, channels, filters), random(rng, filters)
    upstream = random(rng, batch, height, width, filters)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = operation(inputs, kernel, bias)
    before = convolved(inputs.numpy(), kernel) + bias
    np.testing.assert_allclose(
        outputs, np.maximum(before, 0.0), atol=tolerance * np.abs(before).max()
    )
    expected = convolved_back(upstream * (before > 0.0), kernel)
    found = tape.gradient(outputs, inputs, upstream)
    np.testing.assert_allclose(found, expected, atol=tolerance * np.abs(expected).max())


def test_a_convolution_without_padding_is_the_middle_of_the_padded_one(rng):
    inputs, kernel, bias = random(rng, 2, 6, 7, 3), random(rng, 3, 3, 3, 4), random(rng, 4)
    found = convolution.inner_convolution_relu(inputs, kernel, bias)
    expected = np.maximum(convolved(inputs, kernel) + bias, 0.0)[:, 1:-1, 1:-1]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_one_graph_serves_all_sizes_and_channels(rng):
    counts = []
    for height, width, channels in ((4, 4, 9), (5, 9, 2), (1, 2, 9)):
        kernel = winograd.winograd_kernel(random(rng, 3, 3, channels, 11))
        winograd.winograd_convolution(random(rng, 1, height, width, channels), kernel)
        counts.append(winograd._winograd_graph().experimental_get_tracing_count())
    assert counts == counts[:1] * 3


def test_in_a_graph_winograds_convolution_keeps_the_known_sides(rng):
    @tf.function(input_signature=[tf.TensorSpec([None, 5, None, 9])], autograph=False)
    def convolve(inputs):
        kernel = winograd.winograd_kernel(random(rng, 3, 3, 9, 11))
        outputs = winograd.winograd_convolution(inputs, kernel)
        assert outputs.shape.as_list() == [None, 5, None, 11]
        return outputs

    assert convolve(random(rng, 1, 5, 7, 9)).shape == (1, 5, 7, 11)


def test_winograd_pays_only_with_many_channels_on_both_sides():
    assert winograd.winograd_pays((3, 3, 128, 256))
    assert not winograd.winograd_pays((3, 3, 64, 256))
    assert not winograd.winograd_pays((3, 3, 256, 64))


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_gradients_for_image_kernel_and_bias_are_tensorflows_own(padding, rng):
    operations = {
        "SAME": convolution.convolution_relu,
        "VALID": convolution.inner_convolution_relu,
    }
    x, kernel, bias = (
        tf.constant(rng.normal(size=shape).astype("float32"))
        for shape in ((2, 7, 6, 3), (3, 3, 3, 5), (5,))
    )
    shape = (2, 7, 6, 5) if padding == "SAME" else (2, 5, 4, 5)
    upstream = tf.constant(rng.normal(size=shape).astype("float32"))
    results = []
    for layer in (
        operations[padding],
        lambda x, k, b: tf.nn.relu(tf.nn.conv2d(x, k, 1, padding) + b),
    ):
        with tf.GradientTape() as tape:
            tape.watch([x, kernel, bias])
            y = layer(x, kernel, bias)
        results.append([y, *tape.gradient(y, [x, kernel, bias], upstream)])
    for found, expected in zip(*results, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
