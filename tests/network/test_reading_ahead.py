"""Weights that a thread reads while the program does other things."""

import threading

import numpy as np
import pytest

from tf_style.config.network import NetworkConfig
from tf_style.config.style_config import preset
from tf_style.engine import assembly
from tf_style.engine.assembly import load_problem
from tf_style.network import extractor, reading_ahead
from tf_style.network.reading_ahead import read_ahead
from tf_style.network.weights import Weights


@pytest.fixture
def stored(monkeypatch, mini_network, mini_layers):
    """The small network, as if it were stored in a file."""
    means = {name: np.full(bias.shape, 2.0) for name, (_, bias) in mini_layers.items()}
    for module in (extractor, reading_ahead):
        monkeypatch.setattr(module, "mean_activations", lambda: means)
    monkeypatch.setattr(
        reading_ahead, "stored_weights", lambda name: Weights(mini_layers, "5" * 64)
    )


def test_weights_are_normalized_only_if_the_config_says_so(stored, mini_layers):
    plain = read_ahead(NetworkConfig(normalized=False)).result()
    assert plain.layers is mini_layers
    weights = read_ahead(NetworkConfig(normalized=True)).result()
    assert weights.sha256 == plain.sha256 == "5" * 64
    # Each filter is divided by its mean, 2, and reads inputs that were divided by 2, but pixels.
    for number, (name, (kernel, bias)) in enumerate(mini_layers.items()):
        np.testing.assert_array_equal(weights.layers[name][0], kernel if number else kernel / 2)
        np.testing.assert_array_equal(weights.layers[name][1], bias / 2)


def test_it_is_read_in_another_thread(monkeypatch):
    begun, go_on = threading.Event(), threading.Event()

    def slowly(name):
        begun.set()
        assert go_on.wait(60)

    monkeypatch.setattr(reading_ahead, "stored_weights", slowly)
    ahead = read_ahead(NetworkConfig())
    assert begun.wait(60)
    assert not ahead.done()
    go_on.set()
    assert ahead.result() is None


def test_the_network_is_the_same_as_without(stored, monkeypatch, mini_layers):
    monkeypatch.setattr(
        assembly, "load_weights", lambda name, notify=None: Weights(mini_layers, "5" * 64)
    )
    config = preset("default")
    networks = [
        load_problem(config, is_shared=False, ahead=ahead).problem.objective.extractor
        for ahead in (None, read_ahead(config.network))
    ]
    for one, other in zip(*(network.get_weights() for network in networks), strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_must_be_fetched_is_loaded_as_without(mini_network):
    ahead = read_ahead(preset("default").network)
    assert ahead.result() is None
    assert load_problem(preset("default"), ahead=ahead).weights_sha256 == "0" * 64


def test_a_wrong_file_is_an_error_when_the_weights_are_needed(tmp_path):
    path = tmp_path / "weights.npz"
    path.write_bytes(b"not weights")
    config = preset("default").replace(weights=str(path))
    ahead = read_ahead(config.network)
    with pytest.raises(ValueError, match="weights.npz' is damaged"):
        load_problem(config, ahead=ahead)
