"""Options that earlier versions wrote: what they had no name for keeps its meaning.

No TensorFlow here.
"""

from collections.abc import Collection, Mapping
from typing import Any

ADDED: dict[str, Any] = {
    "relative_losses": False,
    "content_power": 1.0,
    "exponents": "0.25,-0.25",
    "protect": "",
    "keep_margins": True,
    "limit_chroma": False,
}
"""Options that were added later, each with the value that earlier versions worked with."""


def completed(values: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Returns options, completed if an earlier version wrote them.

    A settings file names every option of its version. If it lacks exactly what was added later, it
    gets the earlier values; otherwise a person wrote it, and what it lacks keeps the present
    defaults.

    Args:
        values: options by name.
        names: every option that there is now.
    """
    added = set(ADDED) & set(names)
    if set(names) - set(values) != added:
        return dict(values)
    earlier = {name: ADDED[name] for name in added}
    if values.get("preset") == "default":
        earlier["preset"] = "classic"
    return {**values, **earlier}
