"""Files that Pillow opens; PIL pictures to float arrays in sRGB. No TensorFlow here."""

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
from tf_style.images.large_reading import kind_of

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "JPEG2000", "PPM", "TGA")
"""Pillow's names of the formats that are read. Formats that run other programs are not."""

PIL_PIXELS = Image.MAX_IMAGE_PIXELS or 89_478_485
"""Pillow's own limit: larger files are not left to it."""

_BITS_PER_SAMPLE = 258  # A tag of TIFF.


class BeyondPillow(ValueError):
    """Of a file that Pillow refuses or does not know; libvips may read it."""


@contextlib.contextmanager
def open_picture(path: Path, *, argument: str) -> Iterator[Image.Image]:
    """Yields the opened file; what goes wrong with it, then or within, is told in one way.

    Raises:
        FileNotFoundError, IsADirectoryError, PermissionError: if it is no readable file.
        BeyondPillow: a ValueError, if it is too large, or a TIFF that Pillow does not know.
        ValueError: if it is no picture of `FORMATS`, or damaged.
        MemoryError: if there is not enough memory for it.
    """
    received = shown(str(path))
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except OSError as error:  # As for a name that is too long.
        raise type(error)(
            f"`{argument}` cannot be read: {error.strerror}. Received: {argument}={received}."
        ) from error
    if is_folder:
        raise IsADirectoryError(
            f"`{argument}` must be a picture file. Received: {argument}={received}, a folder."
        )
    if not is_file:  # A pipe would wait for ever, and cannot be searched.
        raise FileNotFoundError(
            f"`{argument}` must be an existing file. Received: {argument}={received}."
        )
    with telling_damage(argument, received, path), _File(io.FileIO(path)) as file:
        Image.init()
        known = [name for name in FORMATS if name in Image.OPEN]  # Builds differ.
        with Image.open(file, formats=known) as opened:
            if opened.width * opened.height > PIL_PIXELS:
                shape = f"{opened.width}x{opened.height} px"
                raise BeyondPillow(too_large(argument, received, shape, PIL_PIXELS))
            yield opened


class _File(io.BufferedReader):
    """A file of which no more is asked for than it has.

    Pillow reads as many bytes as a damaged file states, and Python makes room for them first.
    """

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > io.DEFAULT_BUFFER_SIZE:
            size = max(0, min(size, os.fstat(self.fileno()).st_size - self.tell()))
        return super().read(size)


@contextlib.contextmanager
def telling_damage(argument: str, received: str, path: Path | None = None) -> Iterator[None]:
    """Turns whatever Pillow raises into errors that name the argument; its warnings are dropped.

    Args:
        argument: how errors call it.
        received: what it is.
        path: of the file, if it is one.

    Raises:
        BeyondPillow, ValueError, PermissionError, MemoryError: as `open_picture`.
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns about bombs and about damaged tags; sizes are checked here.
            warnings.simplefilter("ignore")
            yield
    except Image.DecompressionBombError as error:
        raise BeyondPillow(too_large(argument, received, str(error), PIL_PIXELS)) from error
    except Image.UnidentifiedImageError as error:
        # Of TIFF there are forms that Pillow does not know.
        kind = BeyondPillow if path and kind_of(path) == "tiff" else ValueError
        raise kind(
            f"`{argument}` must be a picture ({', '.join(FORMATS)}). Received: "
            f"{argument}={received}, which is none of these or damaged."
        ) from error
    except PermissionError as error:
        raise PermissionError(f"`{argument}` cannot be read: {error}.") from error
    except MemoryError as error:
        raise MemoryError(f"There is not enough memory to read {argument}={received}.") from error
    except Exception as error:  # Decoders raise almost anything on damaged files.
        if f"`{argument}`" in str(error):
            raise
        raise ValueError(
            f"`{argument}` is damaged: {one_line(error)}. Received: {argument}={received}."
        ) from error


def float_arrays(picture: Image.Image, *, argument: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Returns float32 `[1, H, W, 3]`, RGB (sRGB), 0..1, and alpha `[1, H, W, 1]` or None.

    Args:
        picture: of any mode; may be opened only.
        argument: how errors call it.

    Raises:
        ValueError: if values of 32 bits lie beyond those of 16 bits, or floats beyond 0..1.
    """
    picture.load()
    icc_profile = picture.info.get("icc_profile")
    # Of damaged EXIF data the picture is taken as it lies.
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
    """Returns whether a picture, opened but not loaded, has more than the 8 bits Pillow keeps."""
    tags = getattr(opened, "tag_v2", {})  # Of TIFF. Of PNG only the decoder's mode tells it.
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
            f"`{argument}` must have values of 0..{full:g} in mode '{picture.mode}'. "
            f"Received: values of {values.min():g}..{values.max():g}."
        )
    gray = values.astype(np.float32) / np.float32(full)
    return np.repeat(gray[np.newaxis, :, :, np.newaxis], 3, axis=-1)


def _to_srgb(picture: Image.Image, icc_profile: bytes | None) -> Image.Image:
    """Returns an RGB picture in sRGB; without a usable profile, Pillow's plain conversion."""
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
            pass  # A damaged profile, or one for another kind of picture.
    return picture.convert("RGB")


def on_white(picture: Image.Image) -> Image.Image:
    """Returns the picture, of mode RGB or RGBA, with what is transparent shown on white."""
    if picture.mode != "RGBA":
        return picture
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture).convert("RGB")


def too_large(argument: str, received: str, what: str, most: int) -> str:
    """Returns the error of a picture of more than `most` pixels; `what` tells of how many."""
    return (
        f"`{argument}` must have at most {most:,} pixels. Received: {argument}={received}, {what}. "
        "Reduce it first."
    )
