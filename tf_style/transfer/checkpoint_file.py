"""The file of a checkpoint: the arrays of a run's state and a description. No TensorFlow here."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from tf_style._version import __version__
from tf_style.files import array_file


class CheckpointError(ValueError):
    """Raised for a file that is not a checkpoint, is damaged, or is from another version."""


Checkpoint: TypeAlias = array_file.ArrayFile
"""The contents of a file; each array is read from it when it is accessed."""

_KIND = array_file.Kind("checkpoint", 2, CheckpointError, "Resume with the version that wrote it.")


def write(path: Path, description: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
    """Writes a checkpoint; see `array_file.write`."""
    array_file.write(path, _KIND, description, arrays)


def read(path: Path) -> Checkpoint:
    """Returns the checkpoint in a file, after checking the whole file.

    Raises:
        OSError: if the file cannot be read.
        CheckpointError: if it is not a checkpoint, is damaged, or is from another version.
    """
    return array_file.read(path, _KIND, version=__version__)
