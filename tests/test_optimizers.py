"""Minimisers on functions whose minimum is known."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_style import lbfgs
from tf_style.adam import minimize_adam
from tf_style.lbfgs import minimize_lbfgs
from tf_style.solution import NotFiniteError, Status


def with_gradient(function):
    def value_and_gradient(x, *arguments):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = function(x, *arguments)
        return value, tape.gradient(value, x)

    return value_and_gradient


MINIMUM = np.linspace(-1.0, 2.0, 12).reshape(3, 4)


@with_gradient
def bowl(x):
    return tf.reduce_sum(tf.constant(np.arange(1.0, 13.0).reshape(3, 4)) * (x - MINIMUM) ** 2)


@with_gradient
def rosenbrock(x):
    return tf.reduce_sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


ROSENBROCK_START = tf.constant([-1.2, 1.0, -0.5, 0.8], tf.float64)


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_lbfgs_finds_the_bottom_of_a_bowl_of_any_scale(scale):
    def scaled(x):
        value, gradient = bowl(x)
        return value * scale, gradient * scale

    solution = minimize_lbfgs(scaled, tf.zeros((3, 4), tf.float64), num_steps=60)
    np.testing.assert_allclose(solution.position, MINIMUM, atol=1e-6)
    assert solution.position.shape == (3, 4)
    assert solution.loss == pytest.approx(0.0, abs=1e-10 * scale)


def test_lbfgs_finds_the_end_of_rosenbrocks_valley():
    solution = minimize_lbfgs(rosenbrock, ROSENBROCK_START, num_steps=200)
    np.testing.assert_allclose(solution.position, np.ones(4), atol=1e-5)
    assert solution.status is Status.CONVERGED
    _, gradient = rosenbrock(solution.position)
    assert np.abs(gradient).max() < 1e-3


@pytest.mark.parametrize("minimize", [minimize_lbfgs, minimize_adam])
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


@pytest.mark.parametrize("minimize", [minimize_lbfgs, minimize_adam])
def test_slices_end_at_every_multiple_asked_for(minimize):
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


def test_lbfgs_follows_tfps_own_run(rng):
    import tensorflow_probability as tfp

    first_step = 0.01
    gradient = rosenbrock(ROSENBROCK_START)[1].numpy()
    scale = first_step / np.sqrt(np.mean(gradient**2))

    def scaled(x):
        value, slope = rosenbrock(x)
        return value * scale, slope * scale

    theirs = tfp.optimizer.lbfgs_minimize(
        scaled,
        initial_position=ROSENBROCK_START,
        max_iterations=17,
        tolerance=0.0,
        num_correction_pairs=10,
    )
    ours = minimize_lbfgs(rosenbrock, ROSENBROCK_START, num_steps=17, first_step=first_step)
    np.testing.assert_allclose(ours.position, theirs.position, rtol=1e-9)
    assert ours.num_evaluations == int(theirs.num_objective_evaluations)


def test_the_first_trial_step_has_the_length_asked_for():
    seen = []

    def recording(x):
        tf.py_function(lambda value: seen.append(value.numpy()), [x], [])
        return bowl(x)

    start = tf.zeros((3, 4), tf.float64)
    minimize_lbfgs(recording, start, num_steps=1, first_step=0.03)
    moves = [np.sqrt(np.mean(position**2)) for position in seen]
    assert any(move == pytest.approx(0.03, rel=1e-6) for move in moves)


@pytest.fixture
def recorded_starts(monkeypatch):
    """Records position and scale of every fresh L-BFGS state."""
    real, starts = lbfgs._lbfgs_state, []

    def recording(position, value, gradient, history):
        starts.append((position.numpy(), float(tf.norm(gradient))))
        return real(position, value, gradient, history)

    monkeypatch.setattr(lbfgs, "_lbfgs_state", recording)
    return starts


def test_a_failed_line_search_is_tried_three_times_with_shorter_steps(recorded_starts):
    # The gradient points uphill, so that no step can lower the value.
    def contrary(x):
        value, gradient = bowl(x)
        return value, -gradient

    start = tf.ones((3, 4), tf.float64)
    slices = []
    solution = minimize_lbfgs(contrary, start, num_steps=50, on_slice=slices.append)
    assert solution.status is Status.LINE_SEARCH_FAILED
    np.testing.assert_array_equal(solution.position, start)
    assert solution.loss == float(bowl(start)[0])
    lengths = [length for _, length in recorded_starts]
    assert lengths == pytest.approx([lengths[0], lengths[0] / 10, lengths[0] / 100])
    assert len(slices) >= 3  # Each failure is told, and could be cancelled.


def test_a_restart_goes_on_from_where_a_line_search_failed(monkeypatch, recorded_starts):
    real = lbfgs._lbfgs_slice
    states = []

    def failing_once(*arguments):
        run = real(*arguments)

        def wrapped(state, *rest, **options):
            states.append(run(state, *rest, **options))
            if len(states) == 3:
                return states[-1]._replace(
                    failed=tf.constant(True), num_iterations=states[-1].num_iterations + 1
                )
            return states[-1]

        return wrapped

    monkeypatch.setattr(lbfgs, "_lbfgs_slice", failing_once)
    solution = minimize_lbfgs(rosenbrock, ROSENBROCK_START, num_steps=200, slice_seconds=0.0)
    assert solution.status is Status.CONVERGED
    np.testing.assert_allclose(solution.position, np.ones(4), atol=1e-4)
    assert len(recorded_starts) == 2
    np.testing.assert_array_equal(recorded_starts[1][0], states[2].position)


@pytest.mark.parametrize("scale", [1e-25, 1e25])
def test_float32_gradients_of_any_scale_can_be_followed(scale):
    @with_gradient
    def scaled(x):
        return tf.constant(scale, tf.float32) * tf.reduce_sum((x - 1.0) ** 2)

    solution = minimize_lbfgs(scaled, tf.zeros(4), num_steps=30)
    np.testing.assert_allclose(solution.position, np.ones(4), atol=1e-3)


@pytest.mark.parametrize("minimize", [minimize_lbfgs, minimize_adam])
def test_a_true_answer_between_slices_cancels(minimize):
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


@pytest.mark.parametrize("minimize", [minimize_lbfgs, minimize_adam])
def test_nan_is_an_error_not_a_result(minimize):
    def broken(x):
        value, gradient = rosenbrock(x)
        return value * np.nan, gradient

    with pytest.raises(NotFiniteError, match="after 0 steps"):
        minimize(broken, ROSENBROCK_START, num_steps=5)


def test_a_start_at_the_minimum_converges_at_once():
    solution = minimize_lbfgs(bowl, tf.constant(MINIMUM), num_steps=5)
    assert (solution.status, solution.num_steps) == (Status.CONVERGED, 0)


def test_adam_is_that_of_keras():
    variable = tf.Variable(ROSENBROCK_START)
    theirs = keras.optimizers.Adam(0.02, beta_1=0.9, beta_2=0.999, epsilon=1e-8)
    for _ in range(30):
        theirs.apply([rosenbrock(tf.convert_to_tensor(variable))[1]], [variable])
    ours = minimize_adam(rosenbrock, ROSENBROCK_START, num_steps=30, learning_rate=0.02)
    # Keras computes in float32.
    np.testing.assert_allclose(ours.position, variable, atol=1e-5)
    assert ours.num_evaluations == 31
    assert ours.loss == pytest.approx(float(rosenbrock(ours.position)[0]), rel=1e-9)


def test_arguments_are_handed_through_without_retracing():
    traced = []

    @with_gradient
    def distance(x, target):
        traced.append(1)
        return tf.reduce_sum((x - target["there"]) ** 2)

    for value in (1.0, 2.0, 3.0):
        target = {"there": tf.fill((4,), value)}
        solution = minimize_lbfgs(distance, tf.zeros(4), arguments=(target,), num_steps=20)
        np.testing.assert_allclose(solution.position, np.full(4, value), atol=1e-4)
    eager_calls = 3
    graph_traces = len(traced) - eager_calls
    minimize_lbfgs(distance, tf.zeros(4), arguments=({"there": tf.ones(4)},), num_steps=3)
    assert len(traced) - eager_calls - 1 == graph_traces
