"""Fields of options: a default, a help text and a checked type each. No TensorFlow here."""

import dataclasses
import typing
from collections.abc import Iterator
from typing import Any

from tf_style._checks import check_number, shown

OptionalFloat: typing.TypeAlias = float | None
"""The type of a number that may be left out."""


class TypeChecked:
    """Base of option classes: checks every field against its annotated type; floats accept ints."""

    def __post_init__(self) -> None:
        for field, kind in typed_fields(type(self)):
            value = getattr(self, field.name)
            is_number = kind in (float, OptionalFloat)
            if is_number and isinstance(value, int) and not isinstance(value, bool):
                check_number(field.name, value, minimum=-1e300, maximum=1e300)
                value = float(value)
                object.__setattr__(self, field.name, value)
            expected = tuple if typing.get_origin(kind) is tuple else kind
            name = "float or None" if kind == OptionalFloat else expected.__name__
            if not isinstance(value, expected) or (value is True or value is False) != (
                kind is bool
            ):
                raise TypeError(
                    f"`{field.name}` must be of type {name}. Received: {field.name}={shown(value)}."
                )


def typed_fields(config_type: type) -> Iterator[tuple[dataclasses.Field, Any]]:
    """Yields every field of a dataclass with its type."""
    hints = typing.get_type_hints(config_type)
    for field in dataclasses.fields(config_type):
        yield field, hints[field.name]


def option(default: Any, help_text: str) -> Any:
    """Returns a dataclass field with a default and a help text."""
    return dataclasses.field(default=default, metadata={"help": help_text})
