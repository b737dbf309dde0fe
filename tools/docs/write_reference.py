"""Writes what is made from the code: the API reference, and the types of the options.

Run: python tools/docs/write_reference.py [--check] (10 seconds)

`docs/api.md` is made from the docstrings of all public names, `tf_style/config/option_types.py`
from the fields of the options. Run it after one of them has changed. With `--check` it writes
nothing, and fails if a file is out of date; a test does that.
"""

import argparse
import dataclasses
import enum
import inspect
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tf_style
import tf_style.feedforward
import tf_style.keras
import tf_style.pipeline
from tf_style.config.layer_lists import LayerWeights
from tf_style.config.style_config import FIELDS, StyleConfig
from tf_style.config.style_config import GROUPS as CONFIG_GROUPS

ROOT = Path(__file__).parents[2]
GROUPS = {
    "Painting": ("transfer", "optimizers.cancellation", "optimizers.solution"),
    "Networks that paint in one pass": ("training",),
    "Options": ("config",),
    "The loss alone": ("objective", "network", "losses"),
    "Minimizers": ("optimizers",),
    "Colors and pictures": ("images",),
    "Exports": ("export", "portable"),
}
"""Headings, and the modules whose names come under them; the first heading that fits counts."""

_SECTION = re.compile(r"^(Args|Attributes|Returns|Raises|Examples?|References):$", re.MULTILINE)
_OPTION_TYPES = '''"""The options by flat name, with their types: for type checkers only.

Made from the fields of `StyleConfig` by `tools/docs/write_reference.py`.
"""

from typing import TypedDict

from tf_style.config.compute import ComputeConfig
from tf_style.config.control import ControlConfig
from tf_style.config.layer_lists import AnyLayers
from tf_style.config.loss import LossConfig
from tf_style.config.network import NetworkConfig
from tf_style.config.optimizer import OptimizerConfig


class _Others(TypedDict, total=False):
    """All but the one name that is a group too."""

{others}

class Options(_Others, total=False):
    """Keywords of `StyleConfig.replace`."""

    optimizer: str


class Arguments(_Others, total=False):
    """Keywords of `StyleConfig`."""

{groups}'''
_HEAD = """# API reference

```
import tf_style, tf_style.keras, tf_style.pipeline, tf_style.feedforward
```

All public names, made from their docstrings by `tools/docs/write_reference.py`.
"""


def option_types() -> str:
    """Returns the types of the options by flat name, as a module."""
    kinds = {
        name: "AnyLayers" if kind == LayerWeights else kind.__name__
        for name, (_, _, kind) in FIELDS.items()
    }
    groups = {
        field.name: getattr(field.type, "__name__", "") + " | str" * (field.name in FIELDS)
        for field in dataclasses.fields(StyleConfig)
        if field.name in CONFIG_GROUPS
    }

    def lines(types: dict[str, str]) -> str:
        return "".join(f"    {name}: {kind}\n" for name, kind in types.items())

    others = {name: kind for name, kind in kinds.items() if name not in groups}
    return _OPTION_TYPES.format(others=lines(others), groups=lines(groups))


def reference() -> str:
    """Returns the API reference, as Markdown."""
    chapters: list[tuple[str, ModuleType, list[str]]] = []
    left = [name for name in tf_style.__all__ if name != "__version__"]
    for heading, modules in GROUPS.items():
        starts = tuple(f"tf_style.{module}" for module in modules)
        names = [name for name in left if getattr(tf_style, name).__module__.startswith(starts)]
        left = [name for name in left if name not in names]
        chapters.append((heading, tf_style, names))
    if left:
        raise SystemExit(f"These names have no heading in GROUPS: {left}.")
    chapters += [
        (f"`{module.__name__}`", module, list(module.__all__))
        for module in (tf_style.keras, tf_style.pipeline, tf_style.feedforward)
    ]
    lines = [_HEAD]
    for heading, module, names in chapters:
        links = ", ".join(_link(getattr(module, name), name) for name in names)
        lines.append(f"- {heading}: {links}")
    for heading, module, names in chapters:
        lines.append(f"\n## {heading}\n")
        for name in names:
            lines += _entry(module.__name__, name, getattr(module, name))
    return "\n".join(lines).rstrip() + "\n"


