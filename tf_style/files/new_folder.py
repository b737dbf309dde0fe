"""Writes folders that appear only when complete: a part folder, fsync, then a rename.

Takes a path and gives a context with a folder to fill. `check_new_folder` checks a path before the
long work. No TensorFlow here.
"""

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from tf_style._checks import check_name, user_path
from tf_style.files.atomic import sync_folder


def check_place(path: str | os.PathLike, *, argument: str) -> Path:
    """Returns the path with `~` expanded, after checking that the folder can be written to.

    Args:
        path: a folder, which need not exist yet. Its parents need not exist either.
        argument: the name of the argument in error messages.

    Raises:
        OSError: if it is a file, or the folder cannot be created or written to.
    """
    path = user_path(path, argument)
    check_name(argument, path)
    received = f"Received: {argument}='{path}'"
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(f"`{argument}` must be a folder. {received}, which is a file.")
    existing = path.resolve()
    while not existing.exists():
        existing = existing.parent
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise PermissionError(
            f"`{argument}` must be a folder that can be written to, or be inside one. {received}, "
            f"but '{existing}' is not a writable folder."
        )
    return path


def check_new_folder(path: str | os.PathLike, *, argument: str = "output_dir") -> Path:
    """Returns the path with `~` expanded, after checking that a new folder can be written there.

    Meant to be called before the long work.

    Args:
        path: a folder that does not exist or is empty. Its parents need not exist.
        argument: the name of the argument in error messages.

    Raises:
        OSError: if it is a file or not empty, or the folder cannot be created or written to.
    """
    path = check_place(path, argument=argument)
    if path.is_dir() and any(path.iterdir()):
        raise FileExistsError(
            f"`{argument}` must be a new or an empty folder. Received: {argument}='{path}', which "
            "is not empty. Choose another name, or remove the folder first."
        )
    return path


@contextlib.contextmanager
def new_folder(path: str | os.PathLike, *, argument: str = "output_dir") -> Iterator[Path]:
    """Yields a part folder, whose content moves to `path` when the context ends without an error.

    An existing empty folder is filled, not replaced, because it may be a mount point whose parent
    is not writable. After an error, nothing is left. The content is forced to disk before it moves.

    Args:
        path: as for `check_new_folder`.
        argument: the name of the argument in error messages.

    Raises:
        OSError: as for `check_new_folder`, or if the folder cannot be written.
    """
    path = check_new_folder(path, argument=argument).resolve()  # The target of a symbolic link.
    name = f".{secrets.token_hex(8)}.part"
    exists = path.is_dir()
    part = path / name if exists else path.with_name(name)
    try:
        part.mkdir(parents=True)
        yield part
        sync_folder(part)
        if exists:
            # Folders first: a server considers a version complete once its model file exists.
            for child in sorted(part.iterdir(), key=lambda child: (child.is_file(), child.name)):
                child.replace(path / child.name)
        else:
            part.replace(path)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def num_bytes(path: Path) -> int:
    """Returns the size of a file, or the total size of all files in a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
