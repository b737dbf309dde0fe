"""Minimizers in a graph: they take the same path as those that Python drives."""

import functools

import numpy as np
import pytest
import tensorflow as tf
from functions import MINIMUM, ROSENBROCK_START, bowl, rosenbrock
from minimizers import minimize_tfp_lbfgs

from tf_style.config.optimizer import OptimizerConfig
from tf_style.optimizers.adam import minimize_adam
from tf_style.optimizers.lbfgs import minimize_lbfgs
from tf_style.optimizers.scaling import unit_scale
from tf_style.optimizers.table import OPTIMIZERS

DRIVEN_BY_PYTHON = {"lbfgs": minimize_lbfgs, "tfp_lbfgs": minimize_tfp_lbfgs, "adam": minimize_adam}


@functools.cache  # Tracing takes seconds.
def minimizer(function, shape, optimizer, *, in_place=True, jit_compile=False, **options):
    """Returns the minimizer as a graph: a function of start, number of steps and loss factor."""
    config = OptimizerConfig(optimizer=optimizer, **options)
    minimize = OPTIMIZERS[optimizer].in_graph
    size = tf.TensorShape(shape).num_elements()

    def scaled(start, num_steps, factor):
        def flat(position):
            value, gradient = function(tf.reshape(position, shape))
            return value * factor, tf.reshape(gradient * factor, [-1])

        return minimize(flat, start, config, num_steps=num_steps, in_place=in_place)

    graph = tf.function(
        scaled,
        input_signature=[
            tf.TensorSpec([size if jit_compile else None], tf.float64),
            tf.TensorSpec([], tf.int32),
            tf.TensorSpec([], tf.float64),
        ],
        jit_compile=jit_compile,
    )

    def run(start, num_steps, factor=1.0):
        found = graph(tf.reshape(start, [-1]), num_steps, factor)
        return found._replace(position=tf.reshape(found.position, shape))

    return run


@pytest.mark.parametrize("optimizer", DRIVEN_BY_PYTHON)
def test_the_path_is_that_of_the_driver_in_python(optimizer):
    run = minimizer(rosenbrock, (4,), optimizer)
    np.testing.assert_array_equal(run(ROSENBROCK_START, 0).position, ROSENBROCK_START)
    for num_steps in (1, 7, 40):
        found = run(ROSENBROCK_START, num_steps)
        expected = DRIVEN_BY_PYTHON[optimizer](rosenbrock, ROSENBROCK_START, num_steps=num_steps)
        np.testing.assert_allclose(found.position, expected.position, rtol=1e-12)
        assert float(found.value) == pytest.approx(expected.loss, rel=1e-12)
        assert int(found.num_steps) == expected.num_steps
        assert int(found.num_evaluations) == expected.num_evaluations


@pytest.mark.parametrize(
    ("optimizer", "factor"), [("lbfgs", 1e30), ("lbfgs", 1e-30), ("tfp_lbfgs", 1e30)]
)
def test_the_minimum_is_found_whatever_the_scale(optimizer, factor):
    found = minimizer(bowl, (3, 4), optimizer)(tf.zeros([3, 4], tf.float64), 60, factor)
    np.testing.assert_allclose(found.position, MINIMUM, atol=1e-5)


def test_the_copying_form_gives_the_same_bits():
    one, other = (
        minimizer(rosenbrock, (4,), "lbfgs", **options)(ROSENBROCK_START, 25)
        for options in ({}, {"in_place": False})
    )
    np.testing.assert_array_equal(one.position, other.position)


@pytest.mark.parametrize("optimizer", DRIVEN_BY_PYTHON)
def test_compiled_by_xla_the_minimum_is_the_same(optimizer):
    options = {"in_place": False, "jit_compile": True, "learning_rate": 0.1}
    found = minimizer(bowl, (3, 4), optimizer, **options)(tf.zeros([3, 4], tf.float64), 300)
    np.testing.assert_allclose(found.position, MINIMUM, atol=1e-3)
    assert int(found.num_steps) <= 300


def test_at_the_minimum_no_step_is_made():
    found = minimizer(bowl, (3, 4), "lbfgs")(tf.constant(MINIMUM), 5)
    assert int(found.num_steps) == 0
    np.testing.assert_array_equal(found.position, MINIMUM)


@pytest.mark.parametrize(("length", "expected"), [(1.0, 1.0), (3.1, 0.25), (1e-3, 1024.0), (0, 1)])
def test_the_scale_is_the_power_of_two_that_brings_the_gradient_to_one(length, expected):
    assert float(unit_scale(tf.fill([7], length))) == expected
    assert float(unit_scale(tf.constant([1e35, -1e35]))) == 2.0**-100


def test_for_xla_the_graph_of_lbfgs_holds_the_function_once():
    calls = []

    @tf.function
    def graph(start):
        def flat(position):
            calls.append(position)
            return tf.reduce_sum(position**2), 2.0 * position

        return OPTIMIZERS["lbfgs"].in_graph(
            flat, start, OptimizerConfig(), num_steps=3, in_place=False
        )

    assert float(graph(tf.ones([4])).value) < 4.0
    assert len(calls) == 1


def test_for_xla_a_step_that_is_a_thousand_times_too_long_is_shortened():
    def steep(position):  # Its minimum is a thousandth of the first step away.
        return 1e8 * tf.reduce_sum(position**2), 2e8 * position

    start = tf.fill([4], tf.constant(1e-5, tf.float64))
    options = {"num_steps": 1, "in_place": False}
    found = OPTIMIZERS["lbfgs"].in_graph(steep, start, OptimizerConfig(), **options)
    assert int(found.num_steps) == 1
    assert int(found.num_evaluations) < 12
    assert float(found.value) < float(steep(start)[0])
