"""Flags made from the fields of frozen dataclasses, read from a command's arguments.

A command has its options as fields with a "help" text; the flag of a field has its name, type
and default. No TensorFlow here.
"""

import dataclasses
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from absl import flags

from tf_style._checks import shown, suggestion, user_path
from tf_style.config import style_config
from tf_style.config.fields import typed_fields

_DEFINE = {
    str: flags.DEFINE_string,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    bool: flags.DEFINE_boolean,
}
_TITLES = {
    "": "Main settings",
    "network": "Network",
    "loss": "Loss",
    "optimizer": "Optimizer",
    "compute": "Computing",
    "control": "Several styles, and regions",
}
_SHORT = {"-h": "--help", "-v": "--verbose"}

_LONGEST = 100

Table = list[tuple[dataclasses.Field, Any]]
"""Fields with their types, each to become a flag."""


def config_table(*, without: Iterable[str] = ()) -> Table:
    """Returns the fields of every option of `StyleConfig`, but for some names."""
    left_out = set(without)
    return [
        (field, kind)
        for name, (_, field, kind) in style_config.FIELDS.items()
        if name not in left_out
    ]


def make_flags(table: Table) -> flags.FlagValues:
    """Returns absl flags for the fields, with their defaults."""
    values = flags.FlagValues()
    for field, kind in table:
        default = field.default
        if isinstance(default, tuple):
            default = ",".join(f"{name}:{weight:g}" for name, weight in default)
        define = _DEFINE.get(kind, flags.DEFINE_string)
        define(field.name, default, field.metadata["help"], flag_values=values)
    return values


def parse(
    values: flags.FlagValues, arguments: Sequence[str], *, commands: Iterable[str] = ()
) -> flags.FlagValues:
    """Returns the flags with the values that the arguments give them.

    Raises:
        absl.flags.Error: on an unknown flag; names the nearest.
        ValueError: on a value of a wrong type, or an argument that is no flag.
    """
    arguments = [_SHORT.get(argument, argument) for argument in arguments]
    for argument in arguments:
        name = argument.partition("=")[0]
        if len(name) > _LONGEST:  # absl would look for names like it, letter by letter.
            raise ValueError(
                "Every argument must be a flag, as in --content=photo.jpg. Received: "
                f"{shown(name)}."
            )
    try:
        rest = values(["tf_style", *arguments])[1:]
    except flags.IllegalFlagValueError as error:
        name, _, value = str(error).removeprefix("flag --").split(":")[0].partition("=")
        kind = {"float": "a number", "int": "a whole number"}.get(
            values[name].flag_type() if name in values else "", "true or false"
        )
        raise ValueError(f"`{name}` must be {kind}. Received: {name}={value!r}.") from error
    if rest:
        raise ValueError(
            f"Every argument must be a flag, as in --content=photo.jpg. Received: {rest[0]!r}."
            + suggestion(rest[0], commands)
        )
    return values


def of_type(options: type, values: flags.FlagValues) -> Any:
    """Returns a dataclass of these options with the flags' values."""
    return options(**{field.name: values[field.name].value for field, _ in typed_fields(options)})


def given(values: flags.FlagValues) -> dict[str, Any]:
    """Returns the options of `StyleConfig` that were given as flags, by name."""
    names = [name for name in style_config.FIELDS if name in values and values[name].present]
    return {name: values[name].value for name in names}


def paths(text: str) -> list[str]:
    """Returns the paths in a flag, which are separated by commas unless it is a file's name."""
    if not text or user_path(text).exists():
        return [text] if text else []
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise ValueError(
            f"Files must have names between the commas. Received: {text!r}. Leave out the comma."
        )
    return parts


def help_lines(title: str, table: Table) -> list[str]:
    """Returns the flags' part of a help text: names, what they do, defaults.

    Args:
        title: of the fields that are no options of `StyleConfig`.
        table: the fields.
    """
    groups: dict[str, Table] = {title: []}
    for field, kind in table:
        group, known, _ = style_config.FIELDS.get(field.name, ("", None, None))
        heading = _TITLES[group] if field is known else title
        groups.setdefault(heading, []).append((field, kind))
    lines = []
    for heading, fields in groups.items():
        lines += ["", f"{heading}:"]
        values = make_flags(fields)
        for field, _ in fields:
            default = values[field.name].default
            shown = "" if default in ("", False, None) else f" [{default}]"
            lines.append(f"  --{field.name}")
            text = field.metadata["help"] + shown
            lines += textwrap.wrap(text, 92, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return lines
