"""Large arrays in memory, or in files that leave nothing behind. No TensorFlow here."""

import math
import mmap
import os
import tempfile
from typing import NamedTuple

import numpy as np

_ALIGNMENT = 64  # Bytes. TensorFlow ends the process where memory that it shares has another.
_CHUNK = 2**24  # Values.


class Map(NamedTuple):
    """A large array.

    Attributes:
        array: the array; of a new map zeros at first.
        file: its place in a file; None if it is in memory.
    """

    array: np.ndarray
    file: mmap.mmap | None = None

    @property
    def is_shareable(self) -> bool:
        """Whether TensorFlow can work in the array's own memory: always with a new map's."""
        flags = self.array.flags
        return flags.writeable and flags.c_contiguous and not self.array.ctypes.data % _ALIGNMENT

    def rest(self) -> None:
        """Lets go of the memory of an array in a file; its contents stay."""
        if self.file is not None and hasattr(mmap, "MADV_DONTNEED"):
            self.file.madvise(mmap.MADV_DONTNEED)

    def clear(self) -> None:
        """Makes it all zeros, with little of a file in memory at once."""
        flat = self.array.reshape(-1)
        for begin in range(0, flat.size, _CHUNK):
            flat[begin : begin + _CHUNK] = 0.0
            self.rest()


class Maps:
    """Maps by name, each kept for the next of that name and shape.

    New memory costs more than what is done with it: a system hands it out page by page, as
    zeros, and a virtual machine may first have to ask for it.
    """

    def __init__(self, *, on_disk: bool = False) -> None:
        """Makes none yet; `on_disk` as for `new_map`."""
        self._on_disk = on_disk
        self._maps: dict[str, Map] = {}

    def get(self, name: str, shape: tuple[int, ...], dtype: np.dtype) -> Map:
        """Returns the map of a name, with whatever is in it; each name has one type.

        Raises:
            OSError: if the disk has no room for it.
        """
        if name not in self._maps or self._maps[name].array.shape != shape:
            self._maps.pop(name, None)
            self._maps[name] = new_map(shape, dtype, on_disk=self._on_disk)
        return self._maps[name]


def new_map(shape: tuple[int, ...], dtype: np.dtype, *, on_disk: bool) -> Map:
    """Returns a new array of zeros.

    Args:
        shape: of the array.
        dtype: of its values.
        on_disk: keep it in a file in the folder for temporary files (`TMPDIR`) that is gone with
            the process, however that ends.

    Raises:
        OSError: if the disk has no room for it.
    """
    size = np.dtype(dtype).itemsize * math.prod(shape)
    if not on_disk:
        memory = np.zeros(size + _ALIGNMENT, np.uint8)
        first = -memory.ctypes.data % _ALIGNMENT
        return Map(memory[first : first + size].view(dtype).reshape(shape))
    with tempfile.TemporaryFile(prefix="tf_style_") as file:
        if hasattr(os, "posix_fallocate"):  # Else a full disk ends the process when written to.
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            file.truncate(size)
        mapped = mmap.mmap(file.fileno(), size)
    return Map(np.frombuffer(mapped, dtype).reshape(shape), mapped)
