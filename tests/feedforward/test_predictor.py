"""The predictor of styles, against NumPy in float64."""

import numpy as np
import tensorflow as tf
from tiny_style_network import TINY, make_tiny_network

from tf_style.feedforward.architecture import PAINTING_LAYERS
from tf_style.feedforward.bundled import named_network
from tf_style.feedforward.predictor import painting_statistics, predicted_styles


def test_statistics_are_logarithms_of_means_and_deviations(rng):
    features = {
        name: rng.gamma(1.0, size=[2, 5, 4, 3 + index]).astype(np.float32)
        for index, name in enumerate(PAINTING_LAYERS)
    }
    expected = []
    for name in PAINTING_LAYERS:
        exact = np.float64(features[name])
        expected += [np.log(0.01 + exact.mean((1, 2))), np.log(0.01 + exact.std((1, 2)))]
    found = painting_statistics({name: tf.constant(value) for name, value in features.items()})
    np.testing.assert_allclose(found, np.concatenate(expected, 1), atol=1e-5)


def test_a_style_is_that_of_two_dense_layers(rng):
    network = make_tiny_network()
    biases = {
        name: rng.normal(size=network.parameters[name].shape).astype(np.float32)
        for name in ("predictor1_bias", "predictor2_bias")
    }
    parameters = {**network.parameters, **biases}
    statistics = rng.normal(size=[3, TINY.statistics]).astype(np.float32)
    hidden = statistics @ np.float64(parameters["predictor1"]) + parameters["predictor1_bias"]
    expected = np.maximum(hidden, 0.0) @ parameters["predictor2"] + parameters["predictor2_bias"]
    found = predicted_styles(parameters, tf.constant(statistics))
    assert found.shape == (3, TINY.style_size)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_network_in_the_package_gives_paintings_styles_of_their_own(rng):
    parameters = named_network("default").parameters
    # As of real paintings: their statistics have this mean and deviation.
    statistics = rng.normal(-0.92, 0.92, [8, parameters["predictor1"].shape[0]])
    hidden = statistics @ parameters["predictor1"] + parameters["predictor1_bias"]
    assert 0.1 < (hidden > 0.0).mean() < 0.9
    styles = predicted_styles(parameters, tf.constant(statistics, tf.float32))
    assert np.median(np.std(styles, 0)) > 0.01
