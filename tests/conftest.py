"""Shared fixtures: seeded randomness, small pictures, a small VGG-like network."""

import functools
import gc
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest
from mini_network import make_mini_layers, use_mini_network

from tf_style.cli import process

_CACHES = []


def pytest_collection_finish():
    """Makes tracing, which takes most of the time, cheaper and rarer.

    Graphs are not rewritten by TensorFlow, as in the programs (`graph_rewriting` has them
    rewritten), and more problems stay cached with their graphs than in programs.
    """
    if "tensorflow" not in sys.modules:
        return
    from tf_style.engine import assembly
    from tf_style.graphs import tracing

    process.tune_tensorflow()
    for module, name in ((assembly, "_shared"), (tracing, "_made_of")):
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
    from tf_style.network import weights

    return weights.load_weights("vgg19-8bit").layers


@pytest.fixture
def mini_network(monkeypatch, mini_layers):
    """Makes `stylize` use the small network, whatever weights are asked for."""
    use_mini_network(monkeypatch, mini_layers)


@pytest.fixture
def picture_file(tmp_path, rng):
    """Returns a function that writes a random picture and gives its path."""
    from PIL import Image

    def write(name, width=40, height=32):
        path = tmp_path / name
        Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8)).save(path)
        return path

    return write
