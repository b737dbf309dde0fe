"""L-BFGS that tries the unit step first, compared with textbook formulas and known minima."""

import time

import numpy as np
import pytest
import tensorflow as tf
from functions import MINIMUM, ROSENBROCK_START, bowl, rosenbrock, with_gradient

from tf_style.optimizers import lbfgs, lbfgs_direction, lbfgs_state, lbfgs_steps
from tf_style.optimizers.lbfgs import minimize_lbfgs
from tf_style.optimizers.solution import Status


def two_loop(gradient, pairs):
    """Returns -H g by Nocedal & Wright (2006), algorithm 7.4 and eq. 7.20; oldest pair first."""
    q, alphas = gradient.astype(np.float64), []
    for s, y in reversed(pairs):
        alphas.append(s @ q / (y @ s))
        q = q - alphas[-1] * y
    s, y = pairs[-1]
    r = s @ y / (y @ y) * q
    for (s, y), alpha in zip(pairs, reversed(alphas), strict=True):
        r = r + s * (alpha - y @ r / (y @ s))
    return -r


HISTORY = 4


def walk(rng, num_pairs, size=9, dtype=tf.float64, stored_as=None, in_place=True):
    """Returns a state after random steps on a random quadratic, and the pairs of these steps."""
    root = rng.normal(size=(size, size))
    curvature = root @ root.T + np.eye(size)
    positions = np.cumsum(rng.normal(size=(num_pairs + 1, size)), 0)
    state = lbfgs_state.initial_state(
        tf.constant(positions[0], dtype), HISTORY, stored_as=stored_as
    )
    state = state._replace(gradient=tf.constant(curvature @ positions[0], dtype))
    for position in positions[1:]:
        value = tf.constant(0.5 * position @ curvature @ position, dtype)
        gradient = tf.constant(curvature @ position, dtype)
        state = lbfgs_steps.advanced(
            state, tf.constant(position, dtype), value, gradient, in_place=in_place
        )
    moves = np.diff(positions, axis=0)
    return state, [(move, curvature @ move) for move in moves]


# One pair; rings partly full, just full, just wrapped around, wrapped twice, and beyond.
@pytest.mark.parametrize("num_pairs", [1, 3, 4, 5, 8, 11])
@pytest.mark.parametrize(("dtype", "tolerance"), [(tf.float64, 1e-9), (tf.float32, 1e-3)])
def test_the_direction_is_that_of_the_two_loop_recursion(rng, num_pairs, dtype, tolerance):
    state, pairs = walk(rng, num_pairs, dtype=dtype)
    assert int(state.num_pairs) == num_pairs
    expected = two_loop(state.gradient.numpy(), pairs[-HISTORY:])
    found = lbfgs_direction.search_direction(state)
    assert found.dtype == dtype
    assert np.linalg.norm(found - expected) < tolerance * np.linalg.norm(expected)


@pytest.mark.parametrize("num_pairs", [1, 3, 4, 5, 11])
@pytest.mark.parametrize("in_place", [True, False])
def test_with_a_history_in_bfloat16_the_direction_is_that_of_the_rounded_pairs(
    rng, num_pairs, in_place
):
    state, pairs = walk(rng, num_pairs, stored_as=tf.bfloat16, in_place=in_place)
    assert state.pairs.dtype == tf.bfloat16
    assert int(state.num_pairs) == num_pairs
    rounded = [
        [tf.cast(tf.cast(each, tf.bfloat16), tf.float64).numpy() for each in pair] for pair in pairs
    ]
    expected = two_loop(state.gradient.numpy(), rounded[-HISTORY:])
    np.testing.assert_allclose(lbfgs_direction.search_direction(state), expected, rtol=1e-9)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_with_a_history_in_bfloat16_the_minimum_is_the_same(jit_compile):
    found = minimize_lbfgs(
        rosenbrock, ROSENBROCK_START, num_steps=200, bfloat16_history=True, jit_compile=jit_compile
    )
    np.testing.assert_allclose(found.position, np.ones(len(ROSENBROCK_START)), atol=1e-6)


