"""Pictures in: files, PIL pictures and arrays to float images; resizing. No TensorFlow here.

An image is float32 `[1, H, W, 3]`, RGB (sRGB), 0..1; alpha is float32 `[1, H, W, 1]`, 0..1.
"""

import contextlib
import io
import os
import struct
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageCms, ImageOps

from tf_style._checks import user_path

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "JPEG2000", "PPM", "TGA")
"""Pillow's names of the formats that are read. Formats that run other programs are not."""

MAX_PIXELS = Image.MAX_IMAGE_PIXELS or 89_478_485
"""Larger pictures are refused, read or to be made: 9,459 x 9,459 px are over 1 GB as float32."""


class Picture(NamedTuple):
    """A picture as read.

    Attributes:
        image: float32 `[1, H, W, 3]`, RGB (sRGB), 0..1.
        alpha: float32 `[1, H, W, 1]`, 0..1, or None if the picture has no transparency.
    """

    image: np.ndarray
    alpha: np.ndarray | None


def read_picture(source: Any, *, argument: str = "picture") -> Picture:
    """Returns a picture as people have them, as a float image.

    EXIF orientation is honoured; ICC profiles are converted to sRGB; grey, palette, CMYK and
    16-bit pictures are accepted (16-bit colour PNGs with the 8 bits that Pillow keeps).

    Args:
        source: a path, a PIL picture, or an array or tensor `[H, W]`, `[H, W, 1 | 3 | 4]` or
            with a leading batch of 1: uint8 0..255, uint16 0..65535 or float 0..1.
        argument: how errors call it.

    Raises:
        FileNotFoundError, IsADirectoryError, PermissionError: if the path is no readable file.
        ValueError: if it is no picture, damaged, too large, or an array of another form.
    """
    if isinstance(source, (str, os.PathLike)):
        with open_picture(user_path(source), argument=argument) as opened:
            return _from_pil(opened, argument, name=str(source))
    if isinstance(source, Image.Image):
        return _from_pil(source, argument)
    return _from_array(source, argument)


@contextlib.contextmanager
def open_picture(path: Path, *, argument: str) -> Iterator[Image.Image]:
    """Yields the opened file; what goes wrong with it, then or within, is told in one way.

    Raises:
        FileNotFoundError, IsADirectoryError, PermissionError: if it is no readable file.
        ValueError: if it is no picture of `FORMATS`, damaged, or too large.
        MemoryError: if there is not enough memory for it.
    """
    if path.is_dir():
        raise IsADirectoryError(
            f"`{argument}` must be a picture file. Received: {argument}='{path}', a folder."
        )
    if not path.is_file():  # A pipe would wait for ever, and cannot be searched.
        raise FileNotFoundError(
            f"`{argument}` must be an existing file. Received: {argument}='{path}'."
        )
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            # Pillow warns about bombs and about damaged tags; sizes are checked here.
            warnings.simplefilter("ignore")
            Image.init()
            known = [name for name in FORMATS if name in Image.OPEN]  # Builds differ.
            with Image.open(file, formats=known) as opened:
                yield opened
    except Image.DecompressionBombError as error:
        raise ValueError(_too_large(argument, str(path), str(error))) from error
    except Image.UnidentifiedImageError as error:
        raise ValueError(
            f"`{argument}` must be a picture ({', '.join(FORMATS)}). Received: "
            f"{argument}='{path}', which is none of these or damaged."
        ) from error
    except PermissionError as error:
        raise PermissionError(f"`{argument}` cannot be read: {error}.") from error
    except MemoryError as error:
        raise MemoryError(f"There is not enough memory to read {argument}='{path}'.") from error
    except Exception as error:  # Decoders raise almost anything on damaged files.
        if f"`{argument}`" in str(error):
            raise
        raise ValueError(
            f"`{argument}` is damaged: {error}. Received: {argument}='{path}'."
        ) from error


def resize(
    image: np.ndarray,
    size: tuple[int, int],
    *,
    box: tuple[float, float, float, float] | None = None,
    clip: bool = True,
) -> np.ndarray:
    """Returns float32 `[1, height, width, channels]` by Lanczos filtering.

    Args:
        image: float32 `[1, H, W, channels]`, nominally 0..1.
        size: (height, width), in px.
        box: (left, top, right, bottom) of the part to take, in px; all of it if left out.
        clip: keep the values within 0..1, where the filter rings.
    """
    if image.shape[1:3] == size and box is None:
        return image
    height, width = size
    channels = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(image[0, :, :, channel])).resize(
                (width, height), Image.Resampling.LANCZOS, box
            )
        )
        for channel in range(image.shape[-1])
    ]
    resized = np.stack(channels, axis=-1)[np.newaxis]
    return np.clip(resized, 0.0, 1.0) if clip else resized


