"""The common behavior of all minimizers, and Adam, on functions with a known minimum."""

import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from functions import MINIMUM, ROSENBROCK_START, bowl, rosenbrock, scaled_bowl, with_gradient
from minimizers import minimize_tfp_lbfgs

from tf_style.optimizers.adam import minimize_adam
from tf_style.optimizers.lbfgs import minimize_lbfgs
from tf_style.optimizers.solution import NotFiniteError, Status

every_minimizer = pytest.mark.parametrize(
    "minimize", [minimize_lbfgs, minimize_tfp_lbfgs, minimize_adam]
)
every_lbfgs = pytest.mark.parametrize("minimize", [minimize_lbfgs, minimize_tfp_lbfgs])


@every_lbfgs
@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_lbfgs_finds_the_bottom_of_a_bowl_of_any_scale(minimize, scale):
    arguments = (tf.constant(scale, tf.float64),)
    start = tf.zeros((3, 4), tf.float64)
    solution = minimize(scaled_bowl, start, arguments=arguments, num_steps=60)
    np.testing.assert_allclose(solution.position, MINIMUM, atol=1e-6)
    assert solution.position.shape == (3, 4)
    assert solution.loss == pytest.approx(0.0, abs=1e-10 * scale)


@every_lbfgs
def test_lbfgs_finds_the_end_of_rosenbrocks_valley(minimize):
    solution = minimize(rosenbrock, ROSENBROCK_START, num_steps=200)
    np.testing.assert_allclose(solution.position, np.ones(4), atol=1e-5)
    assert solution.loss < 1e-10
    assert solution.status in (Status.CONVERGED, Status.LINE_SEARCH_FAILED)
    _, gradient = rosenbrock(solution.position)
    assert np.abs(gradient).max() < 1e-3


@every_minimizer
def test_slices_do_not_change_the_path(minimize):
    options = {"num_steps": 25}
    whole = minimize(rosenbrock, ROSENBROCK_START, slice_seconds=1e9, **options)
    slices = []
    cut = minimize(
        rosenbrock, ROSENBROCK_START, slice_seconds=0.0, on_slice=slices.append, **options
    )
    np.testing.assert_array_equal(whole.position, cut.position)
    assert (whole.loss, whole.num_steps, whole.num_evaluations) == (
        cut.loss,
        cut.num_steps,
        cut.num_evaluations,
    )
    assert [step.num_steps for step in slices] == list(range(1, len(slices) + 1))
    assert len(slices) > 10


@every_minimizer
def test_slices_end_at_every_requested_multiple(minimize):
    seen = []
    minimize(
        rosenbrock,
        ROSENBROCK_START,
        num_steps=20,
        slice_seconds=1e9,
        pause_every=6,
        on_slice=lambda step: seen.append(step.num_steps),
    )
    assert {6, 12, 18, 20} <= set(seen)


@every_minimizer
def test_the_reported_loss_is_that_of_the_position(minimize):
    seen = []
    solution = minimize(
        rosenbrock, ROSENBROCK_START, num_steps=8, slice_seconds=0.0, on_slice=seen.append
    )
    for step in [*seen, solution]:
        assert step.loss == pytest.approx(float(rosenbrock(step.position)[0]), rel=1e-9)


@with_gradient
def scaled_distance(x, scale):
    return scale * tf.reduce_sum((x - 1.0) ** 2)


@every_lbfgs
@pytest.mark.parametrize("scale", [1e-25, 1e25])
def test_float32_gradients_of_any_scale_can_be_followed(minimize, scale):
    arguments = (tf.constant(scale, tf.float32),)
    solution = minimize(scaled_distance, tf.zeros(4), arguments=arguments, num_steps=30)
    np.testing.assert_allclose(solution.position, np.ones(4), atol=1e-3)


@every_minimizer
def test_a_true_result_of_on_slice_cancels(minimize):
    solution = minimize(
        rosenbrock,
        ROSENBROCK_START,
        num_steps=100,
        slice_seconds=0.0,
        on_slice=lambda step: step.num_steps >= 3,
    )
    assert solution.status is Status.CANCELLED
    assert solution.num_steps == 3
    assert solution.loss == pytest.approx(float(rosenbrock(solution.position)[0]), rel=1e-9)


@every_minimizer
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_start_that_is_not_finite_is_an_error_not_a_result(minimize, bad):
    def broken(x):
        value, gradient = rosenbrock(x)
        return value * bad, gradient

    with pytest.raises(NotFiniteError, match="after 0 steps") as error:
        minimize(broken, ROSENBROCK_START, num_steps=5)
    np.testing.assert_array_equal(error.value.position, ROSENBROCK_START)


@every_minimizer
def test_a_gradient_that_is_not_finite_at_the_start_is_an_error(minimize):
    def broken(x):
        value, gradient = rosenbrock(x)
        return value, gradient * [1.0, np.nan, 1.0, 1.0]

    with pytest.raises(NotFiniteError, match="after 0 steps"):
        minimize(broken, ROSENBROCK_START, num_steps=5)


