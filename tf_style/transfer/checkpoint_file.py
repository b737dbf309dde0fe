"""Named arrays and a description to one file, and back. No TensorFlow here.

A line with the format's number; the header's length, uint64; the header, JSON: the version of
tf_style, the description, and each array's name, type and shape; the arrays one after the other,
little-endian; the SHA-256 of all that. Nothing in it is code, nothing is believed before the hash
is right, and no array is in memory twice.
"""

import contextlib
import hashlib
import json
import math
import os
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from tf_style._version import __version__
from tf_style.files import atomic

_NAME, _FORMAT = b"tf_style checkpoint ", b"1\n"
_DTYPES = ("bool", "uint8", "uint16", "int32", "int64", "float32", "float64")
_MOST_HEADER = 1_000_000  # Bytes; a usual one has 4,000.
_CHUNK = 16_000_000
_DIGEST = hashlib.sha256().digest_size


class CheckpointError(ValueError):
    """A file that is no checkpoint, is damaged, or is another version's."""


class Checkpoint(NamedTuple):
    """What `read` gives.

    Attributes:
        path: of the file.
        description: what `write` was told.
        arrays: each is read from the file when it is asked for.
    """

    path: Path
    description: dict[str, Any]
    arrays: Mapping[str, np.ndarray]


def write(path: Path, description: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
    """Writes a file that is there only when it is complete and on the disk.

    Args:
        path: of the file.
        description: anything that JSON can hold.
        arrays: by name: arrays, tensors or numbers, of bool, uint8, uint16, int32, int64,
            float32 or float64. Tensors are brought to memory one after the other.

    Raises:
        OSError: if it cannot be written; nothing half-written is left.
    """
    values = {
        name: value if hasattr(value, "dtype") else np.asarray(value)
        for name, value in arrays.items()
    }
    table = [
        {"name": name, "dtype": _dtype(value).name, "shape": list(value.shape)}
        for name, value in values.items()
    ]
    header = json.dumps({"tf_style": __version__, "description": description, "arrays": table})
    head = header.encode()

    def fill(file: BinaryIO) -> None:
        digest = hashlib.sha256()

        def put(data: bytes | memoryview) -> None:
            digest.update(data)
            file.write(data)

        put(_NAME + _FORMAT + struct.pack("<Q", len(head)) + head)
        for value in values.values():
            # A tensor's own memory, where it is the CPU's.
            array = np.ascontiguousarray(np.asarray(value), _dtype(value).newbyteorder("<"))
            data = array.reshape(-1).view(np.uint8).data
            for start in range(0, len(data), _CHUNK):
                put(data[start : start + _CHUNK])
        file.write(digest.digest())

    atomic.write_atomically(path, fill)
    if os.name == "posix":  # The new name, too, is to outlive a power cut.
        with contextlib.suppress(OSError):  # Some file systems refuse to.
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def read(path: Path) -> Checkpoint:
    """Returns the checkpoint in a file, all of which is checked.

    Raises:
        OSError: if the file cannot be read.
        CheckpointError: if it is no checkpoint, is cut or damaged, or another version's.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(len(_NAME + _FORMAT))
        if not start.startswith(_NAME):
            raise CheckpointError(f"'{path}' is no checkpoint of tf_style, or it is damaged.")
        if start != _NAME + _FORMAT:
            found = start[len(_NAME) :].decode(errors="replace").strip()
            raise CheckpointError(
                f"'{path}' must be of the format {_FORMAT.decode().strip()}. Received: {found!r}, "
                "of another tf_style, or damaged. Go on with the tf_style that wrote it."
            )
        length = file.read(8)
        num_bytes = struct.unpack("<Q", length)[0] if len(length) == 8 else _MOST_HEADER + 1
        if num_bytes > _MOST_HEADER or not _is_whole(file, size):
            raise CheckpointError(f"'{path}' is cut or damaged: its checksum is not that of it.")
        file.seek(len(start + length))
        header = file.read(num_bytes)
    try:
        found = json.loads(header)
        version, description, table = found["tf_style"], found["description"], found["arrays"]
        places = dict(_places(table, len(start + length) + num_bytes))
        end = max((place.end for place in places.values()), default=len(start + length) + num_bytes)
        if not isinstance(description, dict) or end + _DIGEST != size:
            raise ValueError("not of the length that it tells")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise CheckpointError(f"'{path}' is no checkpoint of tf_style: {error}.") from error
    if version != __version__:
        raise CheckpointError(
            f"'{path}' must be of tf_style {__version__}. Received: one of {version!r}, whose "
            "pictures may differ. Go on with that version, or begin anew."
        )
    return Checkpoint(path, description, _Arrays(path, places))


class _Place(NamedTuple):
    dtype: np.dtype
    shape: tuple[int, ...]
    begin: int
    end: int


def _places(table: Any, begin: int) -> Iterator[tuple[str, _Place]]:
    """Yields where in the file each array is; raises ValueError if there is none such."""
    for entry in table:
        name, dtype, shape = entry["name"], entry["dtype"], tuple(entry["shape"])
        if not isinstance(name, str) or dtype not in _DTYPES:
            raise ValueError(f"an array {name!r} of {dtype!r}")
        if len(shape) > 8 or not all(type(side) is int and 0 <= side < 2**48 for side in shape):
            raise ValueError(f"an array of shape {shape}")
        kind = np.dtype(dtype).newbyteorder("<")
        end = begin + kind.itemsize * math.prod(shape)
        yield name, _Place(kind, shape, begin, end)
        begin = end


class _Arrays(Mapping[str, np.ndarray]):
    """The arrays of a file, each read when it is asked for."""

    def __init__(self, path: Path, places: Mapping[str, _Place]) -> None:
        self._path = path
        self._places = places

    def __contains__(self, name: object) -> bool:  # Without reading it.
        return name in self._places

    def __getitem__(self, name: str) -> np.ndarray:
        dtype, shape, begin, _ = self._places[name]
        array = np.empty(shape, dtype)
        with self._path.open("rb", buffering=0) as file:
            file.seek(begin)
            data = array.reshape(-1).view(np.uint8).data
            done = 0
            while done < len(data):
                count = file.readinto(data[done : done + _CHUNK])
                if not count:
                    raise CheckpointError(f"'{self._path}' has been cut while it was read.")
                done += count
        return array

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def _dtype(value: Any) -> np.dtype:
    """Returns the type of an array or a tensor."""
    return np.dtype(getattr(value.dtype, "as_numpy_dtype", value.dtype))


def _is_whole(file: BinaryIO, size: int) -> bool:
    """Returns whether a file of so many bytes ends with the hash of all before it."""
    digest = hashlib.sha256()
    file.seek(0)
    left = size - _DIGEST
    while left > 0:
        data = file.read(min(left, _CHUNK))
        if not data:
            return False
        digest.update(data)
        left -= len(data)
    return left == 0 and file.read(_DIGEST + 1) == digest.digest()
