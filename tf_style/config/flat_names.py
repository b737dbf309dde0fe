"""Flat names for the options of a dataclass and its groups. No TensorFlow here.

`StyleConfig(steps=50)` sets an option of the group `optimizer`: groups are fields that are
dataclasses themselves. No option has the name of another one.
"""

import dataclasses
import functools
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, TypeVar

from tf_style._checks import suggestion
from tf_style.config.fields import typed_fields

Fields: TypeAlias = dict[str, tuple[str, dataclasses.Field, Any]]
"""(group or "", field, type) of every option, by flat name."""

T = TypeVar("T", bound=type)
C = TypeVar("C")


def flat_fields(config_type: type) -> Fields:
    """Returns every option of a dataclass and its groups, in order."""
    table: Fields = {}
    for field, kind in typed_fields(config_type):
        if dataclasses.is_dataclass(kind):
            for inner, inner_kind in typed_fields(typing.cast(type, kind)):
                table[inner.name] = (field.name, inner, inner_kind)
        else:
            table[field.name] = ("", field, kind)
    return table


def groups_of(fields: Fields) -> tuple[str, ...]:
    """Returns the names of the groups, in order."""
    return tuple(dict.fromkeys(group for group, _, _ in fields.values() if group))


def flat_values(config: Any) -> dict[str, Any]:
    """Returns every option by flat name, in plain JSON types."""
    values = {}
    for name, (group, _, _) in flat_fields(type(config)).items():
        value = getattr(getattr(config, group) if group else config, name)
        values[name] = dict(value) if isinstance(value, tuple) else value
    return values


def replaced(config: C, options: Mapping[str, Any]) -> C:
    """Returns a copy of a config with some options changed, by flat name.

    Raises:
        ValueError: on an unknown name (suggests the nearest) or a value out of range.
        TypeError: on a value of a wrong type.
    """
    fields = flat_fields(type(config))
    check_names(options, fields, type(config).__name__)
    groups = {group: getattr(config, group) for group in groups_of(fields)}
    return dataclasses.replace(  # type: ignore[type-var]
        config, **_grouped(options, groups, fields)
    )


def check_names(options: Mapping[str, Any], fields: Fields, title: str) -> None:
    """Raises ValueError unless every option is among the fields of the config with this title."""
    for name in options:
        if name not in fields:
            raise ValueError(
                f"`{name[:80]}` must be an option of {title}." + suggestion(name, fields)
            )


def with_flat_names(config_type: T) -> T:
    """Returns the dataclass; its `__init__` takes the options of its groups, too."""
    init: Callable[..., None] = config_type.__init__  # type: ignore[misc]
    fields = flat_fields(config_type)

    @functools.wraps(init)
    def accepting(self: Any, **options: Any) -> None:
        given = [name for name in groups_of(fields) if name in options]
        # `optimizer` is a group, and the name of a method in it.
        names = [name for name in given if not isinstance(options[name], str)]
        groups = {name: options.pop(name) for name in names}
        check_names(options, fields, config_type.__name__)
        defaults = {
            field.name: field.default_factory()
            for field in dataclasses.fields(config_type)
            if field.default_factory is not dataclasses.MISSING
        }
        init(self, **{**groups, **_grouped(options, {**defaults, **groups}, fields)})

    config_type.__init__ = accepting  # type: ignore[misc]
    return config_type


def _grouped(
    options: Mapping[str, Any], groups: Mapping[str, Any], fields: Fields
) -> dict[str, Any]:
    """Returns the fields of the config that options by flat name give.

    Args:
        options: values by flat name.
        groups: the groups whose other options stay as they are.
        fields: of the config.
    """
    found: dict[str, Any] = {}
    changes: dict[str, dict[str, Any]] = {}
    for name, value in options.items():
        if group := fields[name][0]:
            changes.setdefault(group, {})[name] = value
        else:
            found[name] = value
    for group, values in changes.items():
        found[group] = dataclasses.replace(groups[group], **values)
    return found