@every_lbfgs
def test_a_start_at_the_minimum_converges_at_once(minimize):
    solution = minimize(bowl, tf.constant(MINIMUM), num_steps=5)
    assert (solution.status, solution.num_steps) == (Status.CONVERGED, 0)


@every_minimizer
def test_after_the_deadline_the_result_is_the_start(minimize):
    solution = minimize(bowl, tf.zeros((3, 4), tf.float64), num_steps=5, deadline=0.0)
    assert (solution.status, solution.num_steps) == (Status.TIME_USED, 0)
    np.testing.assert_array_equal(solution.position, np.zeros((3, 4)))
    assert solution.loss == pytest.approx((np.arange(1.0, 13.0) * MINIMUM.ravel() ** 2).sum())


def slow(seconds):
    """Returns a bowl whose evaluation takes some seconds."""

    def wait(x):
        time.sleep(seconds)
        return x

    def value_and_gradient(x):
        x = tf.ensure_shape(tf.numpy_function(wait, [x], tf.float64), [3, 4])
        return bowl(x)

    return value_and_gradient


@every_minimizer
def test_a_run_ends_before_its_deadline_with_the_last_position(minimize):
    function = slow(0.02)
    start = tf.zeros((3, 4), tf.float64)
    minimize(function, start, num_steps=2)  # Traces.
    deadline = time.perf_counter() + 0.5
    solution = minimize(function, start, num_steps=10**6, deadline=deadline)
    late = time.perf_counter() - deadline
    assert solution.status is Status.TIME_USED
    # A step of TFP costs at most 3 evaluations; the machine may be busy.
    assert late < 0.1
    assert 1 <= solution.num_steps <= 25
    assert solution.loss < float(bowl(start)[0])


def test_adam_agrees_with_keras():
    variable = tf.Variable(ROSENBROCK_START)
    theirs = keras.optimizers.Adam(0.02, beta_1=0.9, beta_2=0.999, epsilon=1e-8)
    for _ in range(30):
        theirs.apply([rosenbrock(tf.convert_to_tensor(variable))[1]], [variable])
    ours = minimize_adam(rosenbrock, ROSENBROCK_START, num_steps=30, learning_rate=0.02)
    # Keras computes in float32.
    np.testing.assert_allclose(ours.position, variable, atol=1e-5)
    assert ours.num_evaluations == 31
    assert ours.loss == pytest.approx(float(rosenbrock(ours.position)[0]), rel=1e-9)


@every_minimizer
def test_arguments_are_passed_on_without_retracing(minimize):
    traced = []

    @with_gradient
    def distance(x, target):
        if not tf.executing_eagerly():
            traced.append(1)
        return tf.reduce_sum((x - target["there"]) ** 2)

    counts = []
    for value in (1.0, 2.0, 3.0):
        target = {"there": tf.fill((4,), value)}
        options = {"learning_rate": 0.3} if minimize is minimize_adam else {}
        solution = minimize(distance, tf.zeros(4), arguments=(target,), num_steps=3, **options)
        assert np.all(np.abs(solution.position - value) < 0.9 * value)
        counts.append(len(traced))
    assert counts[0] > 0
    assert counts[2] == counts[0]


@every_minimizer
def test_wrong_starts_and_step_counts_are_refused(minimize):
    with pytest.raises(TypeError, match="`start` must be of floats. Received: dtype=int32"):
        minimize(bowl, tf.zeros((3, 4), tf.int32), num_steps=1)
    with pytest.raises(ValueError, match="`num_steps` must be at least 0. Received: num_steps=-1"):
        minimize(bowl, tf.zeros((3, 4), tf.float64), num_steps=-1)


def test_a_history_of_no_pairs_is_refused():
    with pytest.raises(ValueError, match="`history` must be at least 1. Received: history=0"):
        minimize_lbfgs(bowl, tf.zeros((3, 4), tf.float64), num_steps=1, history=0)


@every_minimizer
def test_other_sizes_trace_nothing_again(minimize):
    traced = []

    @with_gradient
    def distance(x, target):
        if not tf.executing_eagerly():
            traced.append(x.shape)
        return tf.reduce_sum((x - target) ** 2)

    counts = []
    for size in (4, 5, 9, 2):
        options = {"learning_rate": 0.3} if minimize is minimize_adam else {}
        minimize(distance, tf.zeros(size), arguments=(tf.ones(size),), num_steps=3, **options)
        counts.append(len(traced))
    assert counts[0] > 0
    assert counts[3] == counts[0]


@every_lbfgs
def test_without_steps_the_graph_that_makes_them_is_traced_all_the_same(minimize):
    # A run with a deadline measures an evaluation so, before the time of its first stage begins.
    traced = []

    def function(x):
        traced.append(x)
        return bowl(x)

    start = tf.zeros((3, 4), tf.float64)
    minimize(function, start, num_steps=0)
    num_traced = len(traced)
    assert minimize(function, start, num_steps=3).num_steps == 3
    assert num_traced == len(traced) > 0
