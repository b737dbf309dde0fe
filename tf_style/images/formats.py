"""Names the formats of files that are no pictures which can be read, and says the way out.

Takes the first bytes of a file; gives the name of the format and what to do. No TensorFlow here.

References:
    The magic numbers are those of each format's specification; brands are those of ISO/IEC
    14496-12 (ISO base media file format) and its registry, mp4ra.org.
"""

import re
from typing import NamedTuple

NUM_BYTES = 512
"""How many bytes from the start of a file tell its format."""

INSTALL_HEIF = "install pillow-heif: `pip install 'tf-style[heif]'`"

_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"heif")
_AVIF_BRANDS = (b"avif", b"avis")


class OtherFormat(NamedTuple):
    """A format that is not read.

    Attributes:
        name: with its article, such as "a PDF document".
        way_out: a sentence that says what to do.
    """

    name: str
    way_out: str


_EXPORT = "Open it in the program that made it, and export it as PNG, TIFF or JPEG."
_CONVERT = "Convert it to PNG, TIFF or JPEG."
_DOWNLOAD = "Download or copy the picture itself again."
_UNPACK = "Unpack it, and give a picture in it."
_FRAME = "Save one frame as a picture: ffmpeg -i FILE -frames:v 1 frame.png"

CAMERA_RAW = OtherFormat(
    "a camera raw file",
    "Develop it in your camera's program, darktable or RawTherapee, and export it as TIFF or JPEG.",
)

_STARTS: dict[OtherFormat, tuple[bytes, ...]] = {
    OtherFormat("a Photoshop document (PSD)", _EXPORT): (b"8BPS",),
    OtherFormat("a PDF document", "Export the page as PNG: pdftoppm -png FILE page"): (b"%PDF",),
    OtherFormat("a PostScript document", _CONVERT): (b"%!PS",),
    OtherFormat("a PostScript document (EPS)", _CONVERT): (b"\xc5\xd0\xd3\xc6",),
    OtherFormat("a JPEG XL picture", _CONVERT): (b"\xff\x0a", b"\0\0\0\x0cJXL "),
    OtherFormat("a GIMP document (XCF)", _EXPORT): (b"gimp xcf",),
    CAMERA_RAW: (
        b"FUJIFILMCCD-RAW",
        b"FOVb",
        b"\0MRM",
        b"IIU\0",
        b"IIRO",
        b"IIRS",
        b"MMOR",
        b"HEAPCCDR",
    ),
    OtherFormat("a video (Matroska or WebM)", _FRAME): (b"\x1aE\xdf\xa3",),
    OtherFormat("a video (Flash)", _FRAME): (b"FLV\x01",),
    OtherFormat("a video (Windows Media)", _FRAME): (b"0&\xb2u",),
    OtherFormat("a video (MPEG)", _FRAME): (b"\0\0\x01\xba", b"\0\0\x01\xb3"),
    OtherFormat("an Ogg video or sound", _FRAME): (b"OggS",),
    OtherFormat("a sound (MP3)", _DOWNLOAD): (b"ID3",),
    OtherFormat("an icon (ICO)", _CONVERT): (b"\0\0\x01\0",),
    OtherFormat("a cursor (CUR)", _CONVERT): (b"\0\0\x02\0",),
    OtherFormat("an icon (ICNS)", _CONVERT): (b"icns",),
    OtherFormat("an OpenEXR picture", _CONVERT): (b"v/1\x01",),
    OtherFormat("a Radiance picture (HDR)", _CONVERT): (b"#?RADIANCE", b"#?RGBE"),
    OtherFormat("a DirectDraw texture (DDS)", _CONVERT): (b"DDS ",),
    OtherFormat("a FITS file", _CONVERT): (b"SIMPLE  =",),
    OtherFormat("a QOI picture", _CONVERT): (b"qoif",),
    OtherFormat("a BPG picture", _CONVERT): (b"BPG\xfb",),
    OtherFormat("a FLIF picture", _CONVERT): (b"FLIF",),
    OtherFormat("a PCX picture", _CONVERT): (b"\x0a\x05\x01",),
    OtherFormat("an SGI picture", _CONVERT): (b"\x01\xda",),
    OtherFormat("a Windows metafile (WMF)", _EXPORT): (b"\xd7\xcd\xc6\x9a",),
    OtherFormat("the resources of a file of macOS", _DOWNLOAD): (b"\0\x05\x16\x07",),
    OtherFormat("a JPEG XR picture", _CONVERT): (b"II\xbc\x01",),
    OtherFormat("a DjVu document", _CONVERT): (b"AT&TFORM",),
    OtherFormat("a NumPy array", "Load it, and pass the array."): (b"\x93NUMPY",),
    OtherFormat("an HDF5 file", _CONVERT): (b"\x89HDF",),
    OtherFormat("an Office document", _EXPORT): (b"\xd0\xcf\x11\xe0",),
    OtherFormat("a ZIP archive, or a document in one", _UNPACK): (b"PK\x03\x04",),
    OtherFormat("a gzip archive", _UNPACK): (b"\x1f\x8b",),
    OtherFormat("a 7z archive", _UNPACK): (b"7z\xbc\xaf\x27\x1c",),
    OtherFormat("a RAR archive", _UNPACK): (b"Rar!",),
    OtherFormat("a bzip2 archive", _UNPACK): (b"BZh",),
    OtherFormat("an xz archive", _UNPACK): (b"\xfd7zXZ",),
    OtherFormat("a pointer of Git LFS", "Run `git lfs pull`."): (b"version https://git-lfs",),
}
"""By format: how its files may start."""


