"""The options of a training by flat name: for flags, keywords and checkpoints. No TensorFlow here.

Takes and gives `TrainingConfig`. Options that a training does not use have no name here, so that
nothing that is given is ignored.
"""

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any

from tf_style._checks import suggestion
from tf_style.config.fields import typed_fields
from tf_style.config.training import TrainingConfig

_UNUSED = ("mask_mode", "jit_compile", "memory_limit", "time_budget")


def _fields() -> dict[str, tuple[str, dataclasses.Field, Any]]:
    table: dict[str, tuple[str, dataclasses.Field, Any]] = {}
    config = TrainingConfig()
    for field, kind in typed_fields(TrainingConfig):
        if not dataclasses.is_dataclass(kind):
            table[field.name] = ("", field, kind)
            continue
        for inner, inner_kind in typed_fields(typing.cast(type, kind)):
            if inner.name not in _UNUSED:
                default = getattr(getattr(config, field.name), inner.name)
                table[inner.name] = (field.name, _with_default(inner, default), inner_kind)
    return table


def _with_default(field: dataclasses.Field, default: Any) -> dataclasses.Field:
    """Returns a field with the default that a training has: that of its group may be another."""
    changed = dataclasses.field(default=default, metadata=field.metadata)
    changed.name = field.name
    return changed


FIELDS = _fields()
"""(group in TrainingConfig or "", field with the training's default, type) by flat name."""


def with_options(config: TrainingConfig, options: Mapping[str, Any]) -> TrainingConfig:
    """Returns a copy of a config with some options changed.

    Args:
        config: what to change.
        options: new values by flat name, as in `{"minutes": 5, "style_strength": 2.0}`.

    Raises:
        ValueError: on an unknown name (suggests the nearest) or a value out of range.
        TypeError: on a value of a wrong type.
    """
    changes: dict[str, dict[str, Any]] = {}
    for name, value in options.items():
        if name not in FIELDS:
            raise ValueError(
                f"`{name[:80]}` must be an option of a training." + suggestion(name, FIELDS)
            )
        changes.setdefault(FIELDS[name][0], {})[name] = value
    own = changes.pop("", {})
    groups = {
        group: dataclasses.replace(getattr(config, group), **values)
        for group, values in changes.items()
    }
    return dataclasses.replace(config, **own, **groups)


def options_of(config: TrainingConfig) -> dict[str, Any]:
    """Returns every option by flat name, in plain JSON types; `with_options` takes them."""
    values = {}
    for name, (group, _, _) in FIELDS.items():
        value = getattr(getattr(config, group) if group else config, name)
        values[name] = dict(value) if isinstance(value, tuple) else value
    return values
