"""L-BFGS of a batch takes the path of each function alone."""

import numpy as np
import pytest
import tensorflow as tf
from functions import ROSENBROCK_START

from tf_style.optimizers import batch_lbfgs, batch_state
from tf_style.optimizers.lbfgs import minimize_lbfgs

FACTORS = np.array([1.0, 1e6, 3.0, 1e-5, 1.0, 0.0])
STEPS = np.array([40, 25, 16, 30, 3, 9], np.int32)


@pytest.fixture(scope="module")
def starts():
    rng = np.random.default_rng(0)
    return tf.constant(np.concatenate([[ROSENBROCK_START.numpy()], rng.normal(size=(5, 4))]))


def rosenbrocks(positions, rows):
    """Rosenbrock's functions with factors; the third one has a cliff that fails unit steps."""
    factors = tf.gather(tf.constant(FACTORS), rows)
    with tf.GradientTape() as tape:
        tape.watch(positions)
        valley = 100.0 * (positions[:, 1:] - positions[:, :-1] ** 2) ** 2
        values = tf.reduce_sum(valley + (1.0 - positions[:, :-1]) ** 2, 1)
        cliff = tf.where(rows == 2, 1e9, 0.0)
        values += tf.cast(cliff, tf.float64) * tf.nn.relu(-0.6 - positions[:, 0]) ** 2
        values *= factors
    return values, tape.gradient(values, positions)


def alone(row):
    def value_and_gradient(position):
        values, gradients = rosenbrocks(position[tf.newaxis], tf.constant([row]))
        return values[0], gradients[0]

    return value_and_gradient


@pytest.fixture(scope="module")
def found(starts):
    """The end of all, in slices of seven trials with line searches between them."""
    state = batch_lbfgs.begin(rosenbrocks, starts, 20)
    advance = tf.function(
        lambda state: batch_lbfgs.advance_batch(rosenbrocks, state, num_steps=STEPS, num_trials=7),
        autograph=False,
    )
    search = tf.function(
        lambda state: batch_lbfgs.search_failed(rosenbrocks, state), autograph=False
    )
    while np.any(batch_state.is_unfinished(state, STEPS)):
        state = search(state) if np.any(state.each.failed) else advance(state)[0]
    return state


@pytest.mark.parametrize("row", range(len(STEPS)))
def test_each_function_ends_where_it_ends_alone(found, starts, row):
    expected = minimize_lbfgs(alone(row), starts[row], num_steps=int(STEPS[row]))
    # Products of a batch are rounded differently, and 40 steps enlarge that.
    np.testing.assert_allclose(found.each.position[row], expected.position, rtol=1e-6)
    assert float(batch_state.values(found)[row]) == pytest.approx(expected.loss, rel=1e-6)
    assert int(found.each.num_steps[row]) == expected.num_steps
    assert int(found.each.num_evaluations[row]) == expected.num_evaluations


def test_functions_that_have_ended_are_not_evaluated(starts):
    seen = []

    def function(positions, rows):
        seen.append(rows.numpy().tolist())
        return rosenbrocks(positions, rows)

    steps = tf.constant([2, 1, 0, 2, 2, 5])
    state = batch_lbfgs.begin(function, starts, 5)
    while np.any(batch_state.is_unfinished(state, steps)):
        state, done = batch_lbfgs.advance_batch(function, state, num_steps=steps, num_trials=1)
        assert int(done) == 1
        assert not np.any(state.each.failed)
    assert seen[0] == [0, 1, 2, 3, 4, 5]
    # The third may make no step, the last is flat.
    assert seen[1] == [0, 1, 3, 4]
    assert not {1, 2, 5} & set(sum(seen[2:], []))
    counts = [sum(row in rows for rows in seen) for row in range(6)]
    assert state.each.num_evaluations.numpy().tolist() == counts


@pytest.fixture(scope="module")
def minimized(starts):
    graph = tf.function(
        lambda start, steps: batch_lbfgs.minimize_batch(rosenbrocks, start, num_steps=steps),
        autograph=False,
    )
    return graph(starts, tf.constant(STEPS))


def test_in_one_graph_the_path_is_the_same_where_no_search_is_needed(minimized, found):
    same = [row for row in range(len(STEPS)) if row != 2]
    for end in (minimized, found):
        assert end.since.numpy()[same].tolist() == [0] * len(same)
    np.testing.assert_allclose(
        minimized.each.position.numpy()[same], found.each.position.numpy()[same], rtol=1e-6
    )


def test_in_one_graph_a_function_that_needs_a_search_starts_anew(minimized, found, starts):
    assert int(minimized.since[2]) > 0
    assert int(minimized.each.num_steps[2]) > 0
    first, _ = alone(2)(starts[2])
    assert float(batch_state.values(minimized)[2]) < float(first)


def test_one_function_that_cannot_be_lowered_stops_alone():
    """The gradient of the second one points the wrong way, so that no step ever lowers it."""

    def function(positions, rows):
        sign = tf.where(rows == 1, -1.0, 1.0)
        values = tf.reduce_sum(positions**2, 1)
        return values, sign[:, tf.newaxis] * 2.0 * positions

    start = tf.constant([[1.0, 2.0], [1.0, 2.0]])
    graph = tf.function(
        lambda: batch_lbfgs.minimize_batch(function, start, num_steps=tf.constant([30, 30])),
        autograph=False,
    )
    state = graph()
    np.testing.assert_allclose(state.each.position[0], [0.0, 0.0], atol=1e-6)
    np.testing.assert_array_equal(state.each.position[1], start[1])
    assert batch_state.has_failed(state).numpy().tolist() == [False, True]
