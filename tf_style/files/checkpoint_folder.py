"""Folders of checkpoints: numbered files, of which the last two are kept.

An older file is removed only after a newer one is safely on the disk. What a file holds is up to
the functions that write and read it. No TensorFlow here.
"""

import contextlib
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from tf_style.files.array_file import ArrayFile, is_of_other_kind
from tf_style.files.new_folder import check_place

_NUM_SAVED = 2  # Checkpoints in a folder.
_NAME = re.compile(r"\d{8}\.checkpoint")
_PART = re.compile(r"\.[0-9a-f]{16}\.part")  # `files.atomic` leaves it if the process is killed.


def check_folder(folder: str | os.PathLike, kind: str = "checkpoint") -> Path:
    """Returns the path with `~` expanded, after checking that checkpoints can be saved there.

    Args:
        folder: the folder; it need not exist.
        kind: name of the checkpoints' `array_file.Kind`.

    Raises:
        OSError: if it is a file, holds anything but checkpoints of this kind, or is not writable.
    """
    path = check_place(folder, argument="checkpoint_dir")
    if path.is_dir():
        other = {child.name for child in path.iterdir()}
        other -= {child.name for child in (*checkpoints_in(path), *_parts(path))}
        other |= {file.name for file in checkpoints_in(path) if is_of_other_kind(file, kind)}
        if other:
            raise FileExistsError(
                "`checkpoint_dir` must be a folder with nothing but checkpoints. Received: "
                f"checkpoint_dir='{path}', which holds '{min(other)}'. Use a new folder."
            )
    return path


def checkpoints_in(folder: Path) -> list[Path]:
    """Returns the files of the checkpoints in a folder, intact or not, the newest last."""
    return _named(folder, _NAME)


def newest(folder: Path, read: Callable[[Path], ArrayFile], *, argument: str) -> ArrayFile:
    """Returns the newest checkpoint in a folder.

    Args:
        folder: the folder of the checkpoints.
        read: reads a checkpoint; raises a ValueError if it is damaged or from another version.
        argument: name of the folder in error messages.

    Raises:
        OSError: if there is no checkpoint, or it cannot be read.
        ValueError: of the type that `read` raises; names a way out.
    """
    files = checkpoints_in(folder)
    if not files:
        which = "which holds none" if folder.is_dir() else "which does not exist"
        raise FileNotFoundError(
            f"`{argument}` must be a folder with a checkpoint. Received: {argument}='{folder}', "
            f"{which}. Use the folder that tf_style printed, or start anew."
        )
    try:
        return read(files[-1])
    except ValueError as error:
        way_out = f"There is no intact one before it: remove '{folder}' to start anew."
        with contextlib.suppress(ValueError, OSError, IndexError):
            step = read(files[-2]).description.get("step")
            way_out = (
                f"The one before it, of step {step}, is intact: remove '{files[-1]}' to resume "
                "from that one."
            )
        raise type(error)(f"{error} {way_out}") from error


def add(folder: Path, own: Sequence[Path], write: Callable[[Path], None]) -> list[Path]:
    """Writes the next checkpoint of a run, then removes all but the run's last two.

    Args:
        folder: the folder, which is made if necessary.
        own: the checkpoints of this run in it.
        write: called with the path of the new checkpoint.

    Returns:
        The checkpoints of this run that are now in the folder.

    Raises:
        OSError: if it cannot be written; the older ones are then unchanged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for part in _parts(folder):
        part.unlink()
    existing = checkpoints_in(folder)
    number = int(existing[-1].stem) + 1 if existing else 1
    path = folder / f"{number:08d}.checkpoint"
    write(path)
    kept = [*own, path][-_NUM_SAVED:]
    for old in existing:
        if old not in kept:
            old.unlink(missing_ok=True)
    return kept


def remove(folder: Path, own: Sequence[Path]) -> None:
    """Removes checkpoints, and the folder if it is then empty."""
    with contextlib.suppress(OSError):
        for path in [*own, *_parts(folder)]:
            path.unlink(missing_ok=True)
        folder.rmdir()


def _parts(folder: Path) -> list[Path]:
    """Returns the incomplete files that killed processes left."""
    return _named(folder, _PART)


def _named(folder: Path, pattern: re.Pattern) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if pattern.fullmatch(path.name))
