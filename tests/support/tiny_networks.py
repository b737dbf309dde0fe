"""Style networks of a few numbers, for tests that need no looks."""

import numpy as np
from mini_network import MINI_CHANNELS

from tf_style.feedforward.architecture import Architecture, initial_parameters
from tf_style.feedforward.network_file import StyleNetwork

TINY = Architecture(edge_filters=4, filters=8, blocks=1, hidden=8)


def tiny_network(*names, seed=3):
    """Returns a random network with styles of these names."""
    rng = np.random.default_rng(seed)
    size = TINY.style_size
    styles = {name: rng.normal(0.0, 0.5, size).astype(np.float32) for name in names}
    return StyleNetwork(TINY, initial_parameters(TINY, seed), styles, {"note": "a test's"})


def with_mini_predictor(network, seed=5):
    """Returns a network whose predictor reads the features of the mini network."""
    rng = np.random.default_rng(seed)
    rows = 2 * sum(MINI_CHANNELS)
    first = rng.normal(0.0, rows**-0.5, (rows, network.architecture.hidden))
    return network._replace(
        parameters={**network.parameters, "predictor1": first.astype(np.float32)}
    )
