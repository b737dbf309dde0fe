"""Opens picture files with Pillow and converts PIL pictures to float arrays in sRGB.

Errors of Pillow become errors that name the argument. No TensorFlow here.
"""

import contextlib
import io
import os
import struct
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps

from tf_style._checks import one_line, shown
from tf_style.images.libvips import kind_of

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "JPEG2000", "PPM", "TGA")
"""The formats that are read, by Pillow's names. Formats that start other programs are not."""

PIL_PIXELS = Image.MAX_IMAGE_PIXELS or 89_478_485
"""Pillow's own limit of pixels: larger files are not read with Pillow."""

_BITS_PER_SAMPLE = 258  # TIFF tag


class BeyondPillow(ValueError):
    """Raised for files that Pillow cannot read, but libvips may."""


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
        raise FileNotFoundError(
            f"`{argument}` must be an existing file. Received: {argument}={received}."
        )
    with telling_damage(argument, received, path), _File(io.FileIO(path)) as file:
        Image.init()
        known = [name for name in FORMATS if name in Image.OPEN]  # Depends on Pillow's build.
        with Image.open(file, formats=known) as opened:
            if opened.width * opened.height > PIL_PIXELS:
                shape = f"{opened.width}x{opened.height} px"
                raise BeyondPillow(too_large(argument, received, shape, PIL_PIXELS))
            yield opened


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
        raise BeyondPillow(too_large(argument, received, str(error), PIL_PIXELS)) from error
    except Image.UnidentifiedImageError as error:
        # Pillow does not support every kind of TIFF.
        kind = BeyondPillow if path and kind_of(path) == "tiff" else ValueError
        raise kind(
            f"`{argument}` must be a picture ({', '.join(FORMATS)}). Received: "
            f"{argument}={received}, which is in another format, or damaged."
        ) from error
    except PermissionError as error:
        raise PermissionError(f"`{argument}` cannot be read: {error}.") from error
    except MemoryError as error:
        raise MemoryError(f"There is not enough memory to read {argument}={received}.") from error
    except Exception as error:  # Decoders raise almost any exception on damaged files.
        if f"`{argument}`" in str(error):
            raise
        raise ValueError(
            f"`{argument}` is damaged: {one_line(error)}. Received: {argument}={received}."
        ) from error


def float_arrays(picture: Image.Image, *, argument: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Returns float32 `[1, H, W, 3]`, RGB (sRGB), 0..1, and alpha `[1, H, W, 1]` or None.

    Args:
        picture: a picture of any mode; its pixels may not be loaded yet.
        argument: the name of the argument in error messages.

    Raises:
        ValueError: if 32-bit integers lie outside 0..65535, or floats outside 0..1.
    """
    picture.load()
    icc_profile = picture.info.get("icc_profile")
    # If the EXIF data is damaged, the picture is not rotated.
    with contextlib.suppress(ValueError, TypeError, KeyError, SyntaxError, struct.error, OSError):
        picture = ImageOps.exif_transpose(picture)
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        return _from_deep_gray(picture, argument), None
    alpha = None
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        alpha = _to_float(picture.getchannel("A"))[..., np.newaxis]
    return _to_float(_to_srgb(picture, icc_profile)), alpha


def has_16_bit_colors(opened: Image.Image) -> bool:
    """Returns whether a picture, opened but not loaded, has 16-bit colors; Pillow keeps 8 bits."""
    # TIFF has a tag for it; for PNG only the decoder's mode shows it.
    tags = getattr(opened, "tag_v2", {})
    modes = [str(tile.args) for tile in getattr(opened, "tile", ())]
    is_deep = 16 in tags.get(_BITS_PER_SAMPLE, ()) or any(";16" in mode for mode in modes)
    return is_deep and opened.mode in ("RGB", "RGBA", "RGBX", "LA")


def _to_float(picture: Image.Image) -> np.ndarray:
    values = np.array(picture, np.float32)[np.newaxis]
    values /= np.float32(255.0)
    return values


def _from_deep_gray(picture: Image.Image, argument: str) -> np.ndarray:
    values = np.asarray(picture)
    full = 65535.0 if picture.mode != "F" else 1.0
    if values.min() < 0 or values.max() > full or not np.isfinite(values).all():
        raise ValueError(
            f"`{argument}` must have values within 0..{full:g} in mode '{picture.mode}'. "
            f"Received: values from {values.min():g} to {values.max():g}."
        )
    gray = values.astype(np.float32) / np.float32(full)
    return np.repeat(gray[np.newaxis, :, :, np.newaxis], 3, axis=-1)


def _to_srgb(picture: Image.Image, icc_profile: bytes | None) -> Image.Image:
    """Returns the picture in sRGB, by its profile or, if unusable, by Pillow's `convert`."""
    if picture.mode in ("P", "PA", "RGBA", "RGBX", "RGBa", "1"):
        picture = picture.convert("RGB")
    if icc_profile and picture.mode in ("RGB", "L", "CMYK", "LAB"):
        try:
            converted = ImageCms.profileToProfile(
                picture,
                ImageCms.ImageCmsProfile(io.BytesIO(icc_profile)),
                ImageCms.createProfile("sRGB"),
                renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
                outputMode="RGB",
                flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
            )
            if converted is not None:
                return converted
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            pass  # A damaged profile, or one for another color space.
    return picture.convert("RGB")


def on_white(picture: Image.Image) -> Image.Image:
    """Returns the picture, of mode RGB or RGBA, composited on white, in mode RGB."""
    if picture.mode != "RGBA":
        return picture
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture).convert("RGB")


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
        "Reduce it first."
    )
