"""A folder that is there only when it is complete. No TensorFlow here."""

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from tf_style._checks import user_path


def check_new_folder(path: str | os.PathLike, *, argument: str = "output_dir") -> Path:
    """Returns the path with `~` expanded; called before the long work.

    Args:
        path: of a folder that is not there yet, or is empty; those that it lies in are made.
        argument: how errors call it.

    Raises:
        OSError: if it is a file or holds anything, or if no folder can be made there.
    """
    path = user_path(path)
    if path.is_mount():
        raise FileExistsError(
            f"`{argument}` must be no mount point. Received: {argument}='{path}'. Name a folder "
            "in it."
        )
    told = f"Received: {argument}='{path}'"
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(f"`{argument}` must be a folder. {told}, a file.")
    if path.is_dir() and any(path.iterdir()):
        raise FileExistsError(
            f"`{argument}` must be a new or an empty folder. {told}, which is not empty. "
            "Name another, or remove it first."
        )
    parent = path.resolve().parent
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise PermissionError(
            f"`{argument}` must lie in a folder that can be written. {told}; '{parent}' cannot."
        )
    return path


@contextlib.contextmanager
def new_folder(path: str | os.PathLike, *, argument: str = "output_dir") -> Iterator[Path]:
    """Yields a folder to write to, which becomes `path` once the context is left in peace.

    Nothing is left of it after an error.

    Args:
        path: as in `check_new_folder`.
        argument: how errors call it.

    Raises:
        OSError: as `check_new_folder`, or if it cannot be written.
    """
    path = check_new_folder(path, argument=argument).resolve()  # A link's own folder.
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        part.mkdir(parents=True)
        yield part
        if path.is_dir():
            path.rmdir()  # Empty; renaming onto it would fail on Windows.
        part.replace(path)
    finally:
        shutil.rmtree(part, ignore_errors=True)
