"""Style networks of a few numbers, for tests that need no looks."""

import numpy as np

from tf_style.feedforward.architecture import Architecture, initial_parameters
from tf_style.feedforward.network_file import StyleNetwork

TINY = Architecture(edge_filters=4, filters=8, blocks=1, hidden=8)


def tiny_network(*names, seed=3):
    """Returns a random network with styles of these names."""
    rng = np.random.default_rng(seed)
    size = TINY.style_size
    styles = {name: rng.normal(0.0, 0.5, size).astype(np.float32) for name in names}
    return StyleNetwork(TINY, initial_parameters(TINY, seed), styles, {"note": "a test's"})
