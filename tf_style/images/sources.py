"""Pictures that are no local files: bytes in memory, open files, and addresses that fsspec reads.

Takes what the caller gave; gives a local file for as long as it is read. No TensorFlow here.
"""

import contextlib
import dataclasses
import importlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tf_style._checks import one_line, shown

MAX_BYTES = 2**30
"""The largest file that is held in memory."""

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


@dataclasses.dataclass(frozen=True, eq=False)
class Encoded:
    """A picture file in memory.

    Attributes:
        data: the file's bytes.
        label: what to call it in errors.
        suffix: of the file's name, or empty.
    """

    data: bytes
    label: str
    suffix: str = ""


def is_address(source: Any) -> bool:
    """Returns whether a source is an address that fsspec, which is installed, may read."""
    is_one = isinstance(source, str) and _ADDRESS.match(source)
    return bool(is_one) and _fsspec() is not None


def _fsspec() -> Any:
    """Returns the module, or None if it is not installed."""
    try:
        return importlib.import_module("fsspec")
    except ImportError:
        return None


def fetched(source: Any, *, argument: str) -> Any:
    """Returns a source whose bytes are in memory, if it is an address or an open file.

    Everything else is returned as it is; so are addresses, if there is no fsspec.

    Raises:
        OSError: if it cannot be read.
        ImportError: if the address needs a package; names the pip command.
        ValueError: if it has more than `MAX_BYTES`.
        TypeError: if it is a file of text.
    """
    if is_address(source):
        return _from_address(source, argument)
    if isinstance(source, Encoded):
        return source
    if getattr(getattr(source, "dtype", None), "name", "") == "string":
        source = source.numpy()  # As `tf.io.read_file` gives it.
    if isinstance(source, memoryview) and source.ndim == 1 and source.format == "B":
        source = bytes(source)
    if isinstance(source, (bytes, bytearray)):
        return _of_bytes(source, argument)
    if callable(getattr(source, "read", None)) and not isinstance(source, os.PathLike):
        return _from_file(source, argument)
    return source


def all_fetched(sources: Any, *, argument: str) -> Any:
    """Returns what `fetched` returns for a source, or for each of a list or tuple of them."""
    if not isinstance(sources, (list, tuple)):
        return fetched(sources, argument=argument)
    names = (f"{argument}[{index}]" for index in range(len(sources)))
    return [fetched(each, argument=name) for each, name in zip(sources, names, strict=True)]


@contextlib.contextmanager
def local_file(encoded: Encoded) -> Iterator[Path]:
    """Yields a file with these bytes. Errors within the context name them, not the file."""
    with tempfile.TemporaryDirectory(prefix="tf_style_") as folder:
        path = Path(folder, f"picture{encoded.suffix}")
        path.write_bytes(encoded.data)
        try:
            yield path
        except Exception as error:
            error.args = tuple(
                each.replace(repr(str(path)), encoded.label) if isinstance(each, str) else each
                for each in error.args
            )
            raise


def _from_address(address: str, argument: str) -> Encoded:
    label = shown(address)
    try:
        with _fsspec().open(address, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except ImportError as error:  # Of the package for this protocol.
        raise ImportError(
            f"`{argument}` needs a package. Received: {argument}={label}: {one_line(error)}."
        ) from error
    except Exception as error:  # Each protocol has its own errors.
        kind = type(error) if type(error) in (FileNotFoundError, PermissionError) else OSError
        raise kind(
            f"`{argument}` cannot be read: {one_line(error)}. Received: {argument}={label}."
        ) from error
    suffix = re.search(r"\.\w{1,8}$", address)
    return _of_bytes(data, argument, label=label, suffix=suffix[0].lower() if suffix else "")


def _from_file(file: Any, argument: str) -> Encoded:
    if getattr(file, "seekable", bool)():
        file.seek(0)
    data = file.read(MAX_BYTES + 1)
    if not isinstance(data, (bytes, bytearray)):
        raise TypeError(
            f"`{argument}` must be open for reading bytes. Received: a file that gives "
            f"{type(data).__name__}. Open it with mode 'rb'."
        )
    return _of_bytes(data, argument)


def _of_bytes(
    data: bytes | bytearray, argument: str, *, label: str = "", suffix: str = ""
) -> Encoded:
    """Returns a file's bytes, unless there are more than `MAX_BYTES`."""
    if len(data) > MAX_BYTES:
        raise ValueError(
            f"`{argument}` must have at most {MAX_BYTES:,} bytes. Received: "
            f"{f'{argument}={label}' if label else 'more'}. Save it as a local file, and give its "
            "path."
        )
    return Encoded(bytes(data), label or f"a file of {len(data):,} bytes", suffix)
