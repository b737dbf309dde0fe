"""Reads the directories of TIFF files: which page to use, and what its samples are.

Takes an open file; gives `TiffPage`s. No pixels are read, and no TensorFlow here. Directories are
untrusted: the work is bounded whatever a file states.

References:
    Adobe (1992), "TIFF Revision 6.0", part 1; BigTIFF (libtiff.gitlab.io/libtiff/bigtiff). Adobe
    (2023), "Digital Negative (DNG) Specification", version 1.7.1: camera raw files.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""The first bytes of a TIFF or BigTIFF file."""

_TYPE, _OLD_TYPE, _WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC = 254, 255, 256, 257, 258, 262
_COMPRESSION = 259
_SAMPLES, _PLANAR, _SUB_PAGES, _EXTRA, _FORMAT, _DNG = 277, 284, 330, 338, 339, 50706
_READ = frozenset(
    (_TYPE, _OLD_TYPE, _WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _SAMPLES, _PLANAR, _SUB_PAGES)
    + (_EXTRA, _FORMAT, _DNG, _COMPRESSION)
)
_MOST_ENTRIES = 2**16  # Of all directories of a file together.
_MOST_VALUES = 256  # Of one entry.
_NUMBERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}  # By type: unsigned integers.
_REDUCED, _MASK = 1, 4  # Bits of NewSubfileType.
_OLD_REDUCED = 2
_RAW = (32803, 34892)  # Mosaic of a sensor's colors; linear raw.
_LAB, _OTHER_LAB = 8, (9, 10)  # CIE; ICC and ITU, which store a and b with other offsets.
_SIGNED, _FLOAT = 2, 3
# None, CCITT, LZW, JPEG, deflate, PackBits, LZMA, Zstandard.
_PACKED_FOR_PILLOW = (1, 2, 3, 4, 5, 6, 7, 8, 32773, 32946, 34925, 50000)
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
        compression: a code; 1 for none.
        is_little_endian: the order of bytes in the file.
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
    compression: int
    is_little_endian: bool

    @property
    def is_whole(self) -> bool:
        """Whether this is a page of its own: neither reduced nor a mask of another one."""
        return not self.kind & (_REDUCED | _MASK)

    @property
    def num_pixels(self) -> int:
        """The number of pixels."""
        return self.size[0] * self.size[1]

    @property
    def most_bits(self) -> int:
        """The bits of the deepest sample."""
        return max(self.bits, default=1)

    @property
    def is_readable(self) -> bool:
        """Whether Pillow or libvips can be expected to read its colors rightly."""
        if len(set(self.bits)) != 1 or self.photometric in _OTHER_LAB:
            return False
        if self.photometric == _LAB:
            return self.bits == (8, 8, 8) and not self.is_planar
        if self.sample_format == _FLOAT:
            return self.most_bits in (16, 32)
        if self.sample_format == _SIGNED:
            return False
        if self.most_bits == 12:
            return len(self.bits) == 1 and self.photometric == 1 and self.is_little_endian
        return self.most_bits in ((1, 2, 4, 8, 16) if len(self.bits) == 1 else (8, 16))

    @property
    def is_for_pillow(self) -> bool:
        """Whether Pillow gives the right colors of this page, if it opens the file."""
        if self.sub_number is not None or self.compression not in _PACKED_FOR_PILLOW:
            return False
        has_several = len(self.bits) > 1
        has_deep_planes = self.most_bits > 8 and self.is_planar
        return not (has_several and (has_deep_planes or self.sample_format == _FLOAT))

    @property
    def samples_text(self) -> str:
        """What the samples of a pixel are, such as "3 channels of 32 bits (floats)"."""
        form = _FORMAT_NAMES.get(self.sample_format, "of an unknown format")
        if self.photometric in (_LAB, *_OTHER_LAB):
            form += ", Lab"
        planes = ", in planes" if self.is_planar and len(self.bits) > 1 else ""
        count = "1 channel" if len(self.bits) == 1 else f"{len(self.bits)} channels"
        return f"{count} of {self.most_bits} bits ({form}{planes})"


def is_tiff(start: bytes) -> bool:
    """Returns whether a file with these first bytes is a TIFF or BigTIFF file."""
    return start[:4] in STARTS


def read_pages(file: BinaryIO) -> list[TiffPage]:
    """Returns the pages of a TIFF file with their sub-pages, as far as they can be read."""
    file.seek(0)
    start = file.read(16)
    if not is_tiff(start) or len(start) < 16:
        return []
    return list(_pages(_Reader(file, start)))


def is_camera_raw(pages: list[TiffPage]) -> bool:
    """Returns whether a page holds the values of a camera's sensor."""
    return any(page.photometric in _RAW for page in pages)


