"""Flags: defined by the fields of frozen dataclasses, and parsed from a command's arguments.

Takes dataclasses whose fields have a default and a help text; gives absl flags, options with the
parsed values, and the text of `--help`. A flag has the name, type and default of its field. No
TensorFlow here.
"""

import csv
import dataclasses
import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from absl import flags

from tf_style._checks import exists, shown, suggestion, user_path
from tf_style.cli import other_names
from tf_style.config import style_config
from tf_style.config.fields import OptionalFloat, typed_fields

FILES = tuple[str, ...]
"""The type of a field that holds the names of files. Its flag may be repeated: see `paths`."""

_DEFINE: dict[Any, Callable[..., Any]] = {
    str: flags.DEFINE_string,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    OptionalFloat: flags.DEFINE_float,
    bool: flags.DEFINE_boolean,
}
TITLES = {
    "": "Main settings",
    "network": "Network",
    "loss": "Loss",
    "optimizer": "Optimizer",
    "compute": "Computing",
    "control": "Several styles, and regions",
}
_SHORT = {"-h": "--help", "-o": "--output", "-v": "--verbose"}

_SEVERAL = (
    " Several paintings are one argument, a.jpg,b.jpg, or several flags, --style=a.jpg "
    "--style=b.jpg."
)

_LONGEST = 100
"""Most characters of a flag's name."""

Table = list[tuple[dataclasses.Field, Any]]
"""Fields with their types. Each becomes a flag."""


def config_table(*, without: Iterable[str] = ()) -> Table:
    """Returns the fields of `StyleConfig` and its parts, except those named in `without`."""
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
        text = field.metadata["help"]
        if kind == FILES:
            flags.DEFINE_multi_string(field.name, [], text, flag_values=values)
            continue
        default = field.default
        if isinstance(default, tuple):
            default = ",".join(f"{name}:{weight:g}" for name, weight in default)
        define = _DEFINE.get(kind, flags.DEFINE_string)
        define(field.name, default, text, flag_values=values, allow_overwrite=False)
    return values


def parse(
    values: flags.FlagValues,
    arguments: Sequence[str],
    *,
    positional: Sequence[str] = (),
    commands: Iterable[str] = (),
) -> flags.FlagValues:
    """Parses the arguments of a command line into flags.

    Args:
        values: flags from `make_flags`.
        arguments: the command line, without the program and the command.
        positional: names of the flags that positional arguments set, in this order. A flag that
            is given by name is skipped.
        commands: names of the commands, used to suggest one for a mistyped command.

    Returns:
        `values`, with the parsed values.

    Raises:
        ValueError: for an unknown flag, a value of the wrong type, an unknown command, a flag that
            is repeated but holds no `FILES`, or too many positional arguments. The message suggests
            what may be meant.
    """
    if arguments and (meant := _command_meant(arguments[0], commands)):
        raise ValueError(f"There is no command {arguments[0]!r}.{meant}")
    arguments = _spelled_out(values, arguments)
    values.set_gnu_getopt(True)  # Flags may follow positional arguments.
    try:
        rest = values(["tf_style", *arguments])[1:]
    except flags.UnrecognizedFlagError as error:
        raise ValueError(other_names.unknown(error.flagname, values)) from error
    except flags.IllegalFlagValueError as error:
        name, _, rest = str(error).removeprefix("flag --").partition("=")
        value = _value_in(rest, arguments)
        if name in values and values[name].present:
            raise ValueError(_repeated(values[name], value)) from error
        kind = {"float": "a number", "int": "a whole number"}.get(
            values[name].flag_type() if name in values else "", "true or false"
        )
        raise ValueError(f"`{name}` must be {kind}. Received: {name}={value!r}.") from error
    names = [name for name in positional if not values[name].present]
    if len(rest) > len(names):
        allowed = f"At most {', '.join(names)} can" if names else "No argument can"
        raise ValueError(
            f"{allowed} be given without a flag's name. Unexpected: "
            f"{shown(rest[len(names)])}. Write options as flags, as in --size=1024."
            + (_SEVERAL if "style" in values else "")
        )
    for name, value in zip(names, rest, strict=False):
        values[name].parse(value)
        values[name].using_default_value = False
    return values


def _value_in(text: str, arguments: Sequence[str]) -> str:
    """Returns the argument with which absl's "VALUE: REASON" begins; both may hold colons."""
    words = [word.partition("=")[2] if word.startswith("-") else word for word in arguments]
    found = (word for word in words if text.startswith(f"{word}: "))
    return max(found, key=len, default=text.partition(": already defined as ")[0])


def _repeated(flag: flags.Flag, second: str) -> str:
    """Returns the message for a flag that holds one value and is given another one."""
    first = str(flag.value).lower() if flag.flag_type() == "bool" else str(flag.value)
    received = f"--{flag.name}={shown(first)[1:-1]} --{flag.name}={shown(second)[1:-1]}"
    return f"`{flag.name}` must be given once. Received: {received}. Leave out one of them."


def _command_meant(word: str, commands: Iterable[str]) -> str:
    """Returns a suggestion if a word looks like a mistyped command, not a flag or a file's name."""
    path = user_path(word)
    is_other = word.startswith("-") or path.suffix or exists(path)
    return "" if is_other else suggestion(word, commands)


