"""What a photograph's file says about it, and the metadata of a written picture.

Takes a path or a PIL picture; gives texts. Takes texts; gives EXIF tags. The place (GPS) and
everything else in the file is left out. No TensorFlow here.
"""

import contextlib
import json
import os
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image, ImageFile, IptcImagePlugin

from tf_style._checks import user_path
from tf_style.images import libvips, pillow
from tf_style.images.sources import Encoded, local_file

MOST_BYTES = 8000
"""Longest text, in UTF-8; the rest is cut off. All EXIF data of a JPEG must fit into 64 KB."""

SOFTWARE_TAG, DESCRIPTION_TAG = 0x0131, 0x010E
_COPYRIGHT_TAG, _ARTIST_TAG, _CAPTURED_TAG, _TITLE_TAG = 0x8298, 0x013B, 0x9003, 0x9C9B
_EXIF_IFD = 0x8769
_DATE = re.compile(r"\d{4}:\d\d:\d\d \d\d:\d\d:\d\d")


class Metadata(NamedTuple):
    """What a photograph's file says about it; empty texts for what it does not say.

    Attributes:
        copyright: EXIF Copyright, IPTC 2:116, or the PNG text of that name.
        artist: EXIF Artist, IPTC 2:80, or the PNG text Author.
        title: EXIF ImageDescription or XPTitle, IPTC 2:120, or the PNG text Description.
        captured: EXIF DateTimeOriginal, as in '2020:01:31 12:30:00'.
    """

    copyright: str = ""
    artist: str = ""
    title: str = ""
    captured: str = ""


NO_METADATA = Metadata()


def read_metadata(source: Any) -> Metadata:
    """Returns what a photograph's file says about it.

    Never raises: metadata that cannot be read counts as missing.

    Args:
        source: a path, a PIL picture or an `Encoded` file; anything else has no metadata.
    """
    if isinstance(source, Encoded):
        with local_file(source) as path:
            return read_metadata(path)
    if not isinstance(source, (str, os.PathLike, Image.Image)):
        return NO_METADATA
    # Pillow raises almost any exception on damaged metadata, and warns about it.
    with warnings.catch_warnings(), contextlib.suppress(Exception):
        warnings.simplefilter("ignore")
        if isinstance(source, Image.Image):
            return _metadata_of(source, source.getexif())
        with _opened(user_path(source)) as (picture, exif):
            return _metadata_of(picture, exif)
    return NO_METADATA


def exif_of(description: dict[str, Any], metadata: Metadata, *, is_tiff: bool) -> Image.Exif:
    """Returns the EXIF data of a written picture.

    Args:
        description: how the picture was made; JSON in ImageDescription.
        metadata: of the photograph; its title is XPTitle, because ImageDescription is used.
        is_tiff: whether DateTimeOriginal stands among the tags of the TIFF (TIFF/EP), because
            Pillow writes no EXIF folder into compressed TIFFs.
    """
    exif = Image.Exif()
    exif[SOFTWARE_TAG] = description["software"]
    exif[DESCRIPTION_TAG] = json.dumps(description)  # ASCII, as EXIF requires
    if metadata.copyright:
        exif[_COPYRIGHT_TAG] = metadata.copyright.encode()
    if metadata.artist:
        exif[_ARTIST_TAG] = metadata.artist.encode()
    if metadata.title:
        exif[_TITLE_TAG] = metadata.title.encode("utf-16-le") + bytes(2)
    if metadata.captured:
        tags = exif if is_tiff else exif.get_ifd(_EXIF_IFD)
        tags[_CAPTURED_TAG] = metadata.captured
    return exif


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tuple[Image.Image, Image.Exif]]:
    """Yields a picture file, of any size, and its EXIF data."""
    try:
        with pillow.open_picture(path, argument="content") as opened:
            yield opened, opened.getexif()
            return
    except pillow.BeyondPillow:
        kind = libvips.kind_of(path) or ""
    factory, _ = Image.OPEN[kind.upper()]  # Without the limit of `Image.open`: no pixel is read.
    with path.open("rb") as file, factory(file, "") as opened:
        exif = Image.Exif()
        if kind == "tiff":
            exif = opened.getexif()
        else:  # `getexif` would unpack a PNG.
            exif.load(opened.info.get("exif", b""))
        yield opened, exif


def _metadata_of(picture: Image.Image, exif: Image.Exif) -> Metadata:
    found: dict[str, list[Any]] = {name: [] for name in Metadata._fields}
    with contextlib.suppress(Exception):
        found["copyright"].append(exif.get(_COPYRIGHT_TAG))
        found["artist"].append(exif.get(_ARTIST_TAG))
        description = _text(exif.get(DESCRIPTION_TAG))
        if not description.startswith('{"software": "tf_style '):  # Not a picture that we made.
            found["title"].append(description)
        found["captured"].append(exif.get(_CAPTURED_TAG))
        title = exif.get(_TITLE_TAG)
        title = title if isinstance(title, (bytes, tuple)) else b""
        found["title"].append(bytes(title)[: 2 * MOST_BYTES].decode("utf-16-le", "ignore"))
        found["captured"].append(exif.get_ifd(_EXIF_IFD).get(_CAPTURED_TAG))
    with contextlib.suppress(Exception):
        iptc = {}
        if isinstance(picture, ImageFile.ImageFile):
            iptc = IptcImagePlugin.getiptcinfo(picture) or {}
        for name, number in (("copyright", 116), ("artist", 80), ("title", 120)):
            values = iptc.get((2, number))
            found[name] += values if isinstance(values, list) else [values]
    for name, key in (("copyright", "Copyright"), ("artist", "Author"), ("title", "Description")):
        found[name].append(picture.info.get(key))
    texts = {name: next(filter(None, map(_text, found[name])), "") for name in found}
    if not _DATE.fullmatch(texts["captured"]):
        texts["captured"] = ""
    return Metadata(**texts)


def _text(value: Any) -> str:
    """Returns a text of a file, without spaces around it, cut off after `MOST_BYTES`.

    Bytes are UTF-8 or, if that fails, Latin-1. Pillow decodes EXIF texts as Latin-1.
    """
    if not isinstance(value, (str, bytes)):
        return ""
    value = value[:MOST_BYTES]
    if isinstance(value, str):
        try:
            value = value.encode("latin-1")
        except UnicodeEncodeError:  # Not from EXIF.
            value = value.encode("utf-8", "replace")
    try:
        text = value.decode()
    except UnicodeDecodeError as error:
        is_cut = error.start >= MOST_BYTES - 4
        text = value.decode("utf-8", "ignore") if is_cut else value.decode("latin-1")
    return text.strip("\0 \r\n\t").encode()[:MOST_BYTES].decode("utf-8", "ignore")
