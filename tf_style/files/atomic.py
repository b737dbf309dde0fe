"""Writes files that appear only when complete: a part file, fsync, then a rename.

Takes a path and a function that writes to an open file. After an error the old file is unchanged
and no part file is left. No TensorFlow here.
"""

import contextlib
import errno
import hashlib
import os
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

from tf_style._checks import check_name, missing_folder, shown_path, user_path

_LONGEST_NAME = 255  # Bytes, on every common file system.


def check_writable(
    path: str | os.PathLike,
    *,
    argument: str,
    inputs: Iterable[str | os.PathLike] = (),
    num_bytes: int = 4096,
    may_be_device: bool = False,
) -> None:
    """Raises unless a file of `num_bytes` can be written to `path`.

    Args:
        path: the file to write. It may exist and be replaced; of a link, the file that it names.
        argument: the name of the argument in error messages.
        inputs: files that must not be overwritten.
        num_bytes: the disk space to check for.
        may_be_device: whether `path` may be a pipe or device: a file that is written line by line.

    Raises:
        ValueError: if `path` is one of `inputs`.
        OSError: if the folder is missing, not writable, or has too little space, a link leads to no
            file, or the path is a pipe or device.
    """
    path = user_path(path, argument)
    check_name(argument, path)
    if path.is_dir():
        what = "a link to a folder" if path.is_symlink() else "a folder"
        raise IsADirectoryError(
            f"`{argument}` must be a file. Received: {argument}='{path}', which is {what}."
        )
    if path.is_symlink() and not path.exists():
        raise FileNotFoundError(
            f"`{argument}` must not be a link that leads nowhere. Received: {argument}='{path}', "
            f"which points to '{path.readlink()}'. Remove the link, or choose another name."
        )
    if path.exists() and not path.is_file() and not may_be_device:
        raise OSError(
            f"`{argument}` must be a regular file. Received: {argument}='{path}', a pipe or "
            "device. Choose another name."
        )
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"`{argument}` must be in an existing folder. Received: {argument}={shown_path(path)}."
        )
    for other in map(user_path, inputs):
        same = path.exists() and other.exists() and path.samefile(other)
        if same or path.resolve() == other.resolve():
            raise ValueError(
                f"`{argument}` must not overwrite another file of the run. Received: "
                f"{argument}='{path}'. Choose another name."
            )
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(
            f"`{argument}` must be writable. Received: {argument}='{path}', which is read-only."
        )

    def reserve(file: BinaryIO) -> None:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, num_bytes)
        else:
            file.write(bytes(num_bytes))

    try:
        part_file(path.resolve(), reserve).unlink()
    except OSError as error:
        reason = error.strerror
        if error.errno == errno.ENOSPC:
            reason = f"no space left on the disk for {num_bytes / 1e6:.1f} MB"
        raise type(error)(
            f"`{argument}` cannot be written: {reason}. Received: {argument}='{path}'."
        ) from error


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Writes a file that replaces `path` only when complete.

    Args:
        path: the file to write. It may exist. If it is a link, the file that it names is replaced.
        write: called with a part file, open for writing.

    Raises:
        OSError: if the file cannot be written.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(missing_folder(path))
    path = Path(os.path.realpath(path))  # `resolve` raises an error for a link to itself.
    if path.exists() and not path.is_file():
        raise OSError(f"Cannot write '{path.name}': it is a folder, pipe or device.")
    part = part_file(path, write)
    try:
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def part_file(path: Path, write: Callable[[BinaryIO], object]) -> Path:
    """Returns the path of a complete, synced part file in the folder of `path`.

    The user's umask determines its permissions.

    Args:
        path: the file that the part file is meant to replace.
        write: called with the part file, open for writing.

    Raises:
        OSError: if the part file cannot be written.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(missing_folder(path))
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


def fitting_name(stem: str, end: str) -> str:
    """Returns the name of a file, `stem` and `end`, which is cut in the middle if it is too long.

    The hash of the whole stem then keeps names apart.
    """
    whole = os.fsencode(stem)
    room = _LONGEST_NAME - len(os.fsencode(end))
    if len(whole) <= room:
        return stem + end
    tag = f"~{hashlib.sha256(whole).hexdigest()[:8]}"
    return whole[: room - len(tag)].decode(errors="ignore") + tag + end


def sync_folder(folder: Path) -> None:
    """Forces all files and folders in `folder`, and then `folder` itself, to disk.

    Raises:
        OSError: if the content of a file cannot be written.
    """
    for parent, _, names in os.walk(folder, topdown=False):
        for path in (Path(parent, name) for name in names):
            if path.is_file():
                _sync(path)
        if os.name == "posix":  # Elsewhere folders cannot be opened.
            with contextlib.suppress(OSError):  # Some file systems refuse fsync on folders.
                _sync(Path(parent))


def _sync(path: Path) -> None:
    # Windows syncs only files that are open for writing.
    descriptor = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
