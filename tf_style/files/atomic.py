"""Files that appear only when they are complete: written beside, synced, then renamed."""

import errno
import os
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

from tf_style._checks import user_path


def check_writable(
    path: str | os.PathLike,
    *,
    argument: str,
    inputs: Iterable[str | os.PathLike] = (),
    num_bytes: int = 4096,
) -> None:
    """Raises unless a file of that many bytes can be written to `path`.

    Raises:
        ValueError: if `path` is one of `inputs`.
        OSError: if the folder is missing, cannot be written, or has too little space.
    """
    path = user_path(path)
    if path.is_dir():
        raise IsADirectoryError(
            f"`{argument}` must be a file. Received: {argument}='{path}', a folder."
        )
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"`{argument}` must lie in an existing folder. Received: {argument}='{path}'."
        )
    for other in map(user_path, inputs):
        same = path.exists() and other.exists() and path.samefile(other)
        if same or path.resolve() == other.resolve():
            raise ValueError(
                f"`{argument}` must not overwrite another file of the run. Received: "
                f"{argument}='{path}'. Choose another name."
            )
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(f"`{argument}` cannot be replaced: '{path}' is read-only.")

    def reserve(file: BinaryIO) -> None:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, num_bytes)
        else:
            file.write(bytes(num_bytes))

    try:
        part_file(path, reserve).unlink()
    except OSError as error:
        reason = error.strerror
        if error.errno == errno.ENOSPC:
            reason = f"{num_bytes / 1e6:.1f} MB are needed, and there is no space left"
        raise type(error)(
            f"`{argument}` cannot be written: {reason}. Received: {argument}='{path}'."
        ) from error


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Calls `write` with a new file, which takes the place of `path` only when complete."""
    part = part_file(path, write)
    try:
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def part_file(path: Path, write: Callable[[BinaryIO], object]) -> Path:
    """Returns a complete file beside `path`, with the rights that the user's umask gives."""
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder '{path.parent}' to write '{path.name}' to.")
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with part.open("xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return part