def _entry(module: str, name: str, item: Any) -> Iterator[str]:
    """Yields the Markdown of a public name."""
    yield f"### {_heading(item, name)}\n"
    if not inspect.isclass(item) and not callable(item):
        yield f"`{item!r}`\n"
        yield _described(item)
        return
    if not inspect.isclass(item):
        yield _signature(f"{module}.{name}", item)
        yield _described(item)
        return
    has_options = dataclasses.is_dataclass(item) and "help" in str(dataclasses.fields(item))
    if issubclass(item, enum.Enum):
        yield _described(item)
        yield "\n".join(f"- `{name}.{each.name}`: {each.value}" for each in item) + "\n"
        return
    has_arguments = "__init__" in vars(item) and not dataclasses.is_dataclass(item)
    if has_arguments and not issubclass(item, BaseException):
        yield _signature(f"{module}.{name}", item)
    yield _described(item)
    if has_options:
        yield "\n".join(_options(item)) + "\n"
    elif has_arguments:
        yield _described(item.__init__, without_summary=True)
    for base in item.__bases__:
        if base.__name__ in tf_style.__all__:
            yield f"It also has everything of {_link(base, base.__name__)}.\n"
    for member, value in vars(item).items():
        function = getattr(value, "python_function", getattr(value, "__func__", value))
        if member.startswith("_") or not inspect.getdoc(function):
            continue
        if inspect.isfunction(function):
            yield _signature(f"{name}.{member}", function)
            yield _described(function)
        elif isinstance(value, property) or hasattr(value, "func"):
            yield f"**`{name}.{member}`**: {_inline(inspect.getdoc(value) or '')}\n"


def _options(config: type) -> Iterator[str]:
    """Yields the fields of a config with their defaults and help texts."""
    for field in dataclasses.fields(config):
        group: Any = field.type
        if "help" in field.metadata:
            yield f"- `{field.name}` = `{field.default!r}`: {field.metadata['help']}"
        elif group.__name__ in tf_style.__all__:
            yield f"- `{field.name}`: the options of {_link(group, group.__name__)}"
        else:
            yield f"- `{field.name}`: these options"
            yield from (f"  {line}" for line in _options(group))


def _heading(item: Any, name: str) -> str:
    if name in tf_style.__all__ and getattr(tf_style, name) is not item:
        name = f"feedforward.{name}"  # There are two functions `load`.
    # GitHub's names for links know no capitals: they could not tell `Moments` from `moments`.
    return f"class {name}" if inspect.isclass(item) else name


def _link(item: Any, name: str) -> str:
    return f"[`{name}`](#{_heading(item, name).lower().replace(' ', '-').replace('.', '')})"


def _signature(name: str, item: Any) -> str:
    """Returns a call with its arguments and their defaults, without types."""
    try:
        signature = inspect.signature(item)
    except ValueError:
        return ""
    shown: list[str] = []
    for each in signature.parameters.values():
        if each.name in ("self", "cls"):
            continue
        if each.kind is each.KEYWORD_ONLY and "*" not in "".join(shown):
            shown.append("*")
        stars = "*" * (each.kind is each.VAR_POSITIONAL) + "**" * (each.kind is each.VAR_KEYWORD)
        default = "" if each.default is each.empty else f"={_default(each.default)}"
        shown.append(f"{stars}{each.name}{default}")
    text = f"{name}({', '.join(shown)})"
    if len(text) > 100:
        text = f"{name}(\n    " + ",\n    ".join(shown) + ",\n)"
    return f"```\n{text}\n```\n"


def _default(value: Any) -> str:
    return repr(value) if isinstance(value, (str, int, float, tuple, bool, type(None))) else "..."


def _described(item: Any, *, without_summary: bool = False) -> str:
    """Returns a docstring as Markdown."""
    start, *sections = _SECTION.split(inspect.getdoc(item) or "")
    lines = [] if without_summary else [_paragraphs(start)]
    for title, text in zip(sections[::2], sections[1::2], strict=True):
        text = inspect.cleandoc(text)
        if title.startswith("Example"):
            lines.append(f"```\n{text}\n```\n")
        elif title in ("Args", "Attributes", "Raises"):
            lines.append(f"*{title}*\n\n{_listed(text)}\n")
        else:
            lines.append(f"*{title}*: {_paragraphs(text)}")
    return "\n".join(lines)


def _listed(text: str) -> str:
    """Returns the items of a section as a list."""
    items = re.split(r"\n(?=\S)", text)
    return "\n".join(
        f"- `{name}`: {_inline(about)}"
        for name, _, about in (each.partition(":") for each in items)
    )


def _paragraphs(text: str) -> str:
    """Returns text with each paragraph on one line; lists and code keep their lines."""
    parts = []
    for part in text.strip().split("\n\n"):
        is_list = part.lstrip().startswith("- ")
        parts.append(
            f"```\n{inspect.cleandoc(part)}\n```"
            if part.startswith("    ")
            else part
            if is_list
            else _inline(part)
        )
    return "\n\n".join(parts) + "\n"


def _inline(text: str) -> str:
    return " ".join(text.split())


def main() -> int:
    """Writes or checks the files; returns 1 if one is out of date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args()
    stale = 0
    for path, make in {
        "docs/api.md": reference,
        "tf_style/config/option_types.py": option_types,
    }.items():
        text, file = make(), ROOT / path
        if file.exists() and file.read_text(encoding="utf-8") == text:
            continue
        stale = 1
        print(
            f"{path} is out of date; run `python tools/docs/write_reference.py`."
            if options.check
            else path
        )
        if not options.check:
            file.write_text(text, encoding="utf-8")
    return stale if options.check else 0


if __name__ == "__main__":
    sys.exit(main())
