"""Several requests' arrays as one batch, and its outputs as theirs. Pure functions of arrays."""

from collections.abc import Mapping, Sequence

import numpy as np

Arrays = Mapping[str, np.ndarray]


def batch_size(inputs: Arrays) -> int | None:
    """Returns how many rows a request has, or None if its inputs do not go together.

    An input of one row goes with any number: an option for all of them.

    Args:
        inputs: arrays `[rows, ...]` or `[1, ...]`, by name.
    """
    sizes = {len(array) if array.ndim else 0 for array in inputs.values()}
    rows = sizes - {1}
    if len(rows) > 1 or 0 in rows:
        return None
    return rows.pop() if rows else 1


def shape_key(inputs: Arrays) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Returns what requests must have in common to share a batch: sizes but for the rows."""
    return tuple((name, inputs[name].shape[1:]) for name in sorted(inputs))


def merge(requests: Sequence[Arrays]) -> dict[str, np.ndarray]:
    """Returns the inputs of all requests, one after the other.

    Args:
        requests: at least one, all with the same `shape_key` and a `batch_size`.
    """
    return {
        name: np.concatenate([_full(inputs, name) for inputs in requests]) for name in requests[0]
    }


def _full(inputs: Arrays, name: str) -> np.ndarray:
    """Returns an input with all rows, where it may be one for all."""
    array, rows = inputs[name], batch_size(inputs)
    return array if len(array) == rows else np.repeat(array, rows or 1, axis=0)


def split(outputs: Arrays, sizes: Sequence[int]) -> list[dict[str, np.ndarray]] | None:
    """Returns each request's part of the outputs, or None if they have not a row for each.

    Args:
        outputs: arrays by name.
        sizes: rows of each request, in order.
    """
    total = sum(sizes)
    if any(array.ndim == 0 or len(array) != total for array in outputs.values()):
        return None
    ends = np.cumsum(sizes).tolist()
    return [
        {name: array[end - size : end] for name, array in outputs.items()}
        for size, end in zip(sizes, ends, strict=True)
    ]
