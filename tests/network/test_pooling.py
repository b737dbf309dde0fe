"""Max pooling against a float64 loop, and its gradient against TensorFlow's."""

import numpy as np
import pytest
import reference
import tensorflow as tf

from tf_style.network.pooling import max_pooling


def pooled(inputs, upstream=None, operation=max_pooling):
    with tf.GradientTape() as tape:
        inputs = tf.constant(inputs)
        tape.watch(inputs)
        outputs = operation(inputs)
    return outputs.numpy(), tape.gradient(outputs, inputs, upstream).numpy()


def tensorflows_own(inputs):
    return tf.nn.max_pool2d(inputs, 2, 2, "VALID")


# Even sides, odd height, odd width, both odd, and a single window.
SHAPES = [(1, 8, 6, 5), (1, 7, 6, 2), (2, 6, 9, 3), (3, 5, 7, 1), (1, 2, 2, 4)]


@pytest.mark.parametrize("shape", SHAPES)
def test_values_and_gradient_agree_with_the_float64_reference(shape, rng):
    inputs = rng.normal(size=shape).astype("float32")
    height, width = shape[1] // 2, shape[2] // 2
    upstream = rng.normal(size=(shape[0], height, width, shape[3])).astype("float32")
    found, gradient = pooled(inputs, upstream)
    assert found.shape == upstream.shape
    assert gradient.shape == inputs.shape
    for picture, values, above, below in zip(inputs, found, upstream, gradient, strict=True):
        np.testing.assert_array_equal(values, reference.pool(picture, "max"))
        np.testing.assert_array_equal(below, reference.pool_back(above, picture, "max"))


def test_the_first_of_equal_values_gets_the_gradient_as_in_tensorflow(rng):
    inputs = rng.integers(0, 2, (1, 32, 32, 4)).astype("float32")
    upstream = rng.normal(size=(1, 16, 16, 4)).astype("float32")
    expected = pooled(inputs, upstream, tensorflows_own)
    for found, own in zip(pooled(inputs, upstream), expected, strict=True):
        np.testing.assert_array_equal(found, own)


def test_each_gradient_goes_to_exactly_one_input(rng):
    inputs = rng.normal(size=(2, 10, 8, 3))
    upstream = np.ones((2, 5, 4, 3))
    _, gradient = pooled(inputs, upstream)
    assert set(np.unique(gradient)) == {0.0, 1.0}
    assert gradient.sum() == upstream.sum()
