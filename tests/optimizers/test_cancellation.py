"""Cancellation: minimizations end within one evaluation, whoever asks and whenever."""

import threading
import time

import numpy as np
import pytest
import tensorflow as tf
from functions import ROSENBROCK_START, rosenbrock
from minimizers import minimize_tfp_lbfgs

from tf_style.optimizers.adam import minimize_adam
from tf_style.optimizers.cancellation import Cancellation
from tf_style.optimizers.lbfgs import minimize_lbfgs
from tf_style.optimizers.solution import Status

_SECONDS = 0.05  # Of one evaluation, far longer than all the rest.

every_minimizer = pytest.mark.parametrize(
    "minimize, most", [(minimize_lbfgs, 1), (minimize_tfp_lbfgs, 3), (minimize_adam, 1)]
)


class Slow:
    """Rosenbrock's function with evaluations that take time, and say when they begin."""

    def __init__(self, at_evaluation=None, action=None):
        self.began = []
        self._at, self._action = at_evaluation, action

    def __call__(self, position):
        tf.py_function(self._wait, [], [])
        return rosenbrock(position)

    def _wait(self):
        self.began.append(time.perf_counter())
        if len(self.began) == self._at:
            self._action()
        time.sleep(_SECONDS)


@every_minimizer
def test_a_cancelled_minimization_makes_no_more_evaluations_than_a_step_has(minimize, most):
    cancellation = Cancellation()
    function = Slow(8, cancellation.cancel)
    solution = minimize(function, ROSENBROCK_START, num_steps=10_000, cancellation=cancellation)
    assert solution.status is Status.CANCELLED
    assert 8 <= len(function.began) <= 7 + most
    assert 0 < solution.num_steps <= 8
    # The path up to there is that of a whole run.
    whole = minimize(rosenbrock, ROSENBROCK_START, num_steps=solution.num_steps)
    np.testing.assert_array_equal(solution.position, whole.position)
    assert solution.loss == whole.loss


@every_minimizer
def test_another_thread_ends_a_slice_that_would_last_for_minutes(minimize, most):
    cancellation = Cancellation()
    function = Slow(6, lambda: threading.Thread(target=cancellation.cancel).start())
    minimize(
        function,
        ROSENBROCK_START,
        num_steps=10_000,
        slice_seconds=1e9,
        cancellation=cancellation,
    )
    assert len(function.began) <= 6 + most


@every_minimizer
def test_what_is_cancelled_before_it_begins_stays_at_its_start(minimize, most):
    cancellation = Cancellation()
    cancellation.cancel()
    solution = minimize(rosenbrock, ROSENBROCK_START, num_steps=9, cancellation=cancellation)
    assert (solution.status, solution.num_steps) == (Status.CANCELLED, 0)
    np.testing.assert_array_equal(solution.position, ROSENBROCK_START)


def test_compiled_steps_are_cancelled_between_slices():
    cancellation, seen = Cancellation(), []

    def on_slice(step):
        seen.append(step)
        cancellation.cancel()

    solution = minimize_adam(
        rosenbrock,
        ROSENBROCK_START,
        num_steps=9,
        jit_compile=True,
        slice_seconds=0.0,
        on_slice=on_slice,
        cancellation=cancellation,
    )
    assert (solution.status, solution.num_steps, len(seen)) == (Status.CANCELLED, 1, 1)


def test_actions_are_called_once_and_only_in_their_block():
    cancellation, called = Cancellation(), []
    with cancellation.calling(lambda: called.append("left")):
        pass
    with cancellation.calling(lambda: called.append("inside")):
        assert not cancellation.is_cancelled
        cancellation.cancel()
        cancellation.cancel()
    with cancellation.calling(lambda: called.append("late")):
        assert called == ["inside", "late"]
    assert cancellation.is_cancelled


def test_slices_end_at_the_multiples_of_all_steps():
    seen = []
    minimize_tfp_lbfgs(
        rosenbrock,
        ROSENBROCK_START,
        num_steps=20,
        pause_every=5,
        steps_before=7,
        on_slice=lambda step: seen.append(7 + step.num_steps),
    )
    assert {10, 15, 20, 25} <= set(seen)
