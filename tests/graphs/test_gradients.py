"""Custom gradients: they are used, they free their graphs, and their mask hides no infinity."""

import gc
import weakref

import numpy as np
import pytest
import tensorflow as tf

from tf_style.graphs.gradients import custom_gradient, masked


def test_masked_values_are_zero_and_the_rest_is_unchanged(rng):
    values = rng.normal(size=(3, 5)).astype("float32")
    mask = rng.uniform(size=(3, 5)) < 0.5
    found = masked(tf.constant(values), tf.constant(mask))
    np.testing.assert_array_equal(found, np.where(mask, values, 0.0))


def test_a_mask_does_not_hide_infinities():
    found = masked(tf.constant([np.inf, np.inf, np.nan]), tf.constant([True, False, False]))
    np.testing.assert_array_equal(np.isfinite(found), [False, False, False])


@custom_gradient
def cube_with_custom_gradient(x):
    return x**3, lambda upstream: 7.0 * upstream


def traced(*, nested):
    """Returns a graph of the cube's gradient; `nested` calls the cube from an inner graph."""
    inner = tf.function(cube_with_custom_gradient) if nested else None

    @tf.function(autograph=False)
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = (inner or cube_with_custom_gradient)(x)
        return value, tape.gradient(value, x)

    return gradient


@pytest.mark.parametrize("nested", [False, True])
def test_a_custom_gradient_is_used_in_graphs(nested):
    value, slope = traced(nested=nested)(tf.constant(2.0))
    assert (float(value), float(slope)) == (8.0, 7.0)
    with tf.GradientTape() as tape:
        x = tf.Variable(2.0)
        value = cube_with_custom_gradient(x * 1.0)
    assert float(tape.gradient(value, x)) == 7.0


@pytest.mark.parametrize("nested", [False, True])
def test_graphs_with_custom_gradients_are_freed(nested):
    """With plain `tf.custom_gradient`, TensorFlow's table of gradients keeps them forever."""
    function = traced(nested=nested)
    function(tf.constant(2.0))
    held = weakref.ref(function.get_concrete_function(tf.constant(2.0)).graph)
    assert held() is not None
    del function
    gc.collect()
    assert held() is None
