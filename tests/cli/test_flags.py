"""Flags: defaults, presets, lists of paths, and suggestions for unknown flags."""

import dataclasses
import re

import pytest

from tf_style.cli import flags, stylize_command
from tf_style.cli.request import RunOptions
from tf_style.cli.settings import settings_from
from tf_style.config import style_config


def parse(*arguments, **names):
    """Returns the flags of the default command, parsed."""
    return flags.parse(stylize_command.make_flags(), arguments, **names)


def test_flags_are_the_fields_of_the_config_with_their_defaults():
    own = {field.name for field in dataclasses.fields(RunOptions)}
    assert set(stylize_command.make_flags()) == own | set(style_config.FIELDS)
    assert settings_from(parse(), "") == style_config.StyleConfig()
    assert flags.of_type(RunOptions, parse()) == RunOptions()


def test_flags_change_a_preset_one_by_one():
    values = parse(
        "--preset=gatys2016", "--style_weight=7", "--nonormalized", "--style_layers=conv1_1:2"
    )
    expected = style_config.preset("gatys2016").replace(
        style_weight=7.0, normalized=False, style_layers={"block1_conv1": 2.0}
    )
    assert settings_from(values, "") == expected


def test_only_flags_that_were_given_change_the_settings():
    values = parse("photo.jpg", "--size=512", "--steps", "9", positional=["content"])
    assert flags.given_options(values) == {"size": 512, "steps": 9}
    assert values["content"].present  # So that --resume refuses it.


@pytest.mark.parametrize(
    ("short", "long"),
    [("-o=a.png", "--output=a.png"), ("-v", "--verbose"), ("-h", "--help")],
)
def test_short_names_equal_long_ones(short, long):
    assert parse(short).flag_values_dict() == parse(long).flag_values_dict()


def test_a_positional_argument_skips_a_flag_that_is_given():
    values = parse("--content=a.jpg", "b.jpg", "c.png", positional=stylize_command.POSITIONAL)
    assert [values[name].value for name in stylize_command.POSITIONAL] == [
        "a.jpg",
        "b.jpg",
        "c.png",
    ]
    with pytest.raises(ValueError, match="Unexpected: 'd.png'"):
        parse("-o", "a.png", "b.jpg", "c.jpg", "d.png", positional=stylize_command.POSITIONAL)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--style_weight=much", "`style_weight` must be a number. Received: style_weight='much'."),
        ("--steps=2.5", "`steps` must be a whole number. Received: steps='2.5'."),
        ("--normalized=maybe", "`normalized` must be true or false. Received: normalized='maybe'."),
        ("photo.jpg", "No argument can be given without a flag's name. Unexpected: 'photo.jpg'"),
    ],
)
def test_an_invalid_value_is_refused(argument, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        parse(argument)


def message_about(flag):
    with pytest.raises(ValueError) as caught:
        parse(f"--{flag}=1")
    return str(caught.value)


@pytest.mark.parametrize("name", flags.OTHER_NAMES)
def test_the_names_of_other_programs_are_suggested(name):
    meaning = flags.OTHER_NAMES[name]
    assert name not in stylize_command.make_flags()
    for spelling in {name, name.replace("_", "-")}:
        if meaning:
            expected = f"There is no flag --{spelling}. Did you mean --{meaning}?"
        else:
            expected = f"There is no flag --{spelling}, and none is needed. Leave it out."
        assert message_about(spelling) == expected


@pytest.mark.parametrize("meaning", sorted({*flags.OTHER_NAMES.values()} - {""}))
def test_a_suggested_flag_exists_and_takes_the_suggested_value(meaning):
    name, equals, _ = meaning.partition("=")
    assert name in stylize_command.make_flags()
    if equals:
        settings_from(parse(f"--{meaning}"), "")


def test_no_name_of_another_program_is_listed_twice():
    names = " ".join(flags._NAMES_BY_MEANING.values()).split()
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("flag", "meant"),
    [
        ("strength", "style_strength"),
        ("preserve_colors", "color=content"),
        ("preserve-colors", "color=content"),
        ("iterations", "steps"),
        ("style_layers_weights", "style_layers"),
        ("content-weight", "content_weight"),
        ("tv-weight", "tv_weight"),
        ("end-scale", "size"),
        ("Size", "size"),
        ("normalised", "normalized"),
        ("stile_weight", "style_weight"),
    ],
)
def test_an_unknown_flag_gets_the_flag_meant(flag, meant):
    assert message_about(flag) == f"There is no flag --{flag}. Did you mean --{meant}?"


def test_a_flag_like_no_other_gets_the_way_to_the_list():
    assert message_about("qqqq") == "There is no flag --qqqq. See --helpfull."


def test_a_suggestion_is_a_flag_of_the_command():
    table = flags.command_table(RunOptions)  # Without the options of `StyleConfig`.
    for unknown in ("strength", "iterations"):
        with pytest.raises(ValueError) as caught:
            flags.parse(flags.make_flags(table), [f"--{unknown}=1"])
        assert "style_strength" not in str(caught.value) and "--steps" not in str(caught.value)


def test_paths_are_separated_by_commas_unless_a_file_has_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a,b.jpg").touch()
    assert flags.paths("") == []
    assert flags.paths("a,b.jpg") == ["a,b.jpg"]
    assert flags.paths("a.jpg, b.jpg") == ["a.jpg", "b.jpg"]
    with pytest.raises(ValueError, match="must have a name between commas"):
        flags.paths("a.jpg,,b.jpg")


def test_the_value_of_a_flag_is_no_short_flag():
    values = parse("--output", "-v", "-o", "-h")
    assert values["output"].value == "-h"
    assert not values["verbose"].present
    assert not values["help"].present
