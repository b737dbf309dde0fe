"""Shared fixtures: seeded randomness, small pictures, a small VGG-like network."""

import functools
import gc
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest

from tf_style import _runtime, vgg19

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


_CACHES = []


def pytest_collection_finish():
    """Makes tracing, which takes most of the time, cheaper and rarer.

    Graphs are not rewritten by TensorFlow, as in the programs (`graph_rewriting` has them
    rewritten), and more problems stay cached with their graphs than in programs.
    """
    if "tensorflow" not in sys.modules:
        return
    from tf_style import graphs, problem_cache

    _runtime.tune_tensorflow()
    for module, name in ((problem_cache, "_problem"), (graphs, "_made_of")):
        cache = functools.lru_cache(maxsize=8)(getattr(module, name).__wrapped__)
        setattr(module, name, cache)
        _CACHES.append(cache)


@pytest.fixture(scope="module", autouse=True)
def graphs_are_let_go():
    """Empties the caches after each file: every graph of a line search takes 100 MB.

    Deterministic operations, which no public function of TensorFlow turns off, are turned off.
    """
    yield
    if "tensorflow" in sys.modules:
        from tensorflow.python.framework import config

        config.disable_op_determinism()
    if any(cache.cache_info().currsize for cache in _CACHES):
        for cache in _CACHES:
            cache.cache_clear()
        gc.collect()


@pytest.fixture
def graph_rewriting():
    """Graphs that are traced in the test are rewritten, as in programs that use the library."""
    import tensorflow as tf

    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})
    yield
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


@pytest.fixture
def eagerly():
    """Without graphs: tracing an objective takes a second, one evaluation of it a tenth."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def rng():
    return np.random.default_rng(20161)


@pytest.fixture(scope="session")
def mini_layers():
    return make_mini_layers()


@pytest.fixture(scope="session")
def real_layers():
    """The arrays of the default weights, read once."""
    from tf_style import weights

    return weights.load_weights("vgg19-8bit").layers


@pytest.fixture
def mini_network(monkeypatch, mini_layers):
    """Makes `stylize` use the small network, whatever weights are asked for."""
    use_mini_network(monkeypatch, mini_layers)


def use_mini_network(monkeypatch, mini_layers):
    """Does the work of `mini_network`, for fixtures of other scopes."""
    from tf_style import export, network, pipeline, problem_cache, stablehlo
    from tf_style.weights import Weights

    weights = Weights(mini_layers, "0" * 64)
    for module in (export, network, pipeline, stablehlo, problem_cache):
        monkeypatch.setattr(module, "load_weights", lambda name, notify=None: weights)
    means = {name: np.ones(kernel.shape[-1]) for name, (kernel, _) in mini_layers.items()}
    monkeypatch.setattr(network, "mean_activations", lambda: means)
    # Nothing here is to depend on how fast this machine computes in bfloat16.
    for module in (export, pipeline, problem_cache):
        monkeypatch.setattr(module, "arithmetic", lambda precision, **_: "direct")
    # Problems stay cached from test to test, by the hash of their weights: tracing takes seconds.


@pytest.fixture
def picture_file(tmp_path, rng):
    """Returns a function that writes a random picture and gives its path."""
    from PIL import Image

    def write(name, width=40, height=32):
        path = tmp_path / name
        Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8)).save(path)
        return path

    return write
