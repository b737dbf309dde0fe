"""Minimisers in a graph: the path of those that Python leads, to the bit."""

import numpy as np
import pytest
import tensorflow as tf
from functions import MINIMUM, ROSENBROCK_START, bowl, rosenbrock, scaled_bowl

from tf_style.adam import minimize_adam
from tf_style.graph_minimizers import graph_minimizer
from tf_style.lbfgs import minimize_lbfgs
from tf_style.lbfgs_graph import unit_scale
from tf_style.options import OptimizerConfig
from tf_style.tfp_lbfgs import minimize_tfp_lbfgs

LED_BY_PYTHON = {"lbfgs": minimize_lbfgs, "tfp_lbfgs": minimize_tfp_lbfgs, "adam": minimize_adam}


def in_graph(function, start, optimizer, num_steps, **options):
    """Where the minimiser ends in a graph."""
    return minimiser(function, start, optimizer, **options)(num_steps)


def minimiser(function, start, optimizer, *, in_place=True, jit_compile=False, **options):
    """The minimiser as one graph for starts of any length: a function of the number of steps."""
    minimize = graph_minimizer(OptimizerConfig(optimizer=optimizer, **options), in_place=in_place)

    def flat(position):
        value, gradient = function(tf.reshape(position, start.shape))
        return value, tf.reshape(gradient, [-1])

    graph = tf.function(
        lambda start, num_steps: minimize(flat, start, num_steps),
        input_signature=[
            tf.TensorSpec([start.shape.num_elements() if jit_compile else None], start.dtype),
            tf.TensorSpec([], tf.int32),
        ],
        jit_compile=jit_compile,
    )

    def run(num_steps):
        found = graph(tf.reshape(start, [-1]), tf.constant(num_steps))
        return found._replace(position=tf.reshape(found.position, start.shape))

    return run


@pytest.mark.parametrize("optimizer", LED_BY_PYTHON)
def test_the_path_is_the_one_that_python_leads(optimizer):
    run = minimiser(rosenbrock, ROSENBROCK_START, optimizer)
    np.testing.assert_array_equal(run(0).position, ROSENBROCK_START)
    for num_steps in (1, 7, 40):
        found = run(num_steps)
        expected = LED_BY_PYTHON[optimizer](rosenbrock, ROSENBROCK_START, num_steps=num_steps)
        np.testing.assert_allclose(found.position, expected.position, rtol=1e-12)
        assert float(found.value) == pytest.approx(expected.loss, rel=1e-12)
        assert int(found.num_steps) == expected.num_steps
        assert int(found.num_evaluations) == expected.num_evaluations


@pytest.mark.parametrize(
    ("optimizer", "factor"), [("lbfgs", 1e30), ("lbfgs", 1e-30), ("tfp_lbfgs", 1e30)]
)
def test_the_minimum_is_found_whatever_the_scale(optimizer, factor):
    start = tf.zeros([3, 4], tf.float64)
    found = in_graph(scaled_bowl(factor), start, optimizer, 60)
    np.testing.assert_allclose(found.position, MINIMUM, atol=1e-5)


def test_the_copying_form_gives_the_same_bits():
    one, other = (
        in_graph(rosenbrock, ROSENBROCK_START, "lbfgs", 25, in_place=in_place, history=6)
        for in_place in (True, False)
    )
    np.testing.assert_array_equal(one.position, other.position)


@pytest.mark.parametrize("optimizer", LED_BY_PYTHON)
def test_compiled_by_xla_the_minimum_is_the_same(optimizer):
    start, rate = tf.zeros([3, 4], tf.float64), {"learning_rate": 0.1}
    found = in_graph(bowl, start, optimizer, 300, in_place=False, jit_compile=True, **rate)
    np.testing.assert_allclose(found.position, MINIMUM, atol=1e-3)
    assert int(found.num_steps) <= 300


def test_at_the_minimum_no_step_is_made():
    found = in_graph(bowl, tf.constant(MINIMUM), "lbfgs", 5)
    assert int(found.num_steps) == 0
    np.testing.assert_array_equal(found.position, MINIMUM)


@pytest.mark.parametrize(("length", "expected"), [(1.0, 1.0), (3.1, 0.25), (1e-3, 1024.0), (0, 1)])
def test_the_scale_is_the_power_of_two_that_brings_the_gradient_to_one(length, expected):
    assert float(unit_scale(tf.fill([7], length))) == expected
    assert float(unit_scale(tf.constant([1e35, -1e35]))) == 2.0**-100
