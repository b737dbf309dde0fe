"""Resumed minimizations end where uninterrupted ones do, to the bit."""

import functools

import numpy as np
import pytest
import tensorflow as tf
from functions import ROSENBROCK_START, bowl, rosenbrock
from minimizers import minimize_tfp_lbfgs

from tf_style.optimizers.adam import minimize_adam
from tf_style.optimizers.lbfgs import minimize_lbfgs

# A short history, so that its ring soon wraps around.
MINIMIZERS = {
    "lbfgs": functools.partial(minimize_lbfgs, history=3),
    "lbfgs in bfloat16": functools.partial(minimize_lbfgs, history=3, bfloat16_history=True),
    "tfp_lbfgs": functools.partial(minimize_tfp_lbfgs, history=3),
    "adam": minimize_adam,
}
STEPS = 23


def rippled(x):
    """A bowl whose gradient ignores its ripples, so that steps and line searches fail."""
    curvature = tf.constant([1.0, 20.0, 3.0, 0.2, 7.0], tf.float64)
    value = tf.reduce_sum(curvature * x**2)
    return value + 0.5 * tf.cos(20.0 * value), 2.0 * curvature * x


FUNCTIONS = {
    "rosenbrock": (rosenbrock, ROSENBROCK_START),
    "rippled": (rippled, tf.constant([1.0, -0.7, 0.3, 2.0, -1.1], tf.float64)),
}


def copied(state):
    """Returns the state as a file would store it."""
    return {name: np.array(value) for name, value in state.items()}


def states(minimize, function, start, num_steps=STEPS, **options):
    """Returns every state of a run with a slice for each step, and its solution."""
    found = []

    def on_slice(step):
        found.append(copied(step.state()))

    solution = minimize(
        function, start, num_steps=num_steps, pause_every=1, on_slice=on_slice, **options
    )
    return found, solution


def same(one, other):
    np.testing.assert_array_equal(one.position, other.position)
    assert one[1:] == other[1:]


@pytest.mark.parametrize("which", FUNCTIONS)
@pytest.mark.parametrize("name", MINIMIZERS)
def test_a_resumed_run_ends_where_the_uninterrupted_one_does(name, which):
    function, start = FUNCTIONS[which]
    minimize = MINIMIZERS[name]
    uninterrupted = minimize(function, start, num_steps=STEPS)
    found, in_slices = states(minimize, function, start)
    same(in_slices, uninterrupted)
    assert len(found) > 8
    for state in found[::4]:
        same(minimize(function, start, num_steps=STEPS, resume_from=state), uninterrupted)


@pytest.mark.parametrize("name", MINIMIZERS)
def test_a_run_resumed_at_its_end_is_reported_once_and_makes_no_step(name):
    function, start = FUNCTIONS["rosenbrock"]
    found, solution = states(MINIMIZERS[name], function, start)
    seen = []
    again = MINIMIZERS[name](
        function, start, num_steps=STEPS, resume_from=found[-1], on_slice=seen.append
    )
    same(again, solution)
    assert [step.num_steps for step in seen] == [STEPS]


def test_the_test_function_makes_the_line_search_fail():
    found, _ = states(minimize_lbfgs, *FUNCTIONS["rippled"])
    assert {(12, 1), (12, 2), (13, 3)} <= {
        (int(state["since"]), int(state["restarts"])) for state in found
    }
    found, _ = states(minimize_tfp_lbfgs, *FUNCTIONS["rippled"])
    assert {(0, 0), (5, 0), (5, 3)} <= {
        (int(state["start_num_steps"]), int(state["restarts"])) for state in found
    }


@pytest.mark.parametrize("name", MINIMIZERS)
def test_a_state_of_another_minimization_is_refused(name):
    function, start = bowl, tf.ones((3, 4), tf.float64)
    state = states(MINIMIZERS[name], function, start, num_steps=2)[0][0]
    other, other_start = FUNCTIONS["rosenbrock"]
    with pytest.raises(ValueError, match=r"must hold '\w+', float64 \[4\]. Received: float64"):
        MINIMIZERS[name](other, other_start, num_steps=4, resume_from=state)
    state.pop("position")
    with pytest.raises(ValueError, match="must hold 'position'.* Received: none"):
        MINIMIZERS[name](function, start, num_steps=4, resume_from=state)


def test_a_state_that_is_held_is_not_changed_by_later_steps():
    function, start = FUNCTIONS["rosenbrock"]
    held = []
    minimize_lbfgs(
        function,
        start,
        num_steps=9,
        pause_every=1,
        on_slice=lambda step: held.append((step.state(), copied(step.state()))) and None,
    )
    for state, copy in held:
        for name, value in state.items():
            np.testing.assert_array_equal(value, copy[name], err_msg=name)