def test_without_pairs_the_direction_is_steepest_descent_of_the_first_steps_length(rng):
    state, _ = walk(rng, 0)
    gradient = state.gradient.numpy()
    for empty in (
        state,
        lbfgs_state.without_history(walk(rng, 6)[0])._replace(gradient=state.gradient),
    ):
        found = lbfgs_direction.step_direction(empty, tf.constant(0.03, tf.float64)).numpy()
        expected = -0.03 * gradient / np.sqrt(np.mean(gradient**2))
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_after_clearing_the_history_only_new_pairs_count(rng):
    state, _ = walk(rng, 6)
    state = lbfgs_state.without_history(state)
    move, change = rng.normal(size=9), np.arange(1.0, 10.0)
    change *= np.sign(move)  # Positive curvature.
    after = lbfgs_steps.advanced(state, state.position + move, state.value, state.gradient + change)
    expected = two_loop(after.gradient.numpy(), [(move, change)])
    np.testing.assert_allclose(lbfgs_direction.search_direction(after), expected, rtol=1e-9)


@pytest.mark.parametrize("num_pairs", [0, 2, 6])
@pytest.mark.parametrize("curvature", [-1.0, 0.0])
def test_pairs_without_positive_curvature_are_not_stored(rng, num_pairs, curvature):
    state, pairs = walk(rng, num_pairs)
    move = rng.normal(size=9)
    after = lbfgs_steps.advanced(
        state, state.position + move, state.value, state.gradient + curvature * move
    )
    assert int(after.num_pairs) == num_pairs
    assert int(after.num_steps) == int(state.num_steps) + 1
    np.testing.assert_array_equal(after.position, state.position + move)
    if pairs:
        expected = two_loop(after.gradient.numpy(), pairs[-HISTORY:])
        np.testing.assert_allclose(lbfgs_direction.search_direction(after), expected, rtol=1e-8)


def test_a_bowl_takes_about_as_many_steps_as_it_has_dimensions():
    solution = minimize_lbfgs(bowl, tf.zeros((3, 4), tf.float64), num_steps=24)
    start = float(bowl(tf.zeros((3, 4), tf.float64))[0])
    assert solution.num_steps == 24
    assert solution.loss < 1e-10 * start
    assert solution.num_evaluations <= 1.1 * solution.num_steps


def test_the_first_step_has_the_requested_length():
    seen = []
    start = tf.zeros((3, 4), tf.float64)
    minimize_lbfgs(bowl, start, num_steps=1, first_step=0.03, on_slice=seen.append)
    assert np.sqrt(np.mean(seen[0].position.numpy() ** 2)) == pytest.approx(0.03)


@pytest.fixture
def searches(monkeypatch):
    """Records each time the line search is traced."""
    real, found = lbfgs.search, []

    def counted(*arguments, **options):
        found.append(1)
        return real(*arguments, **options)

    monkeypatch.setattr(lbfgs, "search", counted)
    return found


def sphere():
    return with_gradient(lambda x: tf.reduce_sum(x**2))


def test_a_run_ends_where_the_gradient_is_zero():
    # The first step, along the gradient, ends exactly at the minimum.
    solution = minimize_lbfgs(sphere(), tf.ones(4, tf.float64), num_steps=50, first_step=1.0)
    assert (solution.status, solution.num_steps) == (Status.CONVERGED, 1)
    np.testing.assert_array_equal(solution.position, np.zeros(4))


def test_a_unit_step_that_fails_is_shortened_to_the_parabolas_minimum(searches):
    # Along x the loss is 4 x**2. From 1, a step of 3 ends at -2, which is too high. The parabola
    # has its minimum at a third of the step.
    solution = minimize_lbfgs(sphere(), tf.ones(4, tf.float64), num_steps=1, first_step=3.0)
    np.testing.assert_allclose(solution.position, np.zeros(4), atol=1e-12)
    assert (solution.num_steps, solution.num_evaluations) == (1, 3)
    assert not searches


def test_if_a_tenth_of_the_step_fails_too_the_line_search_finds_a_step(searches):
    # Steps of 0.01 and 0.001 both go far beyond the minimum, which is 0.0001 away.
    start = tf.fill([4], tf.constant(1e-4, tf.float64))
    solution = minimize_lbfgs(sphere(), start, num_steps=1, first_step=0.01)
    assert searches
    assert solution.status is Status.STEPS_USED
    assert solution.num_steps == 1
    assert solution.num_evaluations >= 4
    assert solution.loss < 4e-8


def contrary(x):
    """A bowl whose gradient points uphill, so that no step can lower the value."""
    value, gradient = bowl(x)
    return value, -gradient


