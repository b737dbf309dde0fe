"""One step: of Adam, against Keras' own, and of Muon, against singular values."""

import numpy as np
import pytest
import tensorflow as tf

from tf_style._keras import keras
from tf_style.training.state import after_step, initial_state, orthogonal, shortened


def test_steps_are_those_of_adam_in_keras(rng):
    start = {name: rng.normal(size=shape) for name, shape in {"a": (3, 2), "b": (4,)}.items()}
    variables = {name: keras.Variable(value, dtype="float32") for name, value in start.items()}
    keras_adam = keras.optimizers.Adam(0.01, beta_1=0.9, beta_2=0.99, epsilon=1e-8)
    state = initial_state(start)
    for _ in range(5):
        gradients = {
            name: tf.constant(rng.normal(size=value.shape), tf.float32)
            for name, value in start.items()
        }
        state = after_step(state, gradients, tf.constant(0.01))
        keras_adam.apply([gradients[name] for name in start], list(variables.values()))
    assert float(state.step) == 5.0
    for name, variable in variables.items():
        np.testing.assert_allclose(state.parameters[name], variable.numpy(), atol=1e-6)


def test_parameters_without_a_gradient_keep_every_bit(rng):
    state = initial_state({"a": rng.normal(size=3), "b": rng.normal(size=3)})
    after = after_step(state, {"a": tf.ones(3)}, tf.constant(0.1))
    for before_part, after_part in zip(state[1:], after[1:], strict=True):
        np.testing.assert_array_equal(before_part["b"], after_part["b"])
    assert np.abs(after.parameters["a"] - state.parameters["a"]).min() > 0.05


def test_averages_follow_the_parameters():
    state, rate = initial_state({"a": np.zeros(1)}), tf.constant(0.1)
    expected = 0.0
    for step in range(1, 30):
        state = after_step(state, {"a": -tf.ones(1)}, rate)
        kept = min(0.995, (1.0 + step) / (10.0 + step))
        expected = kept * expected + (1.0 - kept) * float(state.parameters["a"][0])
    np.testing.assert_allclose(state.averages["a"], [expected], rtol=1e-5)


def test_only_long_gradients_are_shortened():
    long, length = shortened({"a": tf.constant([3.0, 0.0]), "b": tf.constant([4.0])})
    np.testing.assert_allclose(length, 5.0, rtol=1e-6)
    np.testing.assert_allclose(long["a"], [1.2, 0.0], rtol=1e-6)
    np.testing.assert_allclose(long["b"], [1.6], rtol=1e-6)
    np.testing.assert_array_equal(shortened({"a": tf.constant([0.3])})[0]["a"], [np.float32(0.3)])
    np.testing.assert_array_equal(shortened({"a": tf.zeros(2)})[0]["a"], [0.0, 0.0])


def test_some_parameters_may_learn_faster():
    state = initial_state({"a": np.zeros(1), "b": np.zeros(1)})
    gradients = {"a": tf.ones(1), "b": tf.ones(1)}
    after = after_step(state, gradients, tf.constant(0.01), faster={"b": 3.0})
    np.testing.assert_allclose(after.parameters["a"], [-0.01], rtol=1e-5)
    np.testing.assert_allclose(after.parameters["b"], [-0.03], rtol=1e-5)


@pytest.mark.parametrize("shape", [(3, 3, 8, 5), (1, 1, 4, 9)], ids=["tall", "wide"])
def test_orthogonal_changes_have_the_singular_vectors_and_nearly_equal_values(shape, rng):
    change = rng.normal(size=shape)
    matrix = change.reshape(-1, shape[-1])
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    values[:] = np.linspace(1.0, 0.05, len(values))
    found = orthogonal(tf.constant((left * values @ right).reshape(shape), tf.float32)).numpy()
    assert found.shape == shape
    np.testing.assert_allclose(np.sqrt(np.mean(found**2)), 1.0, rtol=0.2)
    core = left.T @ found.reshape(matrix.shape) @ right.T / max(matrix.shape) ** 0.5
    assert np.diag(core).max() < 2.0 * np.diag(core).min()
    np.testing.assert_allclose(core - np.diag(np.diag(core)), 0.0, atol=1e-4)


def test_no_change_stays_none():
    np.testing.assert_array_equal(orthogonal(tf.zeros([3, 3, 2, 4])), np.zeros([3, 3, 2, 4]))


def test_kernels_move_by_muon_and_all_else_by_adam(rng):
    start = {"kernel": np.zeros([3, 3, 4, 6]), "bias": np.zeros(3)}
    state, momentum = initial_state(start), np.zeros([3, 3, 4, 6])
    expected = momentum.copy()
    for _ in range(3):
        gradient = rng.normal(size=[3, 3, 4, 6]).astype(np.float32)
        state = after_step(
            state,
            {"kernel": tf.constant(gradient), "bias": tf.ones(3)},
            tf.constant(0.01),
            kernels=["kernel"],
            faster={"kernel": 2.0},
        )
        momentum = 0.9 * momentum + 0.1 * gradient
        ahead = tf.constant(0.9 * momentum + 0.1 * gradient, tf.float32)
        expected -= 0.02 * orthogonal(ahead).numpy()
    np.testing.assert_allclose(state.parameters["kernel"], expected, atol=1e-6)
    np.testing.assert_allclose(state.parameters["bias"], -0.03, rtol=1e-4)
    np.testing.assert_array_equal(state.second["kernel"], 0.0)
