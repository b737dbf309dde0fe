"""A small style network with random numbers, for tests that need no good pictures."""

import numpy as np
from mini_network import MINI_CHANNELS

from tf_style.feedforward.architecture import (
    PAINTING_LAYERS,
    Architecture,
    initial_parameters,
)
from tf_style.feedforward.network_file import StyleNetwork

TINY = Architecture(
    edge_filters=4,
    filters=8,
    inner_filters=6,
    blocks=1,
    hidden=6,
    statistics=2 * sum(MINI_CHANNELS),
    local_contrast=0.2,
)
"""Few filters, and a predictor for the statistics of the small VGG-19."""


def make_tiny_network(*names, seed=0):
    """Returns a network with styles of these names."""
    rng = np.random.default_rng(seed)
    styles = {
        name: rng.normal(scale=0.3, size=TINY.style_size).astype(np.float32) for name in names
    }
    return StyleNetwork(TINY, initial_parameters(TINY, seed), styles, {"steps": 0})


def predicted_by_hand(network, features):
    """Returns the style that a network predicts for the features of one painting, in float64."""
    row = []
    for layer in PAINTING_LAYERS:
        values = features[layer].numpy().astype(np.float64).reshape(-1, features[layer].shape[-1])
        row += [np.log(0.01 + values.mean(0)), np.log(0.01 + values.std(0))]
    own = network.parameters
    hidden = np.concatenate(row) @ own["predictor1"] + own["predictor1_bias"]
    return np.maximum(hidden, 0.0) @ own["predictor2"] + own["predictor2_bias"]