def test_if_no_step_lowers_the_value_the_result_is_the_start_with_that_status():
    start = tf.ones((3, 4), tf.float64)
    solution = minimize_lbfgs(contrary, start, num_steps=50)
    assert solution.status is Status.LINE_SEARCH_FAILED
    np.testing.assert_array_equal(solution.position, start)
    assert solution.loss == pytest.approx(float(bowl(start)[0]), rel=1e-12)
    assert solution.num_steps == 0


def test_a_run_that_gains_nothing_can_be_cancelled():
    seen = []
    start = tf.ones((3, 4), tf.float64)
    solution = minimize_lbfgs(contrary, start, num_steps=50, on_slice=lambda s: not seen.append(s))
    assert (solution.status, solution.num_steps, len(seen)) == (Status.CANCELLED, 0, 1)


def test_within_a_deadline_the_line_search_is_not_traced(searches):
    start = tf.fill([4], tf.constant(1e-4, tf.float64))
    deadline = time.perf_counter() + 1000.0
    solution = minimize_lbfgs(sphere(), start, num_steps=3, first_step=0.01, deadline=deadline)
    assert not searches
    assert solution.num_steps >= 1  # Two may end exactly at the minimum.
    assert solution.loss < 4e-8


def test_a_direction_turned_uphill_by_rounding_does_not_raise_the_value():
    start = tf.constant([1.0, 2.0, 3.0], tf.float64)
    state = lbfgs_state.initial_state(start, 2)
    state = lbfgs_steps.advance(sphere(), state, first_step=0.01, last_step=1)
    # A stored product of the wrong sign: the direction becomes -scale * gradient, scale < 0.
    uphill = state._replace(inner=-1e-6 * state.inner)
    slope = float(tf.tensordot(lbfgs_direction.search_direction(uphill), state.gradient, 1))
    assert slope > 0.0
    after = lbfgs_steps.advance(sphere(), uphill, first_step=0.01, last_step=2)
    assert float(after.value) <= float(state.value)


def test_a_trial_step_with_a_nan_is_rejected():
    met = []

    @with_gradient
    def logarithmic(x):  # Minimum at 1; NaN below 0.
        value = tf.reduce_sum(x - tf.math.log(x))
        tf.py_function(lambda value: met.append(float(value)), [value], [])
        return value

    start = tf.constant([2.0, 3.0, 2.5], tf.float64)
    solution = minimize_lbfgs(logarithmic, start, num_steps=60, first_step=10.0)
    assert np.isnan(met).any()
    np.testing.assert_allclose(solution.position, np.ones(3), atol=1e-5)


def test_a_trial_step_with_a_lower_value_and_a_nan_gradient_is_rejected():
    def trap(x):
        value, gradient = sphere()(x)
        trapped = tf.reduce_all(x < 0.6)
        return value, tf.where(trapped, tf.constant(np.nan, x.dtype), gradient)

    solution = minimize_lbfgs(trap, tf.ones(4, tf.float64), num_steps=5, first_step=0.5)
    assert np.all(solution.position >= 0.6)
    assert np.isfinite(solution.loss)


def test_the_loss_never_rises():
    seen = []
    minimize_lbfgs(
        rosenbrock, ROSENBROCK_START, num_steps=80, slice_seconds=0.0, on_slice=seen.append
    )
    losses = [step.loss for step in seen]
    assert losses == sorted(losses, reverse=True)


def test_one_graph_serves_all_sizes():
    traced = []

    @with_gradient
    def function(x, weight):
        traced.append(1)
        return tf.reduce_sum(weight * x**2)

    sizes = [(2, 3), (5, 4), (1, 7)]
    counts = []
    for size in sizes:
        start = tf.ones(size, tf.float64)
        minimize_lbfgs(function, start, arguments=(start,), num_steps=2)
        counts.append(len(traced))
    assert counts[0] > 0
    assert counts == counts[:1] * 3


def test_failures_after_successful_steps_do_not_end_the_run(monkeypatch):
    graphs = lbfgs._graphs(bowl, False, tf.float64)

    def advance(*arguments):
        """Makes the requested steps, then fails."""
        return graphs.advance(*arguments)._replace(failed=tf.constant(True))

    failing = lbfgs._Graphs(advance, lambda state, *_: state)
    monkeypatch.setattr(lbfgs, "_graphs", lambda *_: failing)
    start = tf.constant(MINIMUM + 10.0)
    found = minimize_lbfgs(bowl, start, num_steps=9, pause_every=1)
    assert (found.status, found.num_steps) == (Status.STEPS_USED, 9)
