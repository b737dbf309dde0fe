"""The file of a training's state, for programs that train without TensorFlow: none of it here.

Takes arrays by the names of `state.named_state`, and how far the training has come; gives them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tf_style.files import array_file
from tf_style.training.choices import Reached


class StateFileError(ValueError):
    """Raised for a file that is not a training's state, is damaged, or is from another version."""


_KIND = array_file.Kind("training state", 1, StateFileError, "Write the programs anew.")


class StoredState(NamedTuple):
    """What a file holds.

    Attributes:
        arrays: float32, by name.
        reached: how far the training had come.
    """

    arrays: dict[str, np.ndarray]
    reached: Reached


def write_state(path: Path, arrays: Mapping[str, Any], reached: Reached) -> None:
    """Writes a state; the file appears, or replaces an older one, only when it is complete.

    Raises:
        OSError: if it cannot be written; an older file is then unchanged.
    """
    array_file.write(path, _KIND, reached._asdict(), arrays)


def read_state(path: Path) -> StoredState:
    """Returns the state in a file.

    Raises:
        OSError: if the file cannot be read.
        StateFileError: if it is not a state, is damaged, or is from another version.
    """
    file = array_file.read(path, _KIND)
    try:
        reached = Reached(int(file.description["step"]), float(file.description["seconds"]))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise StateFileError(f"'{path}' does not say how far its training had come.") from error
    return StoredState({name: file.arrays[name] for name in file.arrays}, reached)
