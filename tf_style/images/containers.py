"""Walks through the parts of picture files: chunks of PNG, segments of JPEG, boxes of ISO media.

Takes open binary files or bytes, which may be damaged; gives where each part lies. Lengths that a
file states are never trusted: a part that does not fit ends the walk. No TensorFlow here.

References:
    W3C (2025), "Portable Network Graphics (PNG) Specification (Third Edition)", section 5.
    ITU-T T.81 (JPEG), annex B. ISO/IEC 14496-12, section 4.2 (boxes).
"""

import os
import re
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

PNG_START = b"\x89PNG\r\n\x1a\n"
_MAX_TEXT = 2**20  # Bytes; Pillow refuses PNG files that hold a longer text.
_MAX_TEXTS = 2**24  # Bytes of all texts that are kept together.
MAX_PROFILE = 2**24
"""Most bytes of an ICC profile."""
_MAX_PARTS = 100_000


class Part(NamedTuple):
    """A chunk, segment or box: its kind, and where its data starts and ends in the file."""

    kind: bytes
    start: int
    end: int

    def data(self, file: BinaryIO, most: int) -> bytes:
        """Returns the part's data, at most `most` bytes of it."""
        file.seek(self.start)
        return file.read(min(self.end - self.start, most))


def size_of(file: BinaryIO) -> int:
    """Returns the length of an open file in bytes."""
    return file.seek(0, os.SEEK_END)


def png_chunks(file: BinaryIO) -> Iterator[Part]:
    """Yields the chunks of a PNG file; none if it is no PNG file."""
    length = size_of(file)
    file.seek(0)
    if file.read(8) != PNG_START:
        return
    at = 8
    for _ in range(_MAX_PARTS):
        file.seek(at)
        head = file.read(8)
        start, end = at + 8, at + 8 + int.from_bytes(head[:4], "big")
        if len(head) < 8 or end + 4 > length:
            return
        yield Part(head[4:], start, end)
        at = end + 4


def png_profile(file: BinaryIO) -> bytes | None:
    """Returns the ICC profile of a PNG file, of up to 16 MB, or None."""
    for chunk in png_chunks(file):
        if chunk.kind == b"iCCP":
            _, _, packed = chunk.data(file, MAX_PROFILE).partition(b"\0")
            return _unpacked(packed[1:], MAX_PROFILE)
        if chunk.kind == b"IDAT":
            return None
    return None


def png_without_long_texts(file: BinaryIO) -> bytes | None:
    """Returns a PNG file without texts and profiles that Pillow refuses, or None if it has none.

    Pillow calls a file damaged if a text, such as XMP, or the ICC profile is longer than 1 MB once
    it is unpacked. Pixels do not depend on texts; for the profile see `png_profile`.
    """
    dropped, total = [], 0
    for chunk in png_chunks(file):
        if chunk.kind in (b"zTXt", b"iTXt", b"tEXt", b"iCCP"):
            # Beyond the limit of all texts, none is unpacked: thousands of them would take long.
            size = _text_size(chunk, file) if total <= _MAX_TEXTS else _MAX_TEXTS
            total += size
            if size > _MAX_TEXT or total > _MAX_TEXTS:
                dropped.append(chunk)
    if not dropped:
        return None
    kept, at = [], 0
    for chunk in dropped:
        file.seek(at)
        kept.append(file.read(chunk.start - 8 - at))
        at = chunk.end + 4
    file.seek(at)
    return b"".join([*kept, file.read()])


def _text_size(chunk: Part, file: BinaryIO) -> int:
    """Returns the bytes of a text or profile once it is unpacked, or a larger number."""
    if chunk.end - chunk.start > _MAX_TEXT or chunk.kind == b"tEXt":
        return chunk.end - chunk.start
    data = chunk.data(file, _MAX_TEXT)
    _, _, packed = data.partition(b"\0")
    if chunk.kind == b"iTXt":
        is_packed, (*_, packed) = packed[:1] == b"\1", packed[2:].split(b"\0", 2)
        if not is_packed:
            return len(packed)
    else:
        packed = packed[1:]
    unpacked = _unpacked(packed, _MAX_TEXT)
    return _MAX_TEXT + 1 if unpacked is None else len(unpacked)


def _unpacked(packed: bytes, most: int) -> bytes | None:
    """Returns unpacked data, or None if it is longer than `most` bytes; b"" if damaged."""
    unpacker = zlib.decompressobj()
    try:
        data = unpacker.decompress(packed, most)
    except zlib.error:
        return b""
    return None if unpacker.unconsumed_tail else data


