"""A small random network with VGG-19's layer names, for tests that need no real features."""

import numpy as np

from tf_style import vgg19

MINI_CHANNELS = (4, 5, 6, 7, 8)


def make_mini_layers(seed=7):
    """VGG-19's layer names with 4 to 8 channels and random weights that keep signals alive."""
    rng = np.random.default_rng(seed)
    layers, channels = {}, 3
    for name in vgg19.CONVOLUTIONS:
        filters = MINI_CHANNELS[int(name[5]) - 1]
        kernel = rng.normal(0.0, np.sqrt(2.0 / (9 * channels)), (3, 3, channels, filters))
        layers[name] = (
            kernel.astype(np.float32),
            rng.uniform(0.0, 0.5, filters).astype(np.float32),
        )
        channels = filters
    return layers


def use_mini_network(monkeypatch, mini_layers):
    """Does the work of `mini_network`, for fixtures of other scopes."""
    from tf_style.engine import assembly
    from tf_style.export import saved_model
    from tf_style.network import extractor, reading_ahead
    from tf_style.network.weights import Weights
    from tf_style.training import assembly as training_assembly

    weights = Weights(mini_layers, "0" * 64)
    for module in (extractor, assembly, training_assembly):
        monkeypatch.setattr(module, "load_weights", lambda name, notify=None: weights)
    monkeypatch.setattr(reading_ahead, "stored_weights", lambda name: None)
    means = {name: np.ones(kernel.shape[-1]) for name, (kernel, _) in mini_layers.items()}
    monkeypatch.setattr(extractor, "mean_activations", lambda: means)
    # Nothing here is to depend on how fast this machine computes in bfloat16.
    for module in (saved_model, assembly, training_assembly):
        monkeypatch.setattr(module, "arithmetic", lambda precision, **_: "direct")
    # Problems stay cached from test to test, by the hash of their weights: tracing takes seconds.
