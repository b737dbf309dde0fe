"""Reads pictures: takes files, PIL pictures or arrays, gives float images and their alpha.

An image is float32 `[1, H, W, 3]`, RGB (sRGB), 0..1; alpha is float32 `[1, H, W, 1]`, 0..1.
Ordinary files are read with Pillow, all others with libvips. No TensorFlow here.
"""

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from tf_style._checks import one_line, shown, user_path
from tf_style.images import libvips, sources, tiff_pages
from tf_style.images.color_spaces import to_srgb
from tf_style.images.color_tags import Colors, colors_of, named_colors
from tf_style.images.decoding import (
    float_arrays,
    has_16_bit_colors,
    has_flat_corner,
    is_deep_gray,
)
from tf_style.images.frames import select_frame
from tf_style.images.pillow import (
    PIL_PIXELS,
    BeyondPillow,
    NeedsHeif,
    beyond_limit,
    lacks_pixels,
    open_picture,
    telling_damage,
    too_large,
)
from tf_style.images.resizing import fit, resize

MAX_PIXELS = 2**28
"""The largest images that are held in memory: 16,384 x 16,384 px, which take 3.2 GB."""

_PROFILE_TAG = 34675  # Of TIFF.


class Picture(NamedTuple):
    """An image with its alpha channel.

    Attributes:
        image: float32 `[1, H, W, 3]`, RGB (sRGB), 0..1.
        alpha: float32 `[1, H, W, 1]`, 0..1, or None if the picture has no transparency.
        whole_size: (height, width) of the file, px, if it may have been reduced during reading;
            None otherwise.
        notes: on frames, pages and channels of the file that are left out.
    """

    image: np.ndarray
    alpha: np.ndarray | None
    whole_size: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the picture before any reduction, px."""
        _, height, width, _ = self.image.shape
        return self.whole_size or (height, width)


def read_picture(
    source: Any, *, argument: str = "picture", long_edge: int | None = None
) -> Picture:
    """Returns a file, PIL picture or array as a float image.

    EXIF orientation is applied, and colors are converted to sRGB, by an ICC profile or what else
    the file says (see `color_tags`). Gray, palette, CMYK and 16-bit pictures are accepted. Of
    animations, the first frame is read that shows something; of TIFF files, the largest page.

    With the extra `big`, libvips reads what Pillow cannot: files of more than `PIL_PIXELS` pixels,
    float TIFFs and other TIFFs that Pillow does not support, and 16-bit colors. Without it, 16-bit
    colors are reduced to 8 bits, and the other files are refused. HEIF needs the extra `heif`.

    Args:
        source: a path, a PIL picture, the bytes of a file, a file open for reading them, or an
            address such as "s3://bucket/a.jpg" (with the extra `remote`). Or an array or tensor
            `[H, W]`, `[H, W, 1 | 3 | 4]` or with a leading batch of 1: uint8 0..255, uint16
            0..65535 or float 0..1.
        argument: the name of the argument in error messages.
        long_edge: the longer edge that the caller needs, px. libvips reduces a larger file to it
            while reading; Pillow does not.

    Raises:
        FileNotFoundError, IsADirectoryError, PermissionError: if the path is not a readable file.
        ValueError: if it is not a picture, damaged or too large, or an array of the wrong shape or
            range.
        TypeError: if it cannot be converted to an array, or the array has the wrong dtype.
        ImportError: if it needs the extra `big`, or an address needs a package.
        MemoryError: if there is not enough memory for it.
    """
    source = sources.fetched(source, argument=argument)
    if isinstance(source, sources.Encoded):
        with sources.local_file(source) as path:
            return read_picture(path, argument=argument, long_edge=long_edge)
    if isinstance(source, Image.Image):
        with telling_damage(argument, "a PIL picture"):  # Its pixels may not be loaded yet.
            return _from_pil(source, named_colors(source), argument, received="a PIL picture")
    if not isinstance(source, (str, os.PathLike)):
        return _from_array(source, argument)
    path = user_path(source)
    try:
        with open_picture(path, argument=argument) as opened:
            return _from_opened(path, opened, argument)
    except BeyondPillow as error:
        if libvips.kind_of(path) is None:
            raise
        if not libvips.is_installed():
            helps = not isinstance(error, NeedsHeif)
            helps &= error.num_pixels <= libvips.MAX_FILE_PIXELS
            if not helps:
                raise
            raise BeyondPillow(f"{error} Or {libvips.INSTALL}.") from error
        try:
            return _read_large(path, argument, long_edge, error.page)
        except ValueError as reason:
            if isinstance(error, NeedsHeif):  # This build of libvips does not decode it, either.
                raise error from reason
            raise


def _from_opened(path: Path, opened: Image.Image, argument: str) -> Picture:
    """Returns the picture of a file that Pillow has opened.

    Raises:
        BeyondPillow: if libvips has to read it, or does it better.
    """
    received = shown(str(path))
    pages = _pages_of(path, opened, argument)
    has_16_bits = has_16_bit_colors(opened)  # Of PNG this is known only until pixels are loaded.
    note = select_frame(opened, argument, numbers=[page.number for page in pages] or None)
    icc_profile = opened.info.get("icc_profile")
    notes = [note]
    if pages:  # What was known before may be that of another page.
        has_16_bits = pages[0].most_bits == 16 and not is_deep_gray(opened)
        icc_profile = opened.tag_v2.get(_PROFILE_TAG)  # type: ignore[attr-defined]
        notes += [tiff_pages.note_on_extra(argument)] * (0 in pages[0].extra)
    is_better = has_16_bits or (is_deep_gray(opened) and icc_profile)
    if is_better and libvips.is_installed():
        message = f"`{argument}` has 16 bits. Received: {argument}={received}."
        raise BeyondPillow(message, page=opened.tell())
    with path.open("rb") as file:
        colors = colors_of(file, opened.getexif(), icc_profile)
    picture = _from_pil(opened, colors, argument, received=received)
    # What is missing at the end of a JPEG file is decoded as flat blocks.
    if opened.format in ("JPEG", "MPO") and has_flat_corner(opened) and lacks_pixels(path):
        raise ValueError(
            f"`{argument}` must have all its pixels. Received: {argument}={received}, a JPEG file "
            "that ends too early. Download or copy it again."
        )
    return picture._replace(notes=tuple(each for each in notes if each))


def _pages_of(path: Path, opened: Image.Image, argument: str) -> list[tiff_pages.TiffPage]:
    """Returns the largest pages of a TIFF file; none for other formats.

    Raises:
        BeyondPillow: if they are too large for Pillow, or of a kind that it does not read rightly.
    """
    if opened.format != "TIFF":
        return []
    received = shown(str(path))
    with path.open("rb") as file:
        pages = tiff_pages.whole_pages(tiff_pages.read_pages(file))
    for page in pages[:1]:
        if not page.is_for_pillow:
            raise BeyondPillow(tiff_pages.unsuitable(argument, received, page))
        if page.num_pixels > PIL_PIXELS:
            raise beyond_limit(argument, received, page.size)
    return pages


def _read_large(path: Path, argument: str, long_edge: int | None, page: int | None) -> Picture:
    opened = libvips.LargePicture(path, argument=argument, page=page)
    size = opened.size
    if long_edge and long_edge < max(size):
        size = fit(size, long_edge)
    if size[0] * size[1] > MAX_PIXELS:
        received = shown(str(path))
        raise ValueError(too_large(argument, received, f"{size[1]}x{size[0]} px", MAX_PIXELS))
    values = opened.read(size)[np.newaxis]
    picture = Picture(values, None)
    if values.shape[-1] == 4:
        picture = _unweighted(values[..., :3], values[..., 3:])
    picture = picture._replace(whole_size=opened.size, notes=opened.notes)
    return _in_srgb(picture, opened.colors)


def _in_srgb(picture: Picture, colors: Colors) -> Picture:
    """Returns the picture converted from a color space that its file names."""
    if colors.space is None:
        return picture
    return picture._replace(image=to_srgb(picture.image, colors.space))


def resize_picture(picture: Picture, size: tuple[int, int]) -> Picture:
    """Returns the picture resized to (height, width) px.

    Colors are weighted by their alpha, so that hidden colors do not bleed into visible ones. Fully
    transparent pixels become white.
    """
    if picture.alpha is None:
        return Picture(resize(picture.image, size), None)
    return _unweighted(resize(picture.image * picture.alpha, size), resize(picture.alpha, size))


def _unweighted(weighted: np.ndarray, alpha: np.ndarray) -> Picture:
    """Returns the picture of premultiplied colors; fully transparent pixels become white."""
    visible = alpha > 0.5 / 255.0
    image = np.where(visible, weighted / np.maximum(alpha, 1e-6), np.float32(1.0))
    return Picture(np.clip(image, 0.0, 1.0), np.where(visible, alpha, np.float32(0.0)))


def over_white(picture: Picture) -> np.ndarray:
    """Returns the image composited on white."""
    if picture.alpha is None:
        return picture.image
    return picture.image * picture.alpha + (1.0 - picture.alpha)


def _from_pil(picture: Image.Image, colors: Colors, argument: str, *, received: str) -> Picture:
    shape = f"{picture.width}x{picture.height} px"
    if picture.width * picture.height > PIL_PIXELS:
        raise beyond_limit(argument, received, (picture.height, picture.width))
    _check_not_empty(argument, received, shape, picture.width * picture.height)
    return _in_srgb(Picture(*float_arrays(picture, colors, argument=argument)), colors)


def _check_not_empty(argument: str, received: str, shape: str, num_pixels: int) -> None:
    if not num_pixels:
        raise ValueError(
            f"`{argument}` must have at least one pixel. Received: {argument}={received}, {shape}."
        )


def _from_array(source: Any, argument: str) -> Picture:
    try:
        array = np.asarray(source)
    except Exception as error:  # From ragged lists, or an object's own `__array__`.
        raise TypeError(
            f"`{argument}` must be a path, a PIL picture or an array. Received: "
            f"{type(source).__name__}, which is not an array: {one_line(error)}."
        ) from error
    if array.ndim == 4 and array.shape[0] == 1:
        array = array[0]
    if array.ndim == 2:
        array = array[..., np.newaxis]
    if array.ndim != 3 or array.shape[-1] not in (1, 3, 4) or 0 in array.shape:
        raise ValueError(
            f"`{argument}` must be a path, a PIL picture or an array [H, W, 1, 3 or 4]. "
            f"Received: {type(source).__name__} of shape {np.shape(source)}."
        )
    shape = f"{array.shape[1]}x{array.shape[0]} px"
    if array.shape[0] * array.shape[1] > MAX_PIXELS:
        raise ValueError(too_large(argument, "an array", shape, MAX_PIXELS))
    _check_not_empty(argument, "an array", shape, array.size)
    if array.dtype in (np.uint8, np.uint16):
        values = array.astype(np.float32) / np.float32(np.iinfo(array.dtype).max)
    elif array.dtype.kind == "f" or array.dtype.name == "bfloat16":
        with np.errstate(over="ignore", invalid="ignore"):  # Checked below.
            values = array.astype(np.float32)
        if not np.isfinite(values).all():
            raise ValueError(f"`{argument}` must be finite. Received: NaN or infinite values.")
        if values.min() < 0.0 or values.max() > 1.0:
            raise ValueError(
                f"`{argument}` must have float values within 0..1. Received: values from "
                f"{values.min():g} to {values.max():g}. Divide by 255, or pass uint8."
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
