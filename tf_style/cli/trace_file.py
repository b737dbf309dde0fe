"""The file of a run's trace: lines of JSON, one for each slice of steps. No TensorFlow here."""

import json
from pathlib import Path
from typing import TextIO


def opened(path: Path, *, first_step: int = 0) -> TextIO:
    """Returns the file, open for more lines; those from `first_step` on are cut off.

    A run that goes on from a checkpoint writes them again.

    Args:
        path: of the file; a run that begins anew replaces what is there.
        first_step: of the lines to come.

    Raises:
        OSError: if it cannot be written.
    """
    if not first_step or not path.exists():
        return path.open("w", encoding="utf-8")
    kept = 0
    with path.open("rb") as lines:
        for line in lines:
            if not _is_before(line, first_step):
                break
            kept += len(line)
    with path.open("r+b") as file:
        file.truncate(kept)
    return path.open("a", encoding="utf-8")


def _is_before(line: bytes, step: int) -> bool:
    """Returns whether a line is whole, and of an earlier step."""
    try:
        return line.endswith(b"\n") and json.loads(line)["step"] < step
    except (ValueError, TypeError, KeyError, RecursionError):
        return False
