"""Turns valid files into hostile ones for `fuzz.py`. Calls no parser; a module, not a program.

A case is bytes. Most cases are a seed, a valid file, after a few mutations; each mutation is a
tuple of integers that hypothesis draws. Some cases are raw bytes. Formats with checksums or lengths
are split before and joined after a mutation, so that the damage reaches the content.
"""

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

from hypothesis import strategies as st

Parts = list[tuple[bytes, bytes]]
"""A file's pieces: (name, content)."""

Mutation = tuple[int, int, int, int]
"""(kind, place, length, value)."""


class Format(NamedTuple):
    """Splits a file into parts, and joins parts with correct lengths and checksums.

    Attributes:
        split: bytes to parts; no parts if the bytes are not of this format.
        join: parts to bytes.
    """

    split: Callable[[bytes], Parts]
    join: Callable[[Parts], bytes]


_PNG = b"\x89PNG\r\n\x1a\n"
_EXTREMES: tuple[int, ...] = (
    0,
    1,
    2,
    127,
    128,
    255,
    256,
    32767,
    32768,
    65535,
    65536,
    2**24,
    2**31 - 1,
    2**31,
)
_EXTREMES += (2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1, 1000, 1001, 1_000_000)
_LONGEST = 200_000  # Bytes of a case; the cost of reading must not come from its length.

JSON_TOKENS = (
    b"1e400", b"-1e400", b"1e-400", b"NaN", b"-Infinity", b"9" * 5000, b"1" * 400, b"[" * 3000,
    b'{"a":' * 3000, b'"\\ud800"', b'"\\u0000"', b"\xff\xfe", b"\x00", b"null", b"true", b"[]",
    b"{}", b'""', b"-0", b"-1", b"0.1", b"18446744073709551616", b'"' + b"a" * 5000 + b'"', b",",
    b'"a\\nb"', b"[[1, 2], [3]]", b'{"b64": "AAA"}', b'"inf"', b'"1e309"', b'"\xe2\x80\xae"',
)  # fmt: skip


def cases(
    seeds: Sequence[bytes], tokens: Sequence[bytes] = (), formats: Sequence[Format] = ()
) -> st.SearchStrategy[bytes]:
    """Returns a strategy of hostile bytes.

    Args:
        seeds: valid files.
        tokens: bytes to insert, besides extreme numbers.
        formats: tried in turn to split a seed.
    """
    place = st.one_of(st.integers(0, 80), st.integers(0, 2**20))
    length = st.one_of(st.integers(1, 8), st.integers(1, 4096))
    mutation = st.tuples(st.integers(0, 8), place, length, st.integers(0, 2**16))
    structural = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 99), mutation), max_size=3)

    def mutate(
        index: int, inside: list[tuple[int, int, Mutation]], outside: list[Mutation]
    ) -> bytes:
        data = seeds[index]
        for form in formats if inside else ():
            if parts := form.split(data):
                for kind, part, change in inside:
                    parts = _changed_parts(parts, kind, part, change, tokens)
                data = form.join(parts)
                break
        for change in outside:
            data = mutated(data, change, tokens)
        return data[:_LONGEST]

    changed = st.builds(
        mutate, st.integers(0, len(seeds) - 1), structural, st.lists(mutation, max_size=4)
    )
    heads = st.sampled_from([b"", *(seed[:16] for seed in seeds)])
    raw = st.builds(lambda head, rest: head + rest, heads, st.binary(max_size=300))
    return st.one_of(changed, changed, changed, changed, changed, raw)


