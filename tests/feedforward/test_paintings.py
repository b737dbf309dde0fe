"""Styles that are predicted for paintings."""

import numpy as np
import pytest
from PIL import Image
from tiny_style_network import make_tiny_network

from tf_style.feedforward import architecture, paintings, preparation
from tf_style.network import extractor


def test_a_painting_is_reduced_to_the_size_of_the_training_and_never_enlarged(tmp_path, rng):
    for size, expected in [((600, 300), (448, 224)), ((120, 90), (120, 90))]:
        path = tmp_path / "painting.png"
        Image.fromarray(rng.integers(0, 256, (*size[::-1], 3), np.uint8)).save(path)
        image, notes = preparation.read_painting(path)
        assert image.shape == (1, *expected[::-1], 3)
        assert notes == []


def test_a_painting_too_small_for_the_layers_is_refused(tmp_path):
    path = tmp_path / "painting.png"
    Image.new("RGB", (12, 40)).save(path)
    with pytest.raises(ValueError, match="`style` must have at least 16 px"):
        preparation.read_painting(path)


def test_the_predictor_reads_logarithms_of_means_and_deviations(monkeypatch, mini_network, rng):
    """The mini network has fewer filters; the predictor gets as many rows."""
    painting = rng.random((1, 48, 64, 3), np.float32)
    model = extractor.load_extractor(layers=architecture.PAINTING_LAYERS)
    found = {name: values.numpy().astype(np.float64) for name, values in model(painting).items()}
    parts = []
    for layer in architecture.PAINTING_LAYERS:
        features = found[layer].reshape(-1, found[layer].shape[-1])
        parts += [np.log(0.01 + features.mean(0)), np.log(0.01 + features.std(0))]
    row = np.concatenate(parts)
    network = make_tiny_network()
    parameters = network.parameters
    hidden = np.maximum(row @ parameters["predictor1"] + parameters["predictor1_bias"], 0.0)
    expected = hidden @ parameters["predictor2"] + parameters["predictor2_bias"]
    (style,) = paintings.styles_of(network, [painting])
    np.testing.assert_allclose(style, expected, rtol=2e-3, atol=2e-4)


def test_without_paintings_no_weights_are_read(monkeypatch):
    monkeypatch.setattr(paintings, "load_extractor", lambda *_, **__: pytest.fail("read"))
    assert paintings.styles_of(make_tiny_network(), []) == []
