"""Large arrays in memory, or in files that leave nothing behind. No TensorFlow here."""

import math
import mmap
import os
import tempfile
from typing import NamedTuple

import numpy as np


class Map(NamedTuple):
    """An array of float32.

    Attributes:
        array: the array, of zeros at first.
        file: its place in a file; None if it is in memory.
    """

    array: np.ndarray
    file: mmap.mmap | None = None

    def rest(self) -> None:
        """Lets go of the memory of an array in a file; its contents stay."""
        if self.file is not None and hasattr(mmap, "MADV_DONTNEED"):
            self.file.madvise(mmap.MADV_DONTNEED)


def new_map(shape: tuple[int, ...], *, on_disk: bool) -> Map:
    """Returns a new array of zeros.

    Args:
        shape: of the array.
        on_disk: keep it in a file in the folder for temporary files (`TMPDIR`) that is gone with
            the process, however that ends.

    Raises:
        OSError: if the disk has no room for it.
    """
    if not on_disk:
        return Map(np.zeros(shape, np.float32))
    size = 4 * math.prod(shape)
    with tempfile.TemporaryFile(prefix="tf_style_") as file:
        if hasattr(os, "posix_fallocate"):  # Else a full disk ends the process when written to.
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            file.truncate(size)
        memory = mmap.mmap(file.fileno(), size)
    return Map(np.frombuffer(memory, np.float32).reshape(shape), memory)