def whole_pages(pages: list[TiffPage]) -> list[TiffPage]:
    """Returns the largest pages that are neither reduced nor masks, in the order of the file.

    If all are marked as reduced, returns the largest of these. A sub-page as large as a page is
    left out.
    """
    whole = [page for page in pages if page.is_whole] or pages
    most = max((page.num_pixels for page in whole), default=0)
    largest = [page for page in whole if page.num_pixels == most]
    return [page for page in largest if page.sub_number is None] or largest[:1]


def note_on_extra(argument: str) -> str:
    """Returns the note on a page with unspecified samples besides the colors."""
    return f"`{argument}` has channels that are neither colors nor alpha; they are left out."


def unsuitable(argument: str, received: str, page: TiffPage) -> str:
    """Returns the error message for a page that Pillow does not read, or not rightly."""
    return (
        f"`{argument}` must be of a kind of TIFF that Pillow reads. Received: {argument}="
        f"{received}, {page.samples_text}. Save it with 8 bits, as RGB, and one page."
    )


class _Reader:
    """Reads directories; the number of their entries is limited for the whole file."""

    def __init__(self, file: BinaryIO, start: bytes) -> None:
        self._file = file
        self.is_little_endian = start[:2] == b"II"
        self._order = "<" if self.is_little_endian else ">"
        self._is_big = start[2:4] in (b"+\0", b"\0+")
        self._entry = self._order + ("HHQ8s" if self._is_big else "HHI4s")
        self._place, self._count = ("Q", "Q") if self._is_big else ("I", "H")
        self._left = _MOST_ENTRIES
        offset = start[8:16] if self._is_big else start[4:8]
        self.first = self._number(self._place, offset)

    def directory(self, offset: int) -> tuple[dict[int, tuple[int, ...]], int] | None:
        """Returns the values of a directory by tag, and the offset of the next one, or None."""
        size, most = struct.calcsize(self._entry), 2**63
        if not 0 < offset < most:
            return None
        self._file.seek(offset)
        count = self._number(self._count, self._file.read(struct.calcsize("<" + self._count)))
        if not 0 < count <= self._left:
            return None
        self._left -= count
        data = self._file.read(count * size)
        next_offset = self._number(self._place, self._file.read(struct.calcsize("<" + self._place)))
        values = {}
        for at in range(0, len(data) - size + 1, size):
            tag, kind, number, value = struct.unpack_from(self._entry, data, at)
            if tag in _READ and kind in _NUMBERS and 0 < number <= _MOST_VALUES:
                values[tag] = self._values(_NUMBERS[kind], number, value)
        return values, next_offset

    def _values(self, form: str, count: int, value: bytes) -> tuple[int, ...]:
        form = f"{self._order}{count}{form}"
        size = struct.calcsize(form)
        if size > len(value):
            place = self._number(self._place, value)
            self._file.seek(min(place, 2**63 - 1))
            value = self._file.read(size)
        return struct.unpack(form, value[:size].ljust(size, b"\0"))

    def _number(self, form: str, data: bytes) -> int:
        """Returns an unsigned integer, or 0 if its bytes are missing."""
        form = self._order + form
        size = struct.calcsize(form)
        return struct.unpack(form, data[:size])[0] if len(data) >= size else 0


def _pages(reader: _Reader) -> Iterator[TiffPage]:
    seen: set[int] = set()
    offset, number = reader.first, 0
    while offset not in seen and (found := reader.directory(offset)):
        seen.add(offset)
        values, offset = found
        yield _page(values, number, None, reader.is_little_endian)
        for sub_number, sub_offset in enumerate(values.get(_SUB_PAGES, ())):
            if sub_offset not in seen and (sub := reader.directory(sub_offset)):
                seen.add(sub_offset)
                yield _page(sub[0], number, sub_number, reader.is_little_endian)
        number += 1


def _page(
    values: dict[int, tuple[int, ...]], number: int, sub_number: int | None, is_little_endian: bool
) -> TiffPage:
    def first(tag: int, default: int) -> int:
        return values.get(tag, (default,))[0]

    kind, count = first(_TYPE, 0), first(_SAMPLES, 1)
    if _TYPE not in values and first(_OLD_TYPE, 0) == _OLD_REDUCED:
        kind = _REDUCED
    bits = values.get(_BITS, (1,))
    return TiffPage(
        number=number,
        sub_number=sub_number,
        size=(first(_HEIGHT, 0), first(_WIDTH, 0)),
        kind=kind,
        photometric=_RAW[0] if _DNG in values else first(_PHOTOMETRIC, 1),
        bits=bits * count if len(bits) == 1 and 1 < count <= _MOST_VALUES else bits,
        sample_format=first(_FORMAT, 1),
        extra=values.get(_EXTRA, ()),
        is_planar=first(_PLANAR, 1) == 2,
        compression=first(_COMPRESSION, 1),
        is_little_endian=is_little_endian,
    )