def mutated(data: bytes, change: Mutation, tokens: Sequence[bytes] = ()) -> bytes:
    """Returns the bytes after one mutation."""
    kind, at, length, value = change
    at %= max(1, len(data))
    before, hit, after = data[:at], data[at : at + length], data[at + length :]
    if kind == 0:
        return before
    if kind == 1:
        return before + after
    if kind == 2:
        return before + bytes([data[at] ^ (value % 255 + 1)]) + data[at + 1 :] if data else b""
    if kind in (3, 4):
        width, extreme = (1, 2, 4, 8)[value % 4], _EXTREMES[value // 8 % len(_EXTREMES)]
        field = (extreme % 256**width).to_bytes(width, "big" if value & 4 else "little")
        return before + field + data[at + width :]
    if kind == 5:
        return before + hit * (2 + value % 30) + after
    if kind == 6 and tokens:
        return before + tokens[value % len(tokens)] + data[at:]
    if kind == 7 and tokens:
        token = tokens[value % len(tokens)]
        return before + token + data[at + len(token) :]
    return before + bytes([value % 256]) * len(hit) + after


def _changed_parts(
    parts: Parts, kind: int, index: int, change: Mutation, tokens: Sequence[bytes]
) -> Parts:
    if not parts:
        return parts
    index %= len(parts)
    name, data = parts[index]
    if kind == 0:
        return parts[:index] + parts[index + 1 :]
    if kind == 1:
        return parts[: index + 1] + parts[index:]
    if kind == 2:
        return [*parts[:index], *parts[index + 1 :], (name, data)]
    if kind == 3 and tokens:
        return [*parts[:index], (name, tokens[change[3] % len(tokens)]), *parts[index + 1 :]]
    return [*parts[:index], (name, mutated(data, change, tokens)), *parts[index + 1 :]]


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """Returns a chunk of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _split_png(data: bytes) -> Parts:
    parts: Parts = []
    at = len(_PNG)
    while data.startswith(_PNG) and at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        parts.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    return parts


def _split_jpeg(data: bytes) -> Parts:
    parts: Parts = []
    at = 2
    while data.startswith(b"\xff\xd8") and data[at : at + 1] == b"\xff":
        marker = data[at : at + 2]
        if marker == b"\xff\xda":  # The picture follows.
            parts.append((b"", data[at:]))
            break
        (length,) = struct.unpack_from(">H", data, at + 2)
        parts.append((marker, data[at + 4 : at + 2 + length]))
        at += 2 + length
    return parts


def _join_jpeg(parts: Parts) -> bytes:
    return b"\xff\xd8" + b"".join(
        marker + struct.pack(">H", (len(data) + 2) % 65536) + data if marker else data
        for marker, data in parts
    )


def _split_riff(data: bytes) -> Parts:
    parts: Parts = []
    at = 12
    while data.startswith(b"RIFF") and at + 8 <= len(data):
        (length,) = struct.unpack_from("<I", data, at + 4)
        parts.append((data[at : at + 4], data[at + 8 : at + 8 + length]))
        at += 8 + length + length % 2
    return parts


def _join_riff(parts: Parts) -> bytes:
    chunks = b"".join(
        kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for kind, data in parts
    )
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WEBP" + chunks


def _split_zip(data: bytes) -> Parts:
    if not data.startswith(b"PK"):
        return []
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [(name.encode(), archive.read(name)) for name in archive.namelist()]


def join_zip(parts: Parts) -> bytes:
    """Returns a zip archive; names may repeat."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in parts:
            archive.NameToInfo.pop(name.decode(), None)  # Avoids a warning about a repeated name.
            info = zipfile.ZipInfo(name.decode(), (2000, 1, 1, 0, 0, 0))
            archive.writestr(info, data, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def _split_json(data: bytes) -> Parts:
    try:
        values = json.loads(data)
    except ValueError:
        return []
    if not isinstance(values, dict):
        return []
    return [
        (json.dumps(name).encode(), json.dumps(value).encode()) for name, value in values.items()
    ]


def _join_json(parts: Parts) -> bytes:
    return b"{" + b", ".join(name + b": " + value for name, value in parts) + b"}"


def _split_arguments(data: bytes) -> Parts:
    return [(b"", argument) for argument in data.split(b"\0")]


PNG = Format(
    _split_png, lambda parts: _PNG + b"".join(png_chunk(kind, data) for kind, data in parts)
)
JPEG = Format(_split_jpeg, _join_jpeg)
WEBP = Format(_split_riff, _join_riff)
ZIP = Format(_split_zip, join_zip)
JSON = Format(_split_json, _join_json)
ARGUMENTS = Format(_split_arguments, lambda parts: b"\0".join(data for _, data in parts))
