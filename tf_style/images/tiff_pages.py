"""Reads the directories of TIFF files: which page to use, and what its samples are.

Takes an open file; gives `TiffPage`s. No pixels are read, and no TensorFlow here.

References:
    Adobe (1992), "TIFF Revision 6.0", part 1. Adobe (2023), "Digital Negative (DNG)
    Specification", version 1.7.1: photometric interpretations of camera raw files.
"""

import warnings
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

from PIL import TiffImagePlugin

_MOST_PAGES = 4096
_TYPE, _OLD_TYPE, _WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC = 254, 255, 256, 257, 258, 262
_SAMPLES, _PLANAR, _SUB_PAGES, _EXTRA, _FORMAT, _DNG = 277, 284, 330, 338, 339, 50706
_REDUCED, _MASK = 1, 4  # Bits of NewSubfileType.
_OLD_REDUCED = 2
_RAW = (32803, 34892)  # Mosaic of a sensor's colors; linear raw.
_FORMAT_NAMES = {1: "unsigned integers", 2: "signed integers", 3: "floats"}


class TiffPage(NamedTuple):
    """One directory of a TIFF file.

    Attributes:
        number: position in the file's chain of pages, from 0; of a sub-page, of its parent.
        sub_number: position among its parent's sub-pages, or None for a page.
        size: (height, width), px.
        kind: NewSubfileType, a set of bits.
        photometric: PhotometricInterpretation; 0 is gray with 0 as white.
        bits: of each sample.
        sample_format: 1 for unsigned integers, 2 for signed integers, 3 for floats.
        extra: what each sample besides the colors is: 0 unspecified, 1 and 2 alpha.
        is_planar: whether each sample is stored apart.
    """

    number: int
    sub_number: int | None
    size: tuple[int, int]
    kind: int
    photometric: int
    bits: tuple[int, ...]
    sample_format: int
    extra: tuple[int, ...]
    is_planar: bool

    @property
    def is_whole(self) -> bool:
        """Whether this is a page of its own: neither reduced nor a mask of another one."""
        return not self.kind & (_REDUCED | _MASK)

    @property
    def is_for_pillow(self) -> bool:
        """Whether Pillow gives the right colors of this page, if it opens the file."""
        is_deep = max(self.bits, default=1) > 8
        return self.sub_number is None and not (is_deep and self.is_planar and len(self.bits) > 1)

    @property
    def samples_text(self) -> str:
        """What the samples of a pixel are, such as "3 channels of 32 bits (floats)"."""
        form = _FORMAT_NAMES.get(self.sample_format, "of an unknown format")
        planes = ", in planes" if self.is_planar and len(self.bits) > 1 else ""
        count = "1 channel" if len(self.bits) == 1 else f"{len(self.bits)} channels"
        return f"{count} of {max(self.bits, default=1)} bits ({form}{planes})"


def is_tiff(start: bytes) -> bool:
    """Returns whether a file with these first bytes is a TIFF or BigTIFF file."""
    return start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def read_pages(file: BinaryIO) -> list[TiffPage]:
    """Returns the pages of a TIFF file with their sub-pages, as far as they can be read."""
    # Pillow raises almost any exception on damaged directories, and warns about them.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return list(_pages(file))
        except Exception:
            return []


def is_camera_raw(pages: list[TiffPage]) -> bool:
    """Returns whether a page holds the values of a camera's sensor."""
    return any(page.photometric in _RAW for page in pages)


def whole_pages(pages: list[TiffPage]) -> list[TiffPage]:
    """Returns the largest pages that are neither reduced nor masks, in the order of the file.

    If all are marked as reduced, returns the largest of these.
    """
    whole = [page for page in pages if page.is_whole] or pages
    most = max((page.size[0] * page.size[1] for page in whole), default=0)
    return [page for page in whole if page.size[0] * page.size[1] == most]


def note_on_extra(argument: str) -> str:
    """Returns the note on a page with unspecified samples besides the colors."""
    return f"`{argument}` has channels that are neither colors nor alpha; they are left out."


def _pages(file: BinaryIO) -> Iterator[TiffPage]:
    file.seek(0)
    start = file.read(16)
    start = start[: 16 if start[2:4] in (b"+\0", b"\0+") else 8]
    chain = TiffImagePlugin.ImageFileDirectory_v2(start)
    seen: set[int] = set()
    offset = chain.next
    for number in range(_MOST_PAGES):
        if not offset or offset in seen:
            return
        seen.add(offset)
        page, sub_offsets, offset = _directory(file, start, offset, number, None)
        yield page
        for sub_number, sub_offset in enumerate(sub_offsets[:_MOST_PAGES]):
            if sub_offset not in seen:
                seen.add(sub_offset)
                yield _directory(file, start, sub_offset, number, sub_number)[0]


def _directory(
    file: BinaryIO, start: bytes, offset: int, number: int, sub_number: int | None
) -> tuple[TiffPage, tuple[int, ...], int]:
    """Returns the page at an offset, the offsets of its sub-pages, and that of the next page."""
    tags = TiffImagePlugin.ImageFileDirectory_v2(start)
    tags.next = 0  # Stays so if the directory is cut off.
    file.seek(offset)
    tags.load(file)

    def numbers(tag: int, default: tuple[int, ...]) -> tuple[int, ...]:
        value: Any = tags.get(tag, default)
        return tuple(map(int, value if isinstance(value, tuple) else (value,)))

    count = numbers(_SAMPLES, (1,))[0]
    bits = numbers(_BITS, (1,))
    kind = numbers(_TYPE, (0,))[0]
    if _TYPE not in tags and numbers(_OLD_TYPE, (0,))[0] == _OLD_REDUCED:
        kind = _REDUCED
    page = TiffPage(
        number=number,
        sub_number=sub_number,
        size=(numbers(_HEIGHT, (0,))[0], numbers(_WIDTH, (0,))[0]),
        kind=kind,
        photometric=_RAW[0] if _DNG in tags else numbers(_PHOTOMETRIC, (1,))[0],
        bits=bits * count if len(bits) == 1 and 1 < count <= 64 else bits,
        sample_format=numbers(_FORMAT, (1,))[0],
        extra=numbers(_EXTRA, ()),
        is_planar=numbers(_PLANAR, (1,))[0] == 2,
    )
    return page, numbers(_SUB_PAGES, ()), tags.next
