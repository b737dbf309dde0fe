"""The trace file of a run: one line of JSON for each slice of steps.

Takes a path; gives the open file. No TensorFlow here.
"""

import json
from pathlib import Path
from typing import TextIO


def opened(path: Path, *, first_step: int = 0) -> TextIO:
    """Opens a trace file for appending, without its lines from `first_step` on.

    A resumed run writes those lines again.

    Args:
        path: the file.
        first_step: the first step to be written; 0 starts an empty file.

    Raises:
        OSError: if the file cannot be written.
    """
    if not first_step or not path.exists():
        return path.open("w", encoding="utf-8")
    num_bytes = 0
    with path.open("rb") as lines:
        for line in lines:
            if not _is_before(line, first_step):
                break
            num_bytes += len(line)
    with path.open("r+b") as file:
        file.truncate(num_bytes)
    return path.open("a", encoding="utf-8")


def _is_before(line: bytes, step: int) -> bool:
    """Returns whether a line is complete and belongs to an earlier step."""
    try:
        return line.endswith(b"\n") and json.loads(line)["step"] < step
    except (ValueError, TypeError, KeyError, RecursionError):
        return False
