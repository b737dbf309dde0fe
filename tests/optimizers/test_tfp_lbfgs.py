"""The L-BFGS of TensorFlow Probability: scaled, sliced, restarted; and states exchanged with it."""

import numpy as np
import pytest
import tensorflow as tf
from functions import ROSENBROCK_START, bowl, rosenbrock
from minimizers import minimize_tfp_lbfgs
from tfp_states import from_tfp, to_tfp

from tf_style.optimizers import lbfgs_direction, lbfgs_state, lbfgs_steps, tfp_lbfgs
from tf_style.optimizers.solution import Status


def test_it_takes_the_same_path_as_tfp():
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
    ours = minimize_tfp_lbfgs(
        rosenbrock, ROSENBROCK_START, num_steps=17, history=10, first_step=first_step
    )
    np.testing.assert_allclose(ours.position, theirs.position, rtol=1e-9)
    assert ours.num_evaluations == int(theirs.num_objective_evaluations)


def test_the_first_trial_step_has_the_requested_length():
    seen = []

    def recording(x):
        tf.py_function(lambda value: seen.append(value.numpy()), [x], [])
        return bowl(x)

    start = tf.zeros((3, 4), tf.float64)
    minimize_tfp_lbfgs(recording, start, num_steps=1, first_step=0.03)
    moves = [np.sqrt(np.mean(position**2)) for position in seen]
    assert any(move == pytest.approx(0.03, rel=1e-6) for move in moves)


@pytest.fixture
def recorded_starts(monkeypatch):
    """Records position and scale of every fresh L-BFGS state."""
    real, starts = tfp_lbfgs.tfp_state, []

    def recording(position, value, gradient, history):
        starts.append((position.numpy(), float(tf.norm(gradient))))
        return real(position, value, gradient, history)

    monkeypatch.setattr(tfp_lbfgs, "tfp_state", recording)
    return starts


def test_a_failed_line_search_is_repeated_three_times_with_shorter_steps(recorded_starts):
    # The gradient points uphill, so that no step can lower the value.
    def contrary(x):
        value, gradient = bowl(x)
        return value, -gradient

    start = tf.ones((3, 4), tf.float64)
    slices = []
    solution = minimize_tfp_lbfgs(contrary, start, num_steps=50, on_slice=slices.append)
    assert solution.status is Status.LINE_SEARCH_FAILED
    np.testing.assert_array_equal(solution.position, start)
    assert solution.loss == float(bowl(start)[0])
    lengths = [length for _, length in recorded_starts]
    assert lengths == pytest.approx(lengths[0] * 0.1 ** np.arange(4))
    assert len(slices) >= 4  # Each failure is reported, and the run could be cancelled.


def test_a_restart_continues_where_a_line_search_failed(monkeypatch, recorded_starts):
    real = tfp_lbfgs._graphs
    states = []

    def failing_once(*arguments):
        graphs = real(*arguments)

        def wrapped(state, *rest):
            states.append(graphs.advance(state, *rest))
            if len(states) == 3:
                return states[-1]._replace(
                    failed=tf.constant(True), num_iterations=states[-1].num_iterations + 1
                )
            return states[-1]

        return graphs._replace(advance=wrapped)

    monkeypatch.setattr(tfp_lbfgs, "_graphs", failing_once)
    solution = minimize_tfp_lbfgs(rosenbrock, ROSENBROCK_START, num_steps=200, slice_seconds=0.0)
    assert solution.status is Status.CONVERGED
    np.testing.assert_allclose(solution.position, np.ones(4), atol=1e-4)
    assert len(recorded_starts) == 2
    np.testing.assert_array_equal(recorded_starts[1][0], states[2].position)


def state_after(steps, history):
    start = lbfgs_state.initial_state(ROSENBROCK_START, history)
    return lbfgs_steps.advance(rosenbrock, start, first_step=0.01, last_step=steps)


# Two pairs of four, a full ring, one pair more, a ring wrapped around twice.
@pytest.mark.parametrize("steps", [2, 4, 5, 11])
def test_tfp_finds_the_same_direction_in_a_converted_state(steps):
    from tensorflow_probability.python.optimizer import lbfgs as theirs

    state = state_after(steps, history=4)
    assert int(state.num_pairs) >= 2
    ours = lbfgs_direction.search_direction(state).numpy()
    expected = theirs._get_search_direction(to_tfp(state)).numpy()
    np.testing.assert_allclose(ours, expected, rtol=1e-8, atol=1e-10 * np.abs(expected).max())
    back = lbfgs_direction.search_direction(from_tfp(to_tfp(state))).numpy()
    np.testing.assert_allclose(back, expected, rtol=1e-8, atol=1e-10 * np.abs(expected).max())


@pytest.mark.parametrize("steps", [2, 9])
def test_a_run_continues_in_tfp_and_back_here(steps):
    import tensorflow_probability as tfp
    from tensorflow_probability.python.optimizer import lbfgs as theirs

    state = state_after(steps, history=4)
    theirs_end = tfp.optimizer.lbfgs_minimize(
        rosenbrock,
        initial_position=None,
        previous_optimizer_results=to_tfp(state),
        num_correction_pairs=4,
        tolerance=0.0,
        max_iterations=int(state.num_pairs) + 3,
    )
    assert float(theirs_end.objective_value) < float(state.value)
    back = from_tfp(theirs_end)
    assert int(back.num_steps) == int(state.num_pairs) + 3
    np.testing.assert_allclose(
        lbfgs_direction.search_direction(back), theirs._get_search_direction(theirs_end), rtol=1e-7
    )
    end = lbfgs_steps.advance(rosenbrock, back, first_step=0.01, last_step=int(back.num_steps) + 40)
    assert float(end.value) < float(theirs_end.objective_value)
    assert float(end.value) == pytest.approx(float(rosenbrock(end.position)[0]))
