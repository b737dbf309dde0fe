"""Flags: defaults, presets, lists of paths, and suggestions for unknown flags."""

import dataclasses
import re

import pytest

from tf_style.cli import flags, other_names, stylize_command
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
    options = flags.of_type(RunOptions, values)
    assert (options.content, options.style, options.output) == ("a.jpg", ("b.jpg",), "c.png")
    with pytest.raises(ValueError, match="Unexpected: 'd.png'"):
        parse("-o", "a.png", "b.jpg", "c.jpg", "d.png", positional=stylize_command.POSITIONAL)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--style_weight=much", "`style_weight` must be a number. Received: style_weight='much'."),
        ("--steps=2.5", "`steps` must be a whole number. Received: steps='2.5'."),
        ("--steps=1:2: x", "`steps` must be a whole number. Received: steps='1:2: x'."),
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


@pytest.mark.parametrize("name", other_names.OTHER_NAMES)
def test_the_names_of_other_programs_are_suggested(name):
    meaning = other_names.OTHER_NAMES[name]
    assert name not in stylize_command.make_flags()
    for spelling in {name, name.replace("_", "-")}:
        if meaning:
            expected = f"There is no flag --{spelling}. Did you mean --{meaning}?"
        else:
            expected = f"There is no flag --{spelling}, and none is needed. Leave it out."
        assert message_about(spelling) == expected


@pytest.mark.parametrize("meaning", sorted({*other_names.OTHER_NAMES.values()} - {""}))
def test_a_suggested_flag_exists_and_takes_the_suggested_value(meaning):
    name, equals, _ = meaning.partition("=")
    assert name in stylize_command.make_flags()
    if equals:
        settings_from(parse(f"--{meaning}"), "")


def test_no_name_of_another_program_is_listed_twice():
    names = " ".join(other_names._NAMES_BY_MEANING.values()).split()
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
    message = message_about("photo.png")
    assert message == "There is no flag --photo.png. If it is a file, write ./-photo.png."


def test_a_suggestion_is_a_flag_of_the_command():
    table = flags.command_table(RunOptions)  # Without the options of `StyleConfig`.
    for unknown in ("strength", "iterations"):
        with pytest.raises(ValueError) as caught:
            flags.parse(flags.make_flags(table), [f"--{unknown}=1"])
        assert "style_strength" not in str(caught.value) and "--steps" not in str(caught.value)


def styles(*arguments):
    values = parse(*arguments, positional=stylize_command.POSITIONAL)
    return flags.of_type(RunOptions, values).style


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], ()),
        (["--style="], ()),
        (["--style=a.jpg, b.jpg"], ("a.jpg", "b.jpg")),
        (["--style=a.jpg", "--style=b.jpg", "--style", "c.jpg"], ("a.jpg", "b.jpg", "c.jpg")),
        (["--style=a.jpg,c.jpg", "--style=b.jpg"], ("a.jpg", "c.jpg", "b.jpg")),
        (["--style=a,b.jpg"], ("a,b.jpg",)),
        (["photo.jpg", "a,b.jpg"], ("a,b.jpg",)),
        (["--style=a,b.jpg", "--style=c,d.jpg"], ("a,b.jpg", "c", "d.jpg")),
        (['--style="a,b.jpg", c.jpg'], ("a,b.jpg", "c.jpg")),
        (['--style="no,file.jpg"'], ("no,file.jpg",)),
        (['--style=say "hi".jpg,"say ""hi"", you.jpg"'], ('say "hi".jpg', 'say "hi", you.jpg')),
        ([f"--style={'x' * 5000},b.jpg"], ("x" * 5000, "b.jpg")),
    ],
)
def test_a_list_of_files_adds_up_and_splits_no_existing_name(
    tmp_path, monkeypatch, arguments, expected
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a,b.jpg").touch()
    assert styles(*arguments) == expected


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("a.jpg,,b.jpg", "`style` must have a name between commas. Received: style='a.jpg,,b.jpg'"),
        ('"a.jpg,b.jpg', "`style` must be names separated by commas. .* Close each quote"),
        ("a.jpg,b\n.jpg", "`style` must be names separated by commas."),
    ],
)
def test_an_unclear_list_of_files_is_refused(value, message):
    with pytest.raises(ValueError, match=message):
        styles(f"--style={value}")


@pytest.mark.parametrize(
    ("arguments", "received"),
    [
        (["--size=512", "--size", "1024"], "--size=512 --size=1024"),
        (["-o", "a.png", "-o=b.png"], "--output=a.png --output=b.png"),
        (["--output=a: already", "-o", "b=c"], "--output=a: already --output=b=c"),
        (["--nonormalized", "--normalized"], "--normalized=false --normalized=true"),
        (["-v", "--verbose=false"], "--verbose=true --verbose=false"),
        (["--style_layers=conv1_1"] * 2, "--style_layers=conv1_1 --style_layers=conv1_1"),
        (["--style_weight=1", "-style_weight=2"], "--style_weight=1.0 --style_weight=2"),
    ],
)
def test_any_other_flag_is_given_once(arguments, received):
    name = received[2:].partition("=")[0]
    expected = f"`{name}` must be given once. Received: {received}. Leave out one of them."
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        parse(*arguments)


@pytest.mark.parametrize("name", sorted(set(stylize_command.make_flags())))
def test_every_flag_adds_up_or_is_refused(name):
    """A property of all flags, whatever their types."""
    value = {"bool": "true", "int": "1", "float": "1"}.get(
        stylize_command.make_flags()[name].flag_type(), "x"
    )
    twice = [f"--{name}={value}"] * 2
    if name in ("style", "content_masks", "style_masks"):
        assert getattr(flags.of_type(RunOptions, parse(*twice)), name) == ("x", "x")
    else:
        with pytest.raises(ValueError, match=f"^`{name}` must be given once. Received: --{name}="):
            parse(*twice)


@pytest.mark.parametrize(
    "command",
    [
        "--content=photo.jpg --style a.jpg b.jpg --output=out.png",
        "photo.jpg --style a.jpg b.jpg out.png",
        "photo.jpg a.jpg b.jpg out.png",
    ],
)
def test_a_second_painting_without_a_comma_is_told_how_to_be_given(command):
    expected = "Several paintings are one argument, a.jpg,b.jpg, or several flags, --style=a.jpg "
    with pytest.raises(ValueError, match=expected + "--style=b.jpg"):
        styles(*command.split())


def test_the_value_of_a_flag_is_no_short_flag():
    values = parse("--output", "-v", "--trace", "-h")
    assert (values["output"].value, values["trace"].value) == ("-v", "-h")
    assert not values["verbose"].present
    assert not values["help"].present
