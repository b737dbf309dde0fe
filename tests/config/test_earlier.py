"""Options that earlier versions wrote keep their meaning."""

import dataclasses
import json

import pytest

from tf_style.config import style_config
from tf_style.config.earlier import ADDED, completed
from tf_style.config.loss import LossConfig
from tf_style.keras.inputs import options_of


def written_earlier(config):
    """The settings as an earlier version wrote them: without the options that it did not have."""
    values = {name: value for name, value in config.to_dict().items() if name not in ADDED}
    if values["preset"] == "classic":
        values["preset"] = "default"
    return values


def test_a_file_of_the_earlier_default_gives_the_classic_preset():
    classic = style_config.preset("classic")
    loss = classic.loss
    assert (loss.style_weight, loss.tv_weight, loss.content_weight) == (2000.0, 20.0, 1.0)
    text = json.dumps(written_earlier(classic))
    assert style_config.StyleConfig.from_json(text) == classic


def test_a_changed_earlier_default_keeps_its_changes():
    classic = style_config.preset("classic").replace(style_strength=4.0, steps=7)
    assert style_config.StyleConfig.from_dict(written_earlier(classic)) == classic


@pytest.mark.parametrize("name", [name for name in style_config.PRESETS if name != "default"])
def test_earlier_files_of_every_preset_give_the_preset(name):
    preset = style_config.preset(name)
    assert style_config.StyleConfig.from_dict(written_earlier(preset)) == preset


@pytest.mark.parametrize("values", [{}, {"style_weight": 2.0}, {"size": 300, "steps": 3}])
def test_what_a_person_wrote_keeps_the_present_defaults(values):
    found = style_config.StyleConfig.from_dict(values)
    assert found == style_config.StyleConfig().replace(**values)
    assert found.loss.relative_losses


def test_a_complete_file_of_this_version_is_left_alone():
    values = style_config.StyleConfig().to_dict()
    assert completed(values, style_config.FIELDS) == values


def test_the_losses_of_an_earlier_keras_file_keep_their_units():
    values = dataclasses.asdict(LossConfig(style_weight=500.0))
    earlier = {name: value for name, value in values.items() if name not in ADDED}
    found = options_of(LossConfig, earlier, argument="config")
    assert not found.relative_losses and found.content_power == 1.0 and found.style_weight == 500.0
    assert options_of(LossConfig, {"style_weight": 500.0}, argument="config").relative_losses


@pytest.mark.parametrize("name", sorted(ADDED))
def test_one_option_that_is_missing_does_not_make_a_file_an_earlier_one(name):
    config = style_config.StyleConfig().replace(steps=7)
    values = config.to_dict()
    del values[name]
    assert style_config.StyleConfig.from_dict(values) == config
