"""Finds what a picture file says about its colors: an ICC profile, or a color space by name.

Takes an open file, its EXIF data and the profile that a library found; gives `Colors`. No
TensorFlow here.

References:
    CIPA DC-008 (2024), "Exchangeable image file format (Exif)", version 3.0: InteroperabilityIndex.
    W3C (2025), "PNG Specification (Third Edition)", section 4.3: precedence of chunks.
    ISO/IEC 23008-12 (HEIF) and ISO/IEC 15444-1 (JPEG 2000), annex I.5.3.3: `colr` boxes.
"""

import struct
from collections.abc import Sequence
from typing import BinaryIO, NamedTuple

from PIL import Image

from tf_style.images import containers
from tf_style.images.color_spaces import ADOBE_RGB, ColorSpace, coded_space

_COLOR_SPACE, _INTEROPERABILITY = 0xA001, 1  # Tags of EXIF.


class Colors(NamedTuple):
    """What the colors of a file mean; sRGB if both are None.

    Attributes:
        icc_profile: the bytes of an ICC profile, or None.
        space: a color space that needs a conversion, or None.
    """

    icc_profile: bytes | None = None
    space: ColorSpace | None = None


def colors_of(file: BinaryIO, exif: Image.Exif, icc_profile: bytes | None) -> Colors:
    """Returns what a picture file says about its colors.

    Args:
        file: the open file.
        exif: its EXIF data, or an empty one.
        icc_profile: the profile that the library found which opened the file, or None.
    """
    file.seek(0)
    start = file.read(12)
    if start.startswith(containers.PNG_START):
        return _png_colors(file, icc_profile)
    if start[4:8] == b"ftyp":
        return _boxed_colors(file, icc_profile, b"meta", b"iprp", b"ipco", b"colr")
    if start[4:8] == b"jP  ":
        return _boxed_colors(file, icc_profile, b"jp2h", b"colr")
    return Colors(icc_profile) if icc_profile else Colors(space=exif_space(exif))


def named_colors(picture: Image.Image) -> Colors:
    """Returns what a PIL picture, whose file is not known, says about its colors.

    Pillow keeps no code points (cICP, `nclx`).
    """
    info = picture.info
    if profile := info.get("icc_profile"):
        return Colors(profile)
    if picture.format == "PNG":
        if "srgb" in info:
            return Colors()
        return _png_space(info.get("gamma"), info.get("chromaticity"))
    return Colors(space=exif_space(picture.getexif()))


def exif_space(exif: Image.Exif) -> ColorSpace | None:
    """Returns Adobe RGB if a camera says so, otherwise None."""
    details, related = (_directory(exif, at) for at in (Image.ExifTags.IFD.Exif, 0xA005))
    index = related.get(_INTEROPERABILITY, "")
    index = index.decode("latin-1") if isinstance(index, bytes) else str(index)
    # 2 is no value of the standard, but some cameras write it for Adobe RGB.
    is_adobe = index.strip("\0 ") == "R03" or details.get(_COLOR_SPACE) == 2
    return ADOBE_RGB if is_adobe else None


def _directory(exif: Image.Exif, tag: int) -> dict:
    try:
        return exif.get_ifd(tag)
    except Exception:  # Pillow raises almost any exception on damaged EXIF data.
        return {}


def _png_colors(file: BinaryIO, icc_profile: bytes | None) -> Colors:
    chunks: dict[bytes, bytes] = {}
    for chunk in containers.png_chunks(file):
        if chunk.kind == b"IDAT":
            break
        if chunk.kind in (b"cICP", b"sRGB", b"gAMA", b"cHRM", b"iCCP"):
            chunks.setdefault(chunk.kind, chunk.data(file, 64))
    if len(chunks.get(b"cICP", b"")) >= 2:
        return _usable(coded_space(*chunks[b"cICP"][:2]))
    if b"iCCP" in chunks:
        profile = icc_profile or containers.png_profile(file)
        if profile:
            return Colors(profile)
    if b"sRGB" in chunks:
        return Colors()
    gamma = _shares(chunks.get(b"gAMA", b""), 1)
    return _png_space(gamma[0] if gamma else None, _shares(chunks.get(b"cHRM", b""), 8))


def _shares(data: bytes, count: int) -> tuple[float, ...]:
    """Returns the numbers in the data of a chunk, or none if there are not `count` of them."""
    if len(data) != 4 * count:
        return ()
    return tuple(number / 100_000.0 for number in struct.unpack(f">{count}I", data))


def _png_space(gamma: float | None, chromaticities: Sequence[float] | None) -> Colors:
    """Returns what the chunks gAMA and cHRM say.

    Args:
        gamma: the exponent from light to values.
        chromaticities: x and y of white, red, green and blue.
    """
    space = ColorSpace()
    if gamma is not None and 0.01 <= gamma <= 10.0:
        space = space._replace(transfer=1.0 / gamma)
    if chromaticities:
        space = space._replace(primaries=tuple(chromaticities[2:]) + tuple(chromaticities[:2]))
    return _usable(space)


def _boxed_colors(file: BinaryIO, icc_profile: bytes | None, *path: bytes) -> Colors:
    """Returns what the `colr` boxes at a path say; a profile counts before a code."""
    found = [box.data(file, containers.MAX_PROFILE) for box in containers.boxes_at(file, *path)]
    is_jpeg_2000 = path[0] == b"jp2h"
    for data in found:
        if not is_jpeg_2000 and data[:4] in (b"prof", b"rICC"):
            icc_profile = icc_profile or data[4:]
        elif is_jpeg_2000 and data[:1] in (b"\2", b"\3"):
            icc_profile = icc_profile or data[3:]
    if icc_profile:
        return Colors(icc_profile)
    for data in found:
        if not is_jpeg_2000 and data[:4] == b"nclx" and len(data) >= 8:
            return _usable(coded_space(*struct.unpack(">HH", data[4:8])))
        if is_jpeg_2000 and data[:1] == b"\1":
            return _usable(_JPEG_2000.get(int.from_bytes(data[3:7], "big"), ColorSpace()))
    return Colors()


def _usable(space: ColorSpace) -> Colors:
    """Returns the color space unless it is sRGB, or not one at all."""
    return Colors() if space.is_srgb or not space.is_possible else Colors(space=space)


# Enumerated color spaces of JPEG 2000 that are RGB but not sRGB: ROMM RGB, whose curve is a power
# but for the darkest values.
_JPEG_2000 = {
    21: ColorSpace((0.7347, 0.2653, 0.1596, 0.8404, 0.0366, 0.0001, 0.3457, 0.3585), 1.8),
}
