"""Styles that are predicted for paintings."""

import numpy as np
import pytest
from mini_training import tiny_config, use_still_training, write_pictures, write_tiny_network
from PIL import Image
from tiny_style_network import make_tiny_network, predicted_by_hand

import tf_style
from tf_style.config.network import NetworkConfig
from tf_style.config.training import TrainingConfig
from tf_style.feedforward import architecture, predictor, preparation
from tf_style.feedforward.network_file import NetworkFileError
from tf_style.network import extractor


def test_a_painting_is_reduced_to_the_size_of_the_training_and_never_enlarged(tmp_path, rng):
    for size, expected in [((900, 450), (640, 320)), ((120, 90), (120, 90))]:
        path = tmp_path / "painting.png"
        Image.fromarray(rng.integers(0, 256, (*size[::-1], 3), np.uint8)).save(path)
        image, notes = preparation.read_painting(path, TrainingConfig())
        assert image.shape == (1, *expected[::-1], 3)
        assert notes == []


@pytest.mark.parametrize(
    ("options", "least"),
    [({}, 16), ({"padding": "reflect_all"}, 32), ({"content_layers": "block5_pool"}, 32)],
)
def test_a_painting_too_small_for_the_layers_is_refused(tmp_path, options, least):
    path = tmp_path / "painting.png"
    config = TrainingConfig(**options)
    Image.new("RGB", (least - 1, 40)).save(path)
    with pytest.raises(ValueError, match=f"`style` must have at least {least} px"):
        preparation.read_painting(path, config)
    Image.new("RGB", (least, 40)).save(path)
    assert preparation.read_painting(path, config)[0].shape == (1, 40, least, 3)


def test_paintings_are_seen_as_in_the_networks_training():
    config = TrainingConfig(style_edge=300, pooling="max", padding="zeros", minutes=3.0)
    network = make_tiny_network()._replace(about={"config": config.to_dict()})
    found = preparation.training_of(network)
    assert (found.style_edge, found.network) == (300, config.network)
    assert preparation.training_of(make_tiny_network()) == TrainingConfig()


def test_a_trained_network_paints_in_any_style_as_it_was_trained(
    tmp_path, monkeypatch, mini_network
):
    """The record is what a training writes; the truth is the predictor in NumPy."""
    (painting,) = write_pictures(tmp_path, ["wave.png"], side=100)
    write_pictures(tmp_path / "photos", ["a.png"])
    base = write_tiny_network(tmp_path / "base.tfstyle", "older")
    use_still_training(monkeypatch)
    options = {"pooling": "max", "padding": "reflect", "normalized": False}
    network = tf_style.train_network(
        painting, tmp_path / "photos", init_network=str(base), config=tiny_config(**options)
    ).network
    image, _ = preparation.read_painting(painting, preparation.training_of(network))
    assert image.shape == (1, 64, 64, 3)
    model = extractor.load_extractor(NetworkConfig(**options), layers=architecture.PAINTING_LAYERS)
    (style,) = predictor.styles_of(network, [image])
    expected = predicted_by_hand(network, model(image))
    np.testing.assert_allclose(style, expected, rtol=2e-3, atol=2e-4)
    (other,) = predictor.styles_of(network._replace(about={}), [image])
    assert np.abs(other - expected).max() > 0.2 * np.abs(expected).max()


@pytest.mark.parametrize("record", [3, None, "weights", {"padding": "none"}, {"style_edge": "a"}])
def test_a_network_that_tells_nonsense_of_its_training_is_refused(record):
    network = make_tiny_network()._replace(about={"config": record})
    with pytest.raises(NetworkFileError, match="`network` must tell how it was trained"):
        preparation.training_of(network)


def test_the_predictor_reads_logarithms_of_means_and_deviations(monkeypatch, mini_network, rng):
    """The mini network has fewer filters; the predictor gets as many rows."""
    painting = rng.random((1, 48, 64, 3), np.float32)
    model = extractor.load_extractor(layers=architecture.PAINTING_LAYERS)
    found = model(painting)
    network = make_tiny_network()
    (style,) = predictor.styles_of(network, [painting])
    np.testing.assert_allclose(style, predicted_by_hand(network, found), rtol=2e-3, atol=2e-4)


def test_without_paintings_no_weights_are_read(monkeypatch):
    monkeypatch.setattr(predictor, "load_extractor", lambda *_, **__: pytest.fail("read"))
    assert predictor.styles_of(make_tiny_network(), []) == []
