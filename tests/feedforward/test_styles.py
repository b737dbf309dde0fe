"""Styles by name, with weights, and as files of paintings."""

import numpy as np
import pytest
from tiny_style_network import make_tiny_network

from tf_style.feedforward.styles import Chosen, blended, chosen_styles, shares_of


@pytest.fixture
def network():
    return make_tiny_network("great_wave", "the_scream")


@pytest.mark.parametrize(
    ("texts", "sources", "weights"),
    [
        (["great_wave"], ("great_wave",), None),
        (["great_wave", "the_scream"], ("great_wave", "the_scream"), None),
        (["great_wave:0.7", "the_scream:0.3"], ("great_wave", "the_scream"), (0.7, 0.3)),
        (["great_wave:2", "own.jpg:1"], ("great_wave", "own.jpg"), (2.0, 1.0)),
        (["s3://bucket/own.jpg"], ("s3://bucket/own.jpg",), None),
        (["folder/own"], ("folder/own",), None),
    ],
)
def test_texts_are_names_or_files_with_weights(network, texts, sources, weights):
    chosen = chosen_styles(texts, network)
    assert chosen == Chosen(sources, weights)
    assert chosen.paintings(network) == [each for each in sources if each not in network.styles]


def test_the_style_of_a_network_with_one_can_be_left_out(network):
    alone = network._replace(styles={"the_scream": network.styles["the_scream"]})
    assert chosen_styles([], alone) == Chosen(("the_scream",), None)


def test_an_existing_file_is_one_whatever_its_name(network, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wave:2").write_bytes(b"")
    assert chosen_styles(["wave:2"], network) == Chosen(("wave:2",), None)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["great_wav"], "one of 'great_wave', 'the_scream', or .* Did you mean 'great_wave'?"),
        (["nothing"], "must be one of 'great_wave', 'the_scream'.* Received: style='nothing'"),
        ([], "Received: none"),
        (["great_wave:1", "the_scream"], "each style a weight.* or none"),
        (["great_wave:0", "the_scream:0"], "must have a weight above 0"),
        (["great_wave:"], "each weight as a number"),
        (["great_wave:0.5", "great_wave:0.5"], "each style once. Received: 'great_wave' twice"),
        (["great_wave", "great_wave"], "each style once"),
        (["own.jpg:1", "own.jpg:0"], "each style once"),
        (["great_wave:-1", "the_scream:2"], "lie within 0"),
        (["great_wave:nan"], "finite"),
    ],
)
def test_wrong_styles_are_refused(network, texts, message):
    with pytest.raises(ValueError, match=message):
        chosen_styles(texts, network)


def test_several_masks_may_have_the_same_style(network):
    found = chosen_styles(["great_wave", "great_wave"], network, num_masks=2)
    assert found == Chosen(("great_wave", "great_wave"), None)


@pytest.mark.parametrize(
    "texts",
    [
        ["great_wave:0.7", "the_scream"],
        ["great_wave:"],
        ["great_wave:0.5", "great_wave:0.5"],
        ["great_wave:0", "great_wave:1"],
        ["great_wave:0"],
        ["great_wave:inf"],
        ["great_wave:1_0:2"],
        ["great_waves"],
    ],
)
def test_files_and_models_refuse_the_same_blends(network, texts):
    for call in (
        lambda: chosen_styles(texts, network),
        lambda: shares_of(",".join(texts), list(network.styles)),
    ):
        with pytest.raises(ValueError, match="`style` must"):
            call()


def test_a_blend_is_the_weighted_mean(network):
    one, two = network.styles.values()
    np.testing.assert_allclose(blended([one, two], (3.0, 1.0)), 0.75 * one + 0.25 * two, rtol=1e-5)
    np.testing.assert_array_equal(blended([one, two], (1.0, 0.0)), one)
