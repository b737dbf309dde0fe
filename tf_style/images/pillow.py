"""Opens picture files with Pillow.

Takes paths; gives PIL pictures. Errors of Pillow become errors that name the argument, and the
format of what is no picture. No TensorFlow here.
"""

import contextlib
import io
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from tf_style._checks import missing_file, one_line, shown
from tf_style.images import containers, formats, tiff_pages

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "JPEG2000", "PPM", "TGA")
"""The formats that are read, by Pillow's names. Formats that start other programs are not.

HEIF is read with the extra `heif`.
"""

PIL_PIXELS = Image.MAX_IMAGE_PIXELS or 89_478_485
"""Pillow's own limit of pixels: larger files are not read with Pillow."""


_LISTED = ", ".join((*FORMATS, "HEIF"))
_TGA_SUFFIXES = (".tga", ".icb", ".vda", ".vst")
_END_OF_JPEG = b"\xff\xd9"


class BeyondPillow(ValueError):
    """Raised for files that Pillow cannot read, but libvips may.

    Attributes:
        num_pixels: the size of a file that is too large for Pillow, otherwise 0.
        page: the number of the page of a TIFF file to read, or None to choose.
    """

    def __init__(self, message: str, *, num_pixels: int = 0, page: int | None = None) -> None:
        super().__init__(message)
        self.num_pixels, self.page = num_pixels, page


class NeedsHeif(BeyondPillow):
    """Raised for HEIF files without the extra `heif`; some builds of libvips can read them."""


@contextlib.contextmanager
def open_picture(path: Path, *, argument: str) -> Iterator[Image.Image]:
    """Yields the opened picture; errors while it opens, and within the context, are translated.

    Raises:
        FileNotFoundError, IsADirectoryError, PermissionError: if the path is not a readable file.
        BeyondPillow: a ValueError, if it is too large, or a TIFF that Pillow does not support.
        ValueError: if it is not a picture in one of `FORMATS`, or damaged.
        MemoryError: if there is not enough memory for it.
    """
    received = shown(str(path))
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except OSError as error:  # For example, if the name is too long.
        raise type(error)(
            f"`{argument}` cannot be read: {error.strerror}. Received: {argument}={received}."
        ) from error
    if is_folder:
        raise IsADirectoryError(
            f"`{argument}` must be a picture file. Received: {argument}={received}, a folder."
        )
    if not is_file:  # A pipe could block forever, and is not seekable.
        raise FileNotFoundError(missing_file(argument, path))
    with telling_damage(argument, received, path), _File(io.FileIO(path)) as file:
        start = file.read(formats.NUM_BYTES)
        _check_format(file, start, argument, received)
        with _opened(_mended(file, start), start, path, argument, received) as opened:
            if opened.width * opened.height > PIL_PIXELS:
                raise beyond_limit(argument, received, (opened.height, opened.width))
            yield opened


def _check_format(file: BinaryIO, start: bytes, argument: str, received: str) -> None:
    """Raises ValueError for TIFF files that no library here reads, or not rightly.

    Many camera raw files have a small picture that could be read.
    """
    if not tiff_pages.is_tiff(start):
        return
    pages = tiff_pages.read_pages(file)
    if formats.other_format(start) or tiff_pages.is_camera_raw(pages):
        raise _in_other_format(argument, received, formats.CAMERA_RAW)
    for page in tiff_pages.whole_pages(pages)[:1]:
        if not page.is_readable:
            raise ValueError(
                f"`{argument}` must be gray, RGB or CMYK, with or without alpha, of 8 or 16 bits "
                f"or float. Received: {argument}={received}, {page.samples_text}. Save it with 8 "
                "or 16 bits, as RGB."
            )


def _opened(file: BinaryIO, start: bytes, path: Path, argument: str, received: str) -> Image.Image:
    """Returns the picture that Pillow opens.

    Raises:
        NeedsHeif: for a HEIF file, without the extra.
        Exception: as `Image.open`.
    """
    if formats.is_heif(start):
        return _opened_heif(file, argument, received)
    Image.init()
    known = [name for name in FORMATS if name in Image.OPEN]  # Depends on Pillow's build.
    # TGA has no magic number: Pillow takes icons and other files for it.
    if path.suffix.lower() not in _TGA_SUFFIXES and formats.other_format(start):
        known.remove("TGA")
    file.seek(0)
    return Image.open(file, formats=known)


def _opened_heif(file: BinaryIO, argument: str, received: str) -> Image.Image:
    try:
        from pillow_heif import HeifImageFile
    except ImportError as error:
        raise NeedsHeif(
            f"`{argument}` needs pillow-heif. Received: {argument}={received}, a HEIF (HEIC) "
            f"picture, as phones write it. Please {formats.INSTALL_HEIF}."
        ) from error
    file.seek(0)
    return HeifImageFile(file)


def _mended(file: BinaryIO, start: bytes) -> BinaryIO:
    """Returns the file, or a copy of it without what Pillow refuses although all pixels are there.

    That is a long text in a PNG file, or a missing end marker of a JPEG file.
    """
    data = None
    if start.startswith(containers.PNG_START):
        data = containers.png_without_long_texts(file)
    elif start.startswith(b"\xff\xd8") and not containers.ends_jpeg(file):
        picture, has_end = containers.jpeg_picture(file)
        if not has_end and _has_all_pixels(picture, _FILLERS):
            data = picture + _END_OF_JPEG
    return file if data is None else io.BytesIO(data)


