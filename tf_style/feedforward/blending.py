"""Which style to paint in: the name of one, or a blend of several. No TensorFlow here.

Takes the names that a network knows; gives the share of each.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from tf_style._checks import check_choice, check_number, shown

AnyStyle: TypeAlias = str | Mapping[str, float]
"""A name, or "name:weight,name:weight", or weights by name. Weights need not sum to 1."""


def shares_of(style: Any, names: Sequence[str], *, argument: str = "style") -> np.ndarray:
    """Returns the share of each style in a blend, float32 `[len(names)]`; they sum to 1.

    Args:
        style: `AnyStyle`.
        names: of all styles that there are.
        argument: name of the argument in error messages.

    Raises:
        TypeError: if `style` is something else.
        ValueError: on an unknown or repeated name, a weight below 0, or no weight above 0.
    """
    weights = np.zeros(len(names))
    for name, weight in _entries(style, argument):
        check_choice(argument, name, names)
        check_number(argument, weight, minimum=0.0, maximum=1e6)
        if weights[list(names).index(name)]:
            raise ValueError(
                f"`{argument}` must name each style once. Received: {name!r} twice. Leave one out."
            )
        weights[list(names).index(name)] = weight
    if not weights.any():
        raise ValueError(
            f"`{argument}` must have a weight above 0. Received: {argument}={shown(style)}."
        )
    return (weights / weights.sum()).astype(np.float32)


def _entries(style: Any, argument: str) -> list[tuple[str, float]]:
    """Returns names with their weights."""
    if isinstance(style, str):
        parts = [part.strip().partition(":") for part in style.split(",") if part.strip()]
        entries: list[tuple[Any, Any]] = [(name, weight or 1.0) for name, _, weight in parts]
    elif isinstance(style, Mapping):
        entries = list(style.items())
    else:
        raise TypeError(
            f"`{argument}` must be a style's name, or weights by name. Received: {argument}="
            f"{shown(style)}."
        )
    try:
        return [(name, float(weight)) for name, weight in entries]
    except (TypeError, ValueError, OverflowError):
        raise ValueError(
            f"`{argument}` must give each weight as a number, as in 'great_wave:0.7'. Received: "
            f"{argument}={shown(style)}."
        ) from None
