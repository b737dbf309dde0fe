"""A folder that is there only when it is complete. No TensorFlow here."""

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from tf_style._checks import user_path


def check_place(path: str | os.PathLike, *, argument: str) -> Path:
    """Returns the path with `~` expanded, if it is a folder that can be written or can be made.

    Args:
        path: of a folder; those that it lies in are made.
        argument: how errors call it.

    Raises:
        OSError: if it is a file, or if no folder can be made there.
    """
    path = user_path(path)
    told = f"Received: {argument}='{path}'"
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(f"`{argument}` must be a folder. {told}, a file.")
    existing = path.resolve()
    while not existing.exists():
        existing = existing.parent
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise PermissionError(
            f"`{argument}` must be a folder that can be written, or lie in one. {told}; "
            f"'{existing}' cannot."
        )
    return path


def check_new_folder(path: str | os.PathLike, *, argument: str = "output_dir") -> Path:
    """Returns the path with `~` expanded; called before the long work.

    Args:
        path: of a folder that is not there yet, or is empty; those that it lies in are made.
        argument: how errors call it.

    Raises:
        OSError: if it is a file or holds anything, or if no folder can be made there.
    """
    path = check_place(path, argument=argument)
    if path.is_dir() and any(path.iterdir()):
        raise FileExistsError(
            f"`{argument}` must be a new or an empty folder. Received: {argument}='{path}', which "
            "is not empty. Name another, or remove it first."
        )
    return path


@contextlib.contextmanager
def new_folder(path: str | os.PathLike, *, argument: str = "output_dir") -> Iterator[Path]:
    """Yields a folder to write to, whose files are those of `path` once the context is left.

    An empty folder that is there already is filled, not replaced: it may be a mount point, or a
    container's, in a folder that cannot be written. Nothing is left after an error.

    Args:
        path: as in `check_new_folder`.
        argument: how errors call it.

    Raises:
        OSError: as `check_new_folder`, or if it cannot be written.
    """
    path = check_new_folder(path, argument=argument).resolve()  # A link's own folder.
    name = f".{secrets.token_hex(8)}.part"
    is_there = path.is_dir()
    part = path / name if is_there else path.with_name(name)
    try:
        part.mkdir(parents=True)
        yield part
        if is_there:
            # Folders first: a server takes a version to be complete once its file is there.
            for child in sorted(part.iterdir(), key=lambda child: (child.is_file(), child.name)):
                child.replace(path / child.name)
        else:
            part.replace(path)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def num_bytes(path: Path) -> int:
    """Returns the size of a file, or of all files in a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