def ends_jpeg(file: BinaryIO) -> bool:
    """Returns whether a file ends with JPEG's end marker."""
    file.seek(max(0, size_of(file) - 2))
    return file.read() == b"\xff\xd9"


def jpeg_picture(file: BinaryIO) -> tuple[bytes, bool]:
    """Returns the bytes of a JPEG file before its end marker, and whether it has one.

    Thumbnails and other segments hold markers of their own: only what follows the first scan
    counts.
    """
    file.seek(0)
    data = file.read()
    scan = next((at for marker, at, _ in _segments(data) if marker == _SCAN), len(data))
    end = data.find(b"\xff\xd9", scan)
    return (data, False) if end < 0 else (data[:end], True)


_SCAN, _INTERVAL = 0xDA, 0xDD  # Markers of JPEG.
_SEQUENTIAL, _PROGRESSIVE = (0xC0, 0xC1), 0xC2  # Frames of Huffman codes.
_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")  # Others belong to a scan, or fill.


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yields each segment of a JPEG file: its marker, and where its data starts and ends."""
    at = 2
    for _ in range(_MAX_PARTS):
        found = _MARKER.search(data, at)
        if found is None or found.end() + 2 > len(data):
            return
        start = found.end() + 2
        end = found.end() + max(2, int.from_bytes(data[found.end() : start], "big"))
        yield found[1][0], start, end
        at = end


def is_simple(data: bytes) -> bool:
    """Returns whether a JPEG file is sequential, of Huffman codes, and has one scan."""
    markers = [marker for marker, _, _ in _segments(data)]
    return markers.count(_SCAN) == 1 and any(marker in _SEQUENTIAL for marker in markers)


def has_all_scans(data: bytes) -> bool:
    """Returns whether a JPEG file has scans of all coefficients, and restart markers as stated.

    The last scan itself may be cut off. A file with restart markers in several scans counts as
    incomplete, and so does one of another coding (arithmetic).

    References:
        ITU-T T.81, sections B.2.2 to B.2.4 and G.1.1.1.
    """
    components: dict[int, int] = {}  # By identifier: the sampling factors, 4 bits each.
    size = 0, 0
    interval, num_scans, missing = 0, 0, set[tuple[int, int]]()
    for marker, start, end in _segments(data):
        body = data[start:end]
        if marker in (*_SEQUENTIAL, _PROGRESSIVE) and len(body) >= 6:
            size = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
            components = dict(zip(body[6::3], body[7::3], strict=False))
            missing = {(each, index) for each in components for index in range(64)}
        elif marker == _INTERVAL:
            interval = int.from_bytes(body[:2], "big")
        elif marker == _SCAN and len(body) >= 4:
            num_scans += 1
            first, last, approximation = body[-3:]
            if approximation & 15 == 0:  # All bits of these coefficients.
                seen = body[1 : 1 + 2 * body[0] : 2]
                missing -= {(each, index) for each in seen for index in range(first, last + 1)}
    if missing or not components:
        return False
    if not interval:
        return True
    high = max(1, *(factor & 15 for factor in components.values()))
    wide = max(1, *(factor >> 4 for factor in components.values()))
    if len(components) == 1:
        high = wide = 1
    units = -(-size[0] // (8 * high)) * -(-size[1] // (8 * wide))
    scan = next(end for marker, _, end in _segments(data) if marker == _SCAN)
    num_markers = sum(data.count(bytes([0xFF, 0xD0 + each]), scan) for each in range(8))
    return num_scans == 1 and num_markers >= -(-units // interval) - 1


def boxes(file: BinaryIO, start: int = 0, end: int | None = None) -> Iterator[Part]:
    """Yields the boxes of an ISO base media or JPEG 2000 file between two places."""
    end = size_of(file) if end is None else end
    at = start
    for _ in range(_MAX_PARTS):
        file.seek(at)
        head = file.read(16)
        if at + 8 > end or len(head) < 8:
            return
        size, body = int.from_bytes(head[:4], "big"), 8
        if size == 1:
            size, body = int.from_bytes(head[8:16], "big"), 16
        elif size == 0:
            size = end - at
        if size < body or at + size > end:
            return
        yield Part(head[4:8], at + body, at + size)
        at += size


def boxes_at(file: BinaryIO, *path: bytes) -> list[Part]:
    """Returns the boxes that lie at a path of kinds, such as `meta`, `iprp`, `ipco`, `colr`."""
    found = [Part(b"", 0, size_of(file))]
    for kind in path:
        inner: list[Part] = []
        for box in found:
            # `meta` starts with a version and flags.
            skipped = 4 if box.kind == b"meta" else 0
            inner += boxes(file, box.start + skipped, box.end)
        found = [box for box in inner if box.kind == kind]
    return found
