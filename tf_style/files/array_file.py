"""Files of named arrays with a description. No TensorFlow here.

Checkpoints and style networks are such files; a `Kind` tells them apart. A file consists of a line
with the kind and its format's number; the length of the header, uint64; the header,
which is JSON with the version of tf_style, the description, and the name, type and shape of each
array; the arrays one after the other, little-endian; and the SHA-256 of everything before it. It
holds no code, and nothing is used before the hash has been checked. No array is in memory twice.
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

_DTYPES = ("bool", "uint8", "uint16", "int32", "int64", "float16", "float32", "float64")
_MOST_HEADER = 1_000_000  # Bytes; typical headers have 4,000.
_CHUNK = 16_000_000
_DIGEST = hashlib.sha256().digest_size


class Kind(NamedTuple):
    """A kind of file.

    Attributes:
        name: in the file's first line and in messages, as in "a NAME of tf_style".
        format: number of the format.
        error: type of the errors for files that are of another kind, damaged, or too new.
        remedy: what to do with a file of another format, a sentence.
    """

    name: str
    format: int
    error: type[ValueError]
    remedy: str

    @property
    def start(self) -> bytes:
        """The first bytes of every file of the kind, whatever its format."""
        return _start(self.name)

    @property
    def line(self) -> bytes:
        """The first line of a file of this format."""
        return self.start + f"{self.format}\n".encode()


class ArrayFile(NamedTuple):
    """The contents of a file.

    Attributes:
        path: path of the file.
        description: the description that was written.
        arrays: by name; each is read from the file when it is accessed.
        version: version of tf_style that wrote it.
    """

    path: Path
    description: dict[str, Any]
    arrays: Mapping[str, np.ndarray]
    version: str = ""


def write(
    path: Path, kind: Kind, description: Mapping[str, Any], arrays: Mapping[str, Any]
) -> None:
    """Writes a file, which appears only when it is complete and on the disk.

    Args:
        path: path of the file.
        kind: of the file.
        description: anything that JSON can represent.
        arrays: arrays, tensors or numbers by name, of type bool, uint8, uint16, int32, int64,
            float16, float32 or float64. Tensors are copied to the host one after the other.

    Raises:
        OSError: if the file cannot be written; no incomplete file is left.
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

        put(kind.line + struct.pack("<Q", len(head)) + head)
        for value in values.values():
            # On a CPU this is the tensor's own memory.
            array = np.ascontiguousarray(np.asarray(value), _dtype(value).newbyteorder("<"))
            data = array.reshape(-1).view(np.uint8).data
            for start in range(0, len(data), _CHUNK):
                put(data[start : start + _CHUNK])
        file.write(digest.digest())

    atomic.write_atomically(path, fill)
    if os.name == "posix":  # The new name must survive a power failure, too.
        with contextlib.suppress(OSError):  # Some file systems do not support it.
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def read(path: Path, kind: Kind, *, version: str | None = None) -> ArrayFile:
    """Returns the contents of a file, after checking the whole file.

    Args:
        path: path of the file.
        kind: of the file.
        version: the version of tf_style that must have written it; any if omitted.

    Raises:
        OSError: if the file cannot be read.
        ValueError: `kind.error` if it is of another kind, format or version, or damaged.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(len(kind.line))
        if not start.startswith(kind.start):
            raise kind.error(f"'{path}' is not a {kind.name} of tf_style, or it is damaged.")
        if start != kind.line:
            number = start[len(kind.start) :].decode(errors="replace").strip()
            raise kind.error(
                f"'{path}' must have format {kind.format}. Received: format {number!r}. It is from "
                f"another version of tf_style, or damaged. {kind.remedy}"
            )
        length = file.read(8)
        num_bytes = struct.unpack("<Q", length)[0] if len(length) == 8 else _MOST_HEADER + 1
        if num_bytes > _MOST_HEADER or not _is_whole(file, size):
            raise kind.error(f"'{path}' is truncated or damaged: its checksum is wrong.")
        file.seek(len(start + length))
        header = file.read(num_bytes)
    try:
        fields = json.loads(header)
        written_by, description = fields["tf_style"], fields["description"]
        table = fields["arrays"]
        places = dict(_places(table, len(start + length) + num_bytes))
        end = max((place.end for place in places.values()), default=len(start + length) + num_bytes)
        if not isinstance(description, dict) or end + _DIGEST != size:
            raise ValueError("it does not have the length that it states")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise kind.error(f"'{path}' is not a {kind.name} of tf_style: {error}.") from error
    if version not in (None, written_by):
        raise kind.error(
            f"'{path}' must be from tf_style {version}. Received: version {written_by!r}, whose "
            "results may differ. Resume with that version, or start anew."
        )
    return ArrayFile(path, description, _Arrays(path, kind, places), written_by)


def is_of_other_kind(path: Path, name: str) -> bool:
    """Returns whether a file begins as those of another kind than `name`; no damaged one does."""
    with path.open("rb") as file:
        start = file.read(len(_start(name)))
    return start.startswith(b"tf_style ") and not start.startswith(_start(name))


def _start(name: str) -> bytes:
    return f"tf_style {name} ".encode()


class _Place(NamedTuple):
    dtype: np.dtype
    shape: tuple[int, ...]
    begin: int
    end: int


def _places(table: Any, begin: int) -> Iterator[tuple[str, _Place]]:
    """Yields name and place of each array; raises ValueError for an invalid entry."""
    for entry in table:
        name, dtype, shape = entry["name"], entry["dtype"], tuple(entry["shape"])
        if not isinstance(name, str) or dtype not in _DTYPES:
            raise ValueError(f"array {name!r} has type {dtype!r}")
        if len(shape) > 8 or not all(type(side) is int and 0 <= side < 2**48 for side in shape):
            raise ValueError(f"array {name!r} has shape {shape}")
        stored = np.dtype(dtype).newbyteorder("<")
        end = begin + stored.itemsize * math.prod(shape)
        yield name, _Place(stored, shape, begin, end)
        begin = end


class _Arrays(Mapping[str, np.ndarray]):
    """The arrays of a file; each is read when it is accessed."""

    def __init__(self, path: Path, kind: Kind, places: Mapping[str, _Place]) -> None:
        self._path = path
        self._kind = kind
        self._places = places

    def __contains__(self, name: object) -> bool:  # Without reading the array.
        return name in self._places

    def __getitem__(self, name: str) -> np.ndarray:
        dtype, shape, begin, _ = self._places[name]
        array = np.empty(shape, dtype)
        with self._path.open("rb", buffering=0) as file:
            file.seek(begin)
            data = array.reshape(-1).view(np.uint8).data
            num_read = 0
            while num_read < len(data):
                count = file.readinto(data[num_read : num_read + _CHUNK])
                if not count:
                    raise self._kind.error(f"'{self._path}' was truncated while it was read.")
                num_read += count
        return array

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def _dtype(value: Any) -> np.dtype:
    """Returns the NumPy type of an array or a tensor."""
    return np.dtype(getattr(value.dtype, "as_numpy_dtype", value.dtype))


def _is_whole(file: BinaryIO, size: int) -> bool:
    """Returns whether a file has `size` bytes and ends with the hash of everything before it."""
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