def lacks_pixels(path: Path) -> bool:
    """Returns whether a JPEG file with an end marker has too few pixels.

    That is not known of a file with several scans, such as a progressive one, which becomes coarser
    and not shorter.
    """
    with path.open("rb") as file:
        picture, _ = containers.jpeg_picture(file)
    return containers.is_simple(picture) and not _has_all_pixels(picture, _FILLERS[:2])


_FILLERS = (b"", b"\xaa", b"\x55", b"\xfe", b"\x01")


def _has_all_pixels(data: bytes, fillers: Sequence[bytes]) -> bool:
    """Returns whether a JPEG file, without its end marker, has all pixels.

    What follows the last pixel has no effect on the picture. If pixels are missing, what follows is
    decoded in their place. The more fillers are tried, the surer this is.
    """
    data = data.rstrip(b"\xff")  # Half of a marker would hide what follows.
    if not containers.has_all_scans(data):
        return False
    pictures: list[bytes] = []
    for filler in fillers:
        whole = data + 2048 * filler + _END_OF_JPEG
        with Image.open(io.BytesIO(whole), formats=["JPEG"]) as opened:
            if opened.width * opened.height > PIL_PIXELS:
                return False
            pictures.append(opened.tobytes())
        if pictures[-1] != pictures[0]:
            return False
    return True


class _File(io.BufferedReader):
    """A file whose reads are capped at the bytes that are left in it.

    A damaged file may state any length. Pillow asks for that many bytes, and Python would allocate
    them before reading.
    """

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > io.DEFAULT_BUFFER_SIZE:
            size = max(0, min(size, os.fstat(self.fileno()).st_size - self.tell()))
        return super().read(size)


@contextlib.contextmanager
def telling_damage(argument: str, received: str, path: Path | None = None) -> Iterator[None]:
    """Turns Pillow's exceptions into errors that name the argument, and silences its warnings.

    Args:
        argument: the name of the argument in error messages.
        received: the value of the argument in error messages.
        path: the path, if the picture comes from a file.

    Raises:
        BeyondPillow, ValueError, PermissionError, MemoryError: as for `open_picture`.
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns about damaged tags, and about decompression bombs, whose sizes are
            # checked here.
            warnings.simplefilter("ignore")
            yield
    except Image.DecompressionBombError as error:
        found = re.search(r"(\d+) pixels", str(error))  # Pillow's limit is twice `PIL_PIXELS`.
        number = int(found[1]) if found else 2 * PIL_PIXELS
        message = too_large(argument, received, f"{number:,} pixels", PIL_PIXELS)
        raise BeyondPillow(message, num_pixels=number) from error
    except Image.UnidentifiedImageError as error:
        raise _unidentified(argument, received, path) from error
    except PermissionError as error:
        raise PermissionError(f"`{argument}` cannot be read: {error}.") from error
    except MemoryError as error:
        raise MemoryError(f"There is not enough memory to read {argument}={received}.") from error
    except Exception as error:  # Decoders raise almost any exception on damaged files.
        if f"`{argument}`" in str(error):
            raise
        raise ValueError(
            f"`{argument}` is damaged: {one_line(error)}. Received: {argument}={received}"
            f"{_format_text(path)}. Download or copy it again."
        ) from error


def _format_text(path: Path | None) -> str:
    """Returns ", a PNG file" or the like for a file of a known format, otherwise nothing."""
    if path is None:
        return ""
    with path.open("rb") as file:
        start = file.read(formats.NUM_BYTES)
    name = formats.readable_format(start)
    return f", a {name} file" if name else ""


def _unidentified(argument: str, received: str, path: Path | None) -> ValueError:
    """Returns the error for a file that Pillow does not know, with its format if that is known."""
    start, pages = b"", []
    if path is not None:
        with path.open("rb") as file:
            start = file.read(formats.NUM_BYTES)
            if tiff_pages.is_tiff(start):
                pages = tiff_pages.read_pages(file)
        if pages:  # Pillow does not support every kind of TIFF.
            whole = tiff_pages.whole_pages(pages)[0]
            return BeyondPillow(tiff_pages.unsuitable(argument, received, whole))
        if other := formats.other_format(start):
            return _in_other_format(argument, received, other)
    name = formats.readable_format(start)
    reason = "which is in another format, or damaged."
    if name:
        reason = f"a damaged {name} file. Download or copy it again."
    return ValueError(
        f"`{argument}` must be a picture ({_LISTED}). Received: {argument}={received}, {reason}"
    )


def _in_other_format(argument: str, received: str, other: formats.OtherFormat) -> ValueError:
    return ValueError(
        f"`{argument}` must be a picture ({_LISTED}). Received: {argument}={received}, "
        f"{other.name}. {other.way_out}"
    )


def on_white(picture: Image.Image) -> Image.Image:
    """Returns the picture, of mode RGB or RGBA, composited on white, in mode RGB."""
    if picture.mode != "RGBA":
        return picture
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture).convert("RGB")


def beyond_limit(argument: str, received: str, size: tuple[int, int]) -> BeyondPillow:
    """Returns the error for a picture of (height, width) px, more than `PIL_PIXELS` in all."""
    height, width = size
    message = too_large(argument, received, f"{width}x{height} px", PIL_PIXELS)
    return BeyondPillow(message, num_pixels=height * width)


def too_large(argument: str, received: str, what: str, most: int) -> str:
    """Returns the error message for a picture of more than `most` pixels.

    Args:
        argument: the name of the argument in error messages.
        received: the value of the argument.
        what: the size of the picture.
        most: the largest allowed number of pixels.
    """
    return (
        f"`{argument}` must have at most {most:,} pixels. Received: {argument}={received}, {what}. "
        "Save it smaller."
    )
