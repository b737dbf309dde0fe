"""Maps: large arrays in memory, or in temporary files that are gone when the process ends.

Takes shapes and types, gives `Map`s, whose memory `Maps` reuses. No TensorFlow here.
"""

import math
import mmap
import os
import tempfile
import weakref
from typing import NamedTuple

import numpy as np

_ALIGNMENT = 64  # Bytes. TensorFlow aborts the process if shared memory is not aligned so.
_SHARES = 32  # Sizes are rounded up to multiples of the next power of two over this number.


class Map(NamedTuple):
    """A large array.

    Attributes:
        array: the array.
        memory: uint8, the whole buffer that holds the array; None if `Maps` does not own it.
        file: the mapped file of the buffer; None if the buffer is in memory.
        descriptor: of the same file, open as long as it is mapped; None if there is no file or the
            platform has no `os.pwrite`.
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
        """Writes a part of an array `[1, h, w, c]`; it is visible in `array`.

        A file is written row by row. Writes through the mapping take twice as long: each page is
        requested on its own, and read from the disk before it is written.

        Args:
            place: slices of the part's batch (all), rows and columns in the array.
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
        """Starts to read rows of an array `[1, h, w, c]` from its file, without waiting."""
        if self.file is not None and hasattr(mmap, "MADV_WILLNEED"):
            row = self.array[0, 0].nbytes
            begin = rows.start * row // mmap.PAGESIZE * mmap.PAGESIZE
            self.file.madvise(mmap.MADV_WILLNEED, begin, rows.stop * row - begin)


class Maps:
    """Creates maps and reuses their memory.

    New memory costs more than the work done in it: the system hands it out page by page, filled
    with zeros, and a virtual machine may first have to request it from its host.
    """

    def __init__(self, *, on_disk: bool = False) -> None:
        """Starts without maps.

        Args:
            on_disk: whether maps are in files in the folder for temporary files (`TMPDIR`). These
                files are gone when the process ends, even if it is killed.
        """
        self._on_disk = on_disk
        self._spare: dict[int, list[Map]] = {}
        self._files: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()

    def take(self, shape: tuple[int, ...], dtype: np.dtype) -> Map:
        """Returns a map whose array has arbitrary contents.

        Raises:
            OSError: if the disk has no space for it.
        """
        num_bytes = np.dtype(dtype).itemsize * math.prod(shape)
        capacity = _rounded(num_bytes)
        spare = self._spare.get(capacity)
        taken = spare.pop() if spare else _new(capacity, on_disk=self._on_disk)
        if taken.file is not None:
            self._files.add(taken.file)
        return taken._replace(array=taken.array[:num_bytes].view(dtype).reshape(shape))

    def give_back(self, *maps: Map) -> None:
        """Takes back unused maps; drops those whose memory it does not own."""
        for each in maps:
            if each.memory is not None:
                spare = self._spare.setdefault(each.memory.size, [])
                spare.append(each._replace(array=each.memory))

    def rest(self) -> None:
        """Releases the memory of all maps in files; their contents stay in the files."""
        if hasattr(mmap, "MADV_DONTNEED"):
            for file in self._files:
                file.madvise(mmap.MADV_DONTNEED)


def _rounded(num_bytes: int) -> int:
    """Returns the size rounded up, so that maps of similar sizes can reuse the same memory."""
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
            if hasattr(os, "posix_fallocate"):  # Else a full disk kills the process on a write.
                os.posix_fallocate(file.fileno(), 0, num_bytes)
            else:
                file.truncate(num_bytes)
        except OSError as error:
            raise OSError(
                error.errno,
                f"No room for {num_bytes / 1e9:.1f} GB in the folder for temporary files, "
                f"'{tempfile.gettempdir()}'. Set the environment variable `TMPDIR` to another "
                f"folder, or use a smaller `size`. {error.strerror}",
            ) from error
        mapped = mmap.mmap(file.fileno(), num_bytes)
        descriptor = os.dup(file.fileno()) if hasattr(os, "pwrite") else None
    if descriptor is not None:
        weakref.finalize(mapped, os.close, descriptor)
    memory = np.frombuffer(mapped, np.uint8)
    return Map(memory, memory, mapped, descriptor)
