"""Tuning of predicted styles on the photograph that is to be painted."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from tiny_style_network import make_tiny_network

from tf_style.config.loss import LossConfig
from tf_style.config.network import NetworkConfig
from tf_style.feedforward.architecture import PAINTING_LAYERS
from tf_style.feedforward.pictures import paint_picture
from tf_style.network.extractor import build_extractor
from tf_style.objective.objective import Objective
from tf_style.training import tuning
from tf_style.training.photographs import Photographs

LOSS = LossConfig(content_layers="conv2_1", style_layers="conv1_1,conv2_1", style_weight=30.0)


@pytest.fixture(scope="module")
def objective(mini_layers):
    return Objective(build_extractor(mini_layers, layers=PAINTING_LAYERS), LOSS)


@pytest.fixture(scope="module")
def network():
    return make_tiny_network("kept")


@pytest.fixture(scope="module")
def steps(objective, network):
    """What a tuning of 80 steps has reached after each of them."""
    rng = np.random.default_rng(3)
    config = dataclasses.replace(
        tuning.tuning_config(network, 1.0, steps=80), crops="64", loss=LOSS
    )
    photograph = rng.random((1, 90, 110, 3), np.float32)
    # A painting that the network can paint.
    painting = paint_picture(network, photograph, 2.0 * network.styles["kept"])
    return list(tuning.tuned(objective, config, network, {"own": painting}, photograph))


def test_the_style_comes_closer_to_the_painting(steps):
    losses = [step.progress.losses.style for step in steps]
    assert np.mean(losses[-20:]) < 0.8 * np.mean(losses[:5])
    assert all(loss > 0.0 for loss in losses)


def test_only_scales_and_shifts_of_the_painting_change(steps, network):
    first, last = steps[0], steps[-1]
    assert set(last.styles) == {"own"}
    assert np.abs(last.styles["own"] - first.styles["own"]).max() > 1e-3
    for name, values in network.parameters.items():
        np.testing.assert_array_equal(last.progress.state.parameters[name], values)


def test_a_step_is_made_even_if_there_is_no_time(objective, network):
    config = dataclasses.replace(tuning.tuning_config(network, 0.6), crops="64", loss=LOSS)
    picture = np.random.default_rng(0).random((1, 64, 64, 3), np.float32)
    found = next(tuning.tuned(objective, config, network, {"own": picture}, picture))
    assert found.progress.reached.step == 1


@pytest.mark.parametrize(
    ("size", "grid"), [((100, 90), (1, 1)), ((540, 810), (2, 3)), ((20, 600), (1, 2))]
)
def test_a_photograph_is_cut_into_pieces_that_cover_it(size, grid):
    picture = np.random.default_rng(0).integers(0, 256, (1, *size, 3)).astype(np.float32) / 255.0
    pieces = tuning._pieces(picture)
    assert len(pieces) == grid[0] * grid[1]
    assert sum(piece.shape[0] * piece.shape[1] for piece in pieces) == size[0] * size[1]
    total = sum(piece.sum(dtype=np.int64) for piece in pieces)
    assert total == np.rint(255.0 * picture).sum(dtype=np.int64)


def test_photographs_at_hand_need_no_files():
    pixels = [np.full([4, 5, 3], value, np.uint8) for value in (1, 2)]
    found = Photographs.of(pixels)
    assert len(found) == 2
    np.testing.assert_array_equal(found.number(1), pixels[1])


def test_paintings_are_described_as_in_the_networks_training(network):
    about = {"config": {"padding": "zeros", "pooling": "max", "learning_rate": 0.5}}
    found = tuning.tuning_config(network._replace(about=about), 30.0)
    assert found.network == NetworkConfig(padding="zeros", pooling="max")
    assert (found.minutes, found.batch, found.learning_rate) == (0.5, 2, 0.0067)


def test_too_little_memory_is_told(objective, network, monkeypatch):
    def steps(*_):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM")

    monkeypatch.setattr(tuning.Training, "steps", steps)
    config = dataclasses.replace(tuning.tuning_config(network, 0.6), crops="64", loss=LOSS)
    picture = np.random.default_rng(0).random((1, 64, 64, 3), np.float32)
    with pytest.raises(MemoryError, match="Leave `tune_seconds` out"):
        next(tuning.tuned(objective, config, network, {"own": picture}, picture))