def _spelled_out(values: flags.FlagValues, arguments: Sequence[str]) -> list[str]:
    """Returns the arguments with the full names of flags; the values of flags stay unchanged."""
    spelled: list[str] = []
    is_value = False
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if name == "--":
            return [*spelled, *arguments[len(spelled) :]]
        if len(name) > _LONGEST and name.startswith("-"):
            # absl compares an unknown name with every flag, which takes long for a long name.
            raise ValueError(f"No flag has a name this long. Received: {shown(name)}.")
        spelled.append(argument if is_value else f"{_full(name, values)}{equals}{value}")
        flag = spelled[-1].lstrip("-")
        is_flag = not is_value and spelled[-1].startswith("-") and flag in values
        is_value = is_flag and values[flag].flag_type() != "bool"
    return spelled


def _full(name: str, values: flags.FlagValues) -> str:
    """Returns the full name of a short flag, and --noFLAG for --no_FLAG and --no-FLAG."""
    off = name.lstrip("-")
    flag = off[3:].replace("-", "_")
    if off[:3] in ("no_", "no-") and flag in values and values[flag].flag_type() == "bool":
        return f"--no{flag}"
    return _SHORT.get(name, name)


def of_type(options: type, values: flags.FlagValues) -> Any:
    """Returns an instance of the dataclass `options` with the values of the flags.

    Raises:
        ValueError: as for `paths`.
    """
    found = {field.name: values[field.name].value for field, _ in typed_fields(options)}
    for field, kind in typed_fields(options):
        if kind == FILES:
            listed = [paths(text, argument=field.name) for text in found[field.name]]
            found[field.name] = tuple(path for each in listed for path in each)
    return options(**found)


def given_options(values: flags.FlagValues) -> dict[str, Any]:
    """Returns the `StyleConfig` options that were set by flags: values by name."""
    names = [name for name in style_config.FIELDS if name in values and values[name].present]
    return {name: values[name].value for name in names}


def paths(text: str, *, argument: str) -> list[str]:
    """Returns the paths in one value of a flag that holds `FILES`.

    A value that is the name of an existing file is that file, whole. Any other is a list: names
    separated by commas, where a name with a comma is in double quotes, as in '"a,b.jpg",c.jpg'.

    Raises:
        ValueError: if there is nothing between two commas, or a quote is not closed.
    """
    if not text or exists(text):
        return [text] if text else []
    try:
        (parts,) = csv.reader([text], skipinitialspace=True, strict=True)
    except (csv.Error, ValueError) as error:
        raise ValueError(
            f"`{argument}` must be names separated by commas. Received: {argument}={shown(text)}: "
            f"{error}. Close each quote, or repeat the flag for each name."
        ) from error
    parts = [part.strip() for part in parts]
    if not all(parts):
        raise ValueError(
            f"`{argument}` must have a name between commas. Received: {argument}={shown(text)}. "
            "Remove the extra comma."
        )
    return parts


def command_table(options: type, *, without: Iterable[str] | None = None) -> Table:
    """Returns the fields of a command: its own, then those of `StyleConfig`.

    Args:
        options: the dataclass of the command's own options.
        without: names of `StyleConfig` options to leave out; None leaves out all of them.
    """
    own = list(typed_fields(options))
    return own if without is None else [*own, *config_table(without=without)]


def command_help(usage: str, title: str, options: type, table: Table, *, is_full: bool) -> str:
    """Returns the help text of a command.

    Args:
        usage: the first lines.
        title: heading of the command's own flags.
        options: the dataclass of the command's own options.
        table: all fields of the command.
        is_full: whether to show all flags, or only the command's own.
    """
    own = list(typed_fields(options))
    lines = [usage, *help_lines(title, table if is_full else own), ""]
    if len(table) > len(own) and not is_full:
        lines += ["Every setting of a picture is also a flag: see --helpfull.", ""]
    return "\n".join(lines)


def short_help_lines(table: Table, names: Iterable[str]) -> list[str]:
    """Returns the help lines of the named flags, in the order of `names`."""
    by_name = {field.name: (field, kind) for field, kind in table}
    return _lines([by_name[name] for name in names])


def help_lines(title: str, table: Table) -> list[str]:
    """Returns the help lines of all flags in groups, with their defaults.

    Args:
        title: heading of the fields that are not `StyleConfig` options.
        table: the fields.
    """
    groups: dict[str, Table] = {title: []}
    for field, kind in table:
        group, known, _ = style_config.FIELDS.get(field.name, ("", None, None))
        heading = TITLES[group] if field is known else title
        groups.setdefault(heading, []).append((field, kind))
    lines = []
    for heading, fields in groups.items():
        lines += ["", f"{heading}:", *_lines(fields)]
    return lines


def _lines(table: Table) -> list[str]:
    """Returns the name, help text and default of each flag."""
    lines = []
    values = make_flags(table)
    for field, _ in table:
        default = values[field.name].default
        shown_default = "" if default in ("", False, None, []) else f" [{default}]"
        lines.append(f"  --{field.name}")
        text = field.metadata["help"] + shown_default
        lines += textwrap.wrap(text, 92, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return lines
