"""A small style network with random numbers, for tests that need no good pictures."""

import numpy as np
from mini_network import MINI_CHANNELS

from tf_style.feedforward.architecture import Architecture, initial_parameters
from tf_style.feedforward.network_file import StyleNetwork

TINY = Architecture(
    edge_filters=4, filters=8, blocks=1, hidden=6, statistics=2 * sum(MINI_CHANNELS)
)
"""Few filters, and a predictor for the statistics of the small VGG-19."""


def make_tiny_network(*names, seed=0):
    """Returns a network with styles of these names."""
    rng = np.random.default_rng(seed)
    styles = {
        name: rng.normal(scale=0.3, size=TINY.style_size).astype(np.float32) for name in names
    }
    return StyleNetwork(TINY, initial_parameters(TINY, seed), styles, {"steps": 0})