_RIFF: dict[bytes, OtherFormat | None] = {
    b"WEBP": None,
    b"AVI ": OtherFormat("a video (AVI)", _FRAME),
    b"WAVE": OtherFormat("a sound (WAVE)", _DOWNLOAD),
}


def other_format(start: bytes) -> OtherFormat | None:
    """Returns the format of a file that is no readable picture, or None if it is not known.

    Args:
        start: the first `NUM_BYTES` bytes of the file, or all if it is shorter.
    """
    if not start.strip(b"\0"):
        return OtherFormat("an empty file" if not start else "a file of zeros", _DOWNLOAD)
    if start[:4] in (b"II*\0", b"MM\0*") and start[8:10] == b"CR":
        return CAMERA_RAW
    if start[128:132] == b"DICM":
        return OtherFormat("a DICOM file", _CONVERT)
    if start.startswith(b"RIFF"):
        return _RIFF.get(start[8:12], OtherFormat("a RIFF file, such as a film or sound", _FRAME))
    if start[:1] == start[188:189] == start[376:377] == b"G":
        return OtherFormat("a video (MPEG transport stream)", _FRAME)
    if start[257:262] == b"ustar":
        return OtherFormat("a tar archive", _UNPACK)
    if start[:4] == b"\1\0\0\0" and start[40:44] == b" EMF":
        return OtherFormat("a Windows metafile (EMF)", _EXPORT)
    known = (found for found, magics in _STARTS.items() if start.startswith(magics))
    return next(known, None) or _media_format(start) or _text_format(start)


READABLE = {
    b"\x89PNG": "PNG",
    b"\xff\xd8": "JPEG",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"RIFF": "WebP",
    b"\0\0\0\x0cjP": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
}
"""Formats that are read, by how their files start; AVIF and HEIF have brands."""


def readable_format(start: bytes) -> str | None:
    """Returns the name of a format that is read, judging by the first bytes of a file, or None."""
    if set(_brands(start)) & set(_AVIF_BRANDS):
        return "AVIF"
    if is_heif(start):
        return "HEIF (HEIC)"
    return next((name for magic, name in READABLE.items() if start.startswith(magic)), None)


def is_heif(start: bytes) -> bool:
    """Returns whether a file with these first bytes is a HEIF or HEIC picture, other than AVIF."""
    brands = _brands(start)
    if not brands or set(brands) & set(_AVIF_BRANDS):
        return False
    return brands[0] in _HEIF_BRANDS


def _brands(start: bytes) -> list[bytes]:
    """Returns the brands in the first box of an ISO base media file, the major brand first."""
    if start[4:8] != b"ftyp":
        return []
    end = min(int.from_bytes(start[:4], "big"), len(start))
    compatible = [start[at : at + 4] for at in range(16, end - 3, 4)]
    return [start[8:12], *compatible]


def _media_format(start: bytes) -> OtherFormat | None:
    brands = _brands(start)
    if brands and brands[0] == b"crx ":
        return CAMERA_RAW
    if brands and not set(brands) & {*_AVIF_BRANDS, *_HEIF_BRANDS, b"jp2 ", b"jpx "}:
        return OtherFormat("a video (MP4 or QuickTime)", _FRAME)
    if start[4:8] in (b"moov", b"mdat", b"wide", b"free", b"skip"):
        return OtherFormat("a video (QuickTime)", _FRAME)
    return None


def _text_format(start: bytes) -> OtherFormat | None:
    """Returns the format of a text, in UTF-8 or UTF-16."""
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = start.decode("utf-16", "ignore")
    else:
        text = start.removeprefix(b"\xef\xbb\xbf").decode("latin-1")
    if re.search(r"[\0-\x08\x0e-\x1f]", text):
        return None
    text = text.lstrip().lower()
    if "<svg" in text:
        way_out = "Render it as PNG, for example with Inkscape or rsvg-convert."
        return OtherFormat("a drawing (SVG)", way_out)
    if re.match(r"<!doctype html|<(html|head|body|script|title|meta)\b", text) or "<html" in text:
        return OtherFormat("a web page (HTML)", _DOWNLOAD)
    if re.match(r"p[1-7][\s#]", text):
        return None  # A portable anymap, damaged.
    kind = "XML" if text.startswith("<") else "JSON" if text[:1] in "{[" else "text"
    # A damaged picture is no text: most of its bytes lie outside ASCII.
    if sum(character < "\x7f" for character in text) < 0.9 * len(text):
        return None
    return OtherFormat(f"a file of {kind}", _DOWNLOAD)
