"""Large arrays in memory, or in files that leave nothing behind. No TensorFlow here."""

import math
import mmap
import os
import tempfile
import weakref
from typing import NamedTuple

import numpy as np

_ALIGNMENT = 64  # Bytes. TensorFlow ends the process where memory that it shares has another.
_SHARES = 32  # Sizes are rounded up to so many to each power of two.


class Map(NamedTuple):
    """A large array.

    Attributes:
        array: the array.
        memory: all that it may be taken for, uint8; None if it is another's.
        file: where that is, unless it is in memory.
        descriptor: the same file's, open as long as it is mapped; None where it is of no use.
    """

    array: np.ndarray
    memory: np.ndarray | None = None
    file: mmap.mmap | None = None
    descriptor: int | None = None

    @property
    def is_shareable(self) -> bool:
        """Whether TensorFlow can work in the array's own memory."""
        return self.memory is not None

    def write(self, place: tuple[slice, ...], part: np.ndarray) -> None:
        """Writes a part of an array `[1, h, w, c]`; whoever looks at the array sees it.

        To a file row by row. Through its mapping each page would be asked for on its own, and read
        from the disk before it is written: that takes twice as long.

        Args:
            place: of the part in the array: first all images, then rows and columns.
            part: `[1, h, w, c]`, of the same type.
        """
        if self.descriptor is None:
            self.array[place] = part
            return
        _, rows, columns = place
        _, width, channels = self.array.shape[1:]
        unit = channels * self.array.itemsize
        for row, values in enumerate(np.ascontiguousarray(part[0]), rows.start):
            offset, left = (row * width + columns.start) * unit, memoryview(values).cast("B")
            while left:
                written = os.pwrite(self.descriptor, left, offset)
                offset, left = offset + written, left[written:]

    def expect(self, rows: slice) -> None:
        """Has rows of an array `[1, h, w, c]` in a file read from the disk, without waiting."""
        if self.file is not None and hasattr(mmap, "MADV_WILLNEED"):
            row = self.array[0, 0].nbytes
            begin = rows.start * row // mmap.PAGESIZE * mmap.PAGESIZE
            self.file.madvise(mmap.MADV_WILLNEED, begin, rows.stop * row - begin)


class Maps:
    """Maps, whose memory is used again.

    New memory costs more than what is done with it: a system hands it out page by page, as
    zeros, and a virtual machine may first have to ask for it.
    """

    def __init__(self, *, on_disk: bool = False) -> None:
        """Makes none yet.

        Args:
            on_disk: keep them in files in the folder for temporary files (`TMPDIR`) that are gone
                with the process, however that ends.
        """
        self._on_disk = on_disk
        self._spare: dict[int, list[Map]] = {}
        self._files: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()

    def take(self, shape: tuple[int, ...], dtype: np.dtype) -> Map:
        """Returns a map, with whatever is in it.

        Raises:
            OSError: if the disk has no room for it.
        """
        num_bytes = np.dtype(dtype).itemsize * math.prod(shape)
        capacity = _rounded(num_bytes)
        spare = self._spare.get(capacity)
        found = spare.pop() if spare else _new(capacity, on_disk=self._on_disk)
        if found.file is not None:
            self._files.add(found.file)
        return found._replace(array=found.array[:num_bytes].view(dtype).reshape(shape))

    def give_back(self, *maps: Map) -> None:
        """Takes maps back that nothing looks at any more; those of others' memory are dropped."""
        for each in maps:
            if each.memory is not None:
                spare = self._spare.setdefault(each.memory.size, [])
                spare.append(each._replace(array=each.memory))

    def rest(self) -> None:
        """Lets go of the memory of all that are in files; their contents stay."""
        if hasattr(mmap, "MADV_DONTNEED"):
            for file in self._files:
                file.madvise(mmap.MADV_DONTNEED)


def _rounded(num_bytes: int) -> int:
    """Returns a size that others have, too, whose maps take about as much."""
    grain = max(2 ** (num_bytes - 1).bit_length() // _SHARES, _ALIGNMENT)
    return -(-num_bytes // grain) * grain


def _new(num_bytes: int, *, on_disk: bool) -> Map:
    if not on_disk:
        memory = np.zeros(num_bytes + _ALIGNMENT, np.uint8)
        first = -memory.ctypes.data % _ALIGNMENT
        memory = memory[first : first + num_bytes]
        return Map(memory, memory)
    with tempfile.TemporaryFile(prefix="tf_style_") as file:
        try:
            if hasattr(os, "posix_fallocate"):  # Else a full disk ends the process when written to.
                os.posix_fallocate(file.fileno(), 0, num_bytes)
            else:
                file.truncate(num_bytes)
        except OSError as error:
            raise OSError(
                error.errno,
                f"No room for {num_bytes / 1e9:.1f} GB in the folder for temporary files, "
                f"'{tempfile.gettempdir()}'. Name another one in the variable `TMPDIR`, or use a "
                f"smaller `size`. {error.strerror}",
            ) from error
        mapped = mmap.mmap(file.fileno(), num_bytes)
        descriptor = os.dup(file.fileno()) if hasattr(os, "pwrite") else None
    if descriptor is not None:
        weakref.finalize(mapped, os.close, descriptor)
    memory = np.frombuffer(mapped, np.uint8)
    return Map(memory, memory, mapped, descriptor)