def resize_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns float32 `[height, width]`: means of areas, or linear between pixels where it grows.

    Unlike `resize` it does not ring: a pixel is 0 where all that it covers is 0.

    Args:
        mask: float32 `[H, W]`, 0..1.
        size: (height, width), in px.
    """
    height, width = size
    shrunk = min(mask.shape[1], width), min(mask.shape[0], height)
    picture = Image.fromarray(np.ascontiguousarray(mask)).resize(shrunk, Image.Resampling.BOX)
    return np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR))


def resize_picture(picture: Picture, size: tuple[int, int]) -> Picture:
    """Returns the picture at (height, width) px, without what lies under full transparency.

    Colours are weighted by their alpha, so that hidden ones do not bleed into visible ones;
    where nothing is visible the image is white.
    """
    if picture.alpha is None:
        return Picture(resize(picture.image, size), None)
    alpha = resize(picture.alpha, size)
    weighted = resize(picture.image * picture.alpha, size)
    visible = alpha > 0.5 / 255.0
    image = np.where(visible, weighted / np.maximum(alpha, 1e-6), np.float32(1.0))
    return Picture(np.clip(image, 0.0, 1.0), np.where(visible, alpha, np.float32(0.0)))


def fit(size: tuple[int, int], long_edge: int) -> tuple[int, int]:
    """Returns (height, width) with that longer edge and the aspect of `size`, in px.

    The shorter edge is rounded to the nearest px, at least 1.
    """
    height, width = size
    scale = long_edge / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def cover(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns the image resized, undistorted, to cover `size`, with the overhang cut off.

    Args:
        image: float32 `[1, H, W, channels]`, 0..1.
        size: (height, width), in px.
    """
    _, rows, columns, _ = image.shape
    scale = max(size[0] / rows, size[1] / columns)
    # Rounding may put them a hair beyond the picture, which Pillow refuses.
    high, wide = min(rows, size[0] / scale), min(columns, size[1] / scale)
    left, top = (columns - wide) / 2, (rows - high) / 2
    return resize(image, size, box=(left, top, left + wide, top + high))


def over_white(picture: Picture) -> np.ndarray:
    """Returns the picture's image with its transparent parts shown on white."""
    if picture.alpha is None:
        return picture.image
    return picture.image * picture.alpha + (1.0 - picture.alpha)


def to_pixels(image: np.ndarray, alpha: np.ndarray | None = None) -> np.ndarray:
    """Returns uint8 `[H, W, 3]`, or `[H, W, 4]` with alpha: clipped to 0..1 and rounded."""
    values = image if alpha is None else np.concatenate([image, alpha], axis=-1)
    return np.round(np.clip(values[0], 0.0, 1.0) * 255.0).astype(np.uint8)


def _from_pil(picture: Image.Image, argument: str, name: str = "a PIL picture") -> Picture:
    if picture.width * picture.height > MAX_PIXELS:
        raise ValueError(_too_large(argument, name, f"{picture.width}x{picture.height} px"))
    picture.load()
    icc_profile = picture.info.get("icc_profile")
    # Of damaged EXIF data the picture is taken as it lies.
    with contextlib.suppress(ValueError, TypeError, KeyError, SyntaxError, struct.error, OSError):
        picture = ImageOps.exif_transpose(picture)
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        return Picture(_from_deep_grey(picture, argument), None)
    alpha = None
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        alpha = _to_float(picture.getchannel("A"))[..., np.newaxis]
    return Picture(_to_float(_to_srgb(picture, icc_profile)), alpha)


def _to_float(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture, np.float32)[np.newaxis] / np.float32(255.0)


def _from_deep_grey(picture: Image.Image, argument: str) -> np.ndarray:
    values = np.asarray(picture)
    full = 65535.0 if picture.mode != "F" else 1.0
    if values.min() < 0 or values.max() > full or not np.isfinite(values).all():
        raise ValueError(
            f"`{argument}` must have values of 0..{full:g} in mode '{picture.mode}'. "
            f"Received: values of {values.min():g}..{values.max():g}."
        )
    grey = values.astype(np.float32) / np.float32(full)
    return np.repeat(grey[np.newaxis, :, :, np.newaxis], 3, axis=-1)


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


def _from_array(source: Any, argument: str) -> Picture:
    array = np.asarray(source)
    if array.ndim == 4 and array.shape[0] == 1:
        array = array[0]
    if array.ndim == 2:
        array = array[..., np.newaxis]
    if array.ndim != 3 or array.shape[-1] not in (1, 3, 4) or 0 in array.shape:
        raise ValueError(
            f"`{argument}` must be a path, a PIL picture or an array [H, W, 1, 3 or 4]. "
            f"Received: {type(source).__name__} of shape {np.shape(source)}."
        )
    if array.shape[0] * array.shape[1] > MAX_PIXELS:
        raise ValueError(_too_large(argument, "an array", f"{array.shape[1]}x{array.shape[0]} px"))
    if array.dtype in (np.uint8, np.uint16):
        values = array.astype(np.float32) / np.float32(np.iinfo(array.dtype).max)
    elif array.dtype.kind == "f" or array.dtype.name == "bfloat16":
        values = array.astype(np.float32)
        if not np.isfinite(values).all():
            raise ValueError(f"`{argument}` must be finite. Received: NaN or infinite values.")
        if values.min() < 0.0 or values.max() > 1.0:
            raise ValueError(
                f"`{argument}` must have float values of 0..1. Received: values of "
                f"{values.min():g}..{values.max():g}. Divide by 255, or pass uint8."
            )
    else:
        raise TypeError(
            f"`{argument}` must be uint8, uint16 or float. Received: dtype {array.dtype}."
        )
    values = values[np.newaxis]
    if values.shape[-1] == 1:
        values = np.repeat(values, 3, axis=-1)
    alpha = np.ascontiguousarray(values[..., 3:]) if values.shape[-1] == 4 else None
    return Picture(np.ascontiguousarray(values[..., :3]), alpha)


def _too_large(argument: str, name: str, what: str) -> str:
    return (
        f"`{argument}` must have at most {MAX_PIXELS:,} pixels. Received: {argument}='{name}', "
        f"{what}. Reduce it first."
    )
