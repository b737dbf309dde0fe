"""Merges several requests into one batch, and splits its outputs. Pure functions of arrays."""

from collections.abc import Mapping, Sequence

import numpy as np

Arrays = Mapping[str, np.ndarray]


def batch_size(inputs: Arrays) -> int | None:
    """Returns how many rows a request has, or None if its inputs do not form a batch.

    An input with one row goes with any number of rows: it applies to all of them.

    Args:
        inputs: arrays `[rows, ...]` or `[1, ...]`, by name.
    """
    sizes = {len(array) if array.ndim else 0 for array in inputs.values()}
    rows = sizes - {1}
    if len(rows) > 1 or 0 in rows:
        return None
    return rows.pop() if rows else 1


def shape_key(inputs: Arrays) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Returns the shapes without the rows; requests with equal keys can share a batch."""
    return tuple((name, inputs[name].shape[1:]) for name in sorted(inputs))


def merge(requests: Sequence[Arrays]) -> dict[str, np.ndarray]:
    """Returns the inputs of all requests, concatenated along the rows.

    Args:
        requests: at least one; all have a `batch_size` and the same `shape_key`.
    """
    return {
        name: np.concatenate([_full(inputs, name) for inputs in requests]) for name in requests[0]
    }


def _full(inputs: Arrays, name: str) -> np.ndarray:
    """Returns an input with all rows; a single row is repeated."""
    array, rows = inputs[name], batch_size(inputs)
    return array if len(array) == rows else np.repeat(array, rows or 1, axis=0)


def split(outputs: Arrays, sizes: Sequence[int]) -> list[dict[str, np.ndarray]] | None:
    """Returns each request's rows of the outputs; None unless every output has all rows.

    Args:
        outputs: arrays by name.
        sizes: number of rows of each request, in order.
    """
    total = sum(sizes)
    if any(array.ndim == 0 or len(array) != total for array in outputs.values()):
        return None
    ends = np.cumsum(sizes).tolist()
    return [
        {name: array[end - size : end] for name, array in outputs.items()}
        for size, end in zip(sizes, ends, strict=True)
    ]
