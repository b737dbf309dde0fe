"""Writes pictures: takes float images or pixels, gives files with sRGB profile and description.

Files appear only when complete. `check_output` checks a path before the long work. Ordinary files
are written with Pillow, all others with libvips. No TensorFlow here.
"""

import functools
import importlib.util
import os
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from tf_style._checks import suggestion, user_path
from tf_style.files.atomic import check_writable, write_atomically
from tf_style.images import libvips, libvips_writing, pillow
from tf_style.images.metadata import NO_METADATA, Metadata, exif_of

_ENCODERS: dict[str, tuple[str, dict[str, Any]]] = {
    ".png": ("PNG", {"compress_level": 6}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".webp": ("WEBP", {"quality": 95, "method": 4}),
    ".tif": ("TIFF", {"compression": "tiff_lzw"}),
    ".tiff": ("TIFF", {"compression": "tiff_lzw"}),
    ".btf": ("BIGTIFF", {}),
}
if importlib.util.find_spec("PIL._avif"):  # Not in every build of Pillow.
    _ENCODERS[".avif"] = ("AVIF", {"quality": 90, "subsampling": "4:4:4"})
SUFFIXES = tuple(_ENCODERS)
_MAX_SIDE = {"JPEG": 65535, "WEBP": 16383, "AVIF": 65536}
_NOT_WRITTEN = {
    ".gif": "GIF holds 256 colors, too few for a painting",
    ".bmp": "BMP holds no color profile and no settings",
    **dict.fromkeys((".mp4", ".mov", ".webm", ".avi", ".mkv"), "A film is not a picture"),
    **dict.fromkeys(
        (".avif", ".heic", ".heif", ".jp2", ".jxl", ".psd", ".xcf", ".pdf", ".svg", ".exr", ".tga"),
        "That format is not written",
    ),
}
"""By suffix: why pictures of other well-known formats are not written."""
_DEEP = ("PNG", "TIFF", "BIGTIFF")


def save_image(
    path: str | os.PathLike,
    image: np.ndarray,
    alpha: np.ndarray | None,
    description: dict[str, Any] | None,
    *,
    bits: int = 8,
    photograph: Metadata = NO_METADATA,
) -> None:
    """Writes a float image atomically, in the format of the path's suffix.

    Values are clipped to 0..1 and rounded. libvips writes 16-bit files, BigTIFF and large PNG and
    TIFF files; Pillow writes all others.

    Args:
        path: as for `save_picture`, or ends in .btf for BigTIFF.
        image: float32 `[1, H, W, 3]`, RGB (sRGB), nominally 0..1.
        alpha: float32 `[1, H, W, 1]`, 0..1, or None.
        description: as for `save_picture`.
        bits: bits per channel: 8, or 16 in PNG and TIFF.
        photograph: as for `save_picture`.

    Raises:
        ValueError: if the suffix is unknown, or the format does not support `bits`.
        ImportError: if it needs the extra `big`.
        OSError: if the file cannot be written; no partial file is left.
    """
    path = user_path(path)
    kind, _ = _encoder(path)
    check_bits(path, bits)
    _, height, width, _ = image.shape
    if not _needs_library(kind, bits, height * width):
        save_picture(path, to_pixels(image, alpha), description, photograph=photograph)
        return
    libvips.check_installed("path", f"path='{path}', {bits} bits, {width}x{height} px")
    exif = None
    if description is not None:
        if kind != "PNG" and any(photograph):  # libvips writes no other tag into a TIFF.
            description = {**description, "photograph": photograph._asdict()}
        exif = exif_of(description, photograph, is_tiff=False)
    settings: dict[str, Any] = {"icc_profile": srgb_profile(), "exif": exif}
    write_atomically(
        path,
        lambda file: libvips_writing.write(file, image, alpha, kind=kind, bits=bits, **settings),
    )


def save_picture(
    path: str | os.PathLike,
    pixels: np.ndarray,
    description: dict[str, Any] | None,
    *,
    photograph: Metadata = NO_METADATA,
) -> None:
    """Writes a picture atomically with Pillow, in the format of the path's suffix.

    JPEG has no alpha channel, so the picture is composited on white.

    Args:
        path: ends in .png, .jpg, .jpeg, .webp, .avif (if Pillow has it), .tif or .tiff.
        pixels: uint8 `[H, W, 3]`, sRGB, or `[H, W, 4]` with alpha.
        description: stored as JSON in the EXIF tag ImageDescription; see `read_description`. None
            leaves out all metadata but the color profile.
        photograph: what the photograph's file says, stored in its tags.

    Raises:
        ValueError: if the suffix is unknown.
        OSError: if the file cannot be written; no partial file is left.
    """
    path = user_path(path)
    kind, options = _encoder(path)
    if kind == "BIGTIFF":
        raise ValueError(f"`path` must not be BigTIFF. Received: path='{path}'. Use `save_image`.")
    picture = Image.fromarray(pixels)
    if kind == "JPEG":
        picture = pillow.on_white(picture)
    options = {**options, "icc_profile": srgb_profile()}
    if description is not None:
        exif = exif_of(description, photograph, is_tiff=kind == "TIFF")
        options["exif"] = exif if kind == "TIFF" else exif.tobytes()
    write_atomically(path, lambda file: picture.save(file, kind, **options))


def _needs_library(kind: str, bits: int, num_pixels: int) -> bool:
    """Returns whether to write with libvips: Pillow cannot, or would need a large copy."""
    too_large = kind in _DEEP and num_pixels > pillow.PIL_PIXELS
    return bits == 16 or kind == "BIGTIFF" or too_large


def check_output(
    path: str | os.PathLike,
    *,
    argument: str = "output",
    inputs: Iterable[str | os.PathLike] = (),
    size: tuple[int, int] | None = None,
    bits: int = 8,
    as_pixels: bool = False,
) -> None:
    """Raises unless a picture can be written to `path`; meant to be called before the long work.

    Args:
        path: the file to write. It may exist and be replaced.
        argument: the name of the argument in error messages.
        inputs: files that must not be overwritten.
        size: (height, width) in px, if the format's limit and the disk space are to be checked.
        bits: bits per channel.
        as_pixels: whether `save_picture` writes it, which holds it as pixels in any case.

    Raises:
        ValueError: if the suffix is unknown, `path` is one of `inputs`, or the format does not
            support the size or the bits.
        ImportError: if it needs the extra `big`.
        OSError: if the folder is missing, not writable, or has too little space.
    """
    path = user_path(path)
    kind, _ = _encoder(path, argument)
    check_bits(path, bits, argument=argument)
    height, width = size or (0, 0)
    # An upper bound: the worst case is noise with alpha in TIFF's LZW, 5.5 bytes per pixel.
    num_bytes = 6 * height * width
    if not as_pixels and _needs_library(kind, bits, height * width):
        shape = f", {width}x{height} px" if size else ""
        libvips.check_installed(argument, f"{argument}='{path}', {bits} bits{shape}")
        num_bytes = libvips_writing.most_bytes((height, width), bits)
    if size and max(size) > _MAX_SIDE.get(kind, max(size)):
        raise ValueError(
            f"`{argument}` must be a PNG or TIFF file for {size[1]}x{size[0]} px. Received: "
            f"{argument}='{path}'. {kind} holds at most {_MAX_SIDE[kind]} px per side."
        )
    check_writable(path, argument=argument, inputs=inputs, num_bytes=num_bytes + 65536)


def notes_on_alpha(path: Path, alpha: np.ndarray | None) -> list[str]:
    """Returns a note if an output, a JPEG, cannot hold the alpha that the picture has."""
    if alpha is None or path.suffix.lower() not in (".jpg", ".jpeg"):
        return []
    return [
        "`output` is a JPEG, which has no alpha: what is transparent becomes white. Use .png to "
        "keep it."
    ]


def check_bits(path: Path, bits: int, *, argument: str = "path") -> None:
    """Raises ValueError unless `bits` is 8, or 16 with a suffix of PNG or TIFF."""
    kind, _ = _encoder(path, argument)
    if bits not in (8, 16):
        raise ValueError(f"`bits` must be 8 or 16. Received: bits={bits!r}.")
    if bits == 16 and kind not in _DEEP:
        raise ValueError(
            f"`{argument}` must be a PNG or TIFF file for 16 bits. Received: {argument}='{path}'. "
            "Choose another suffix, or 8 bits."
        )


def _encoder(path: Path, argument: str = "path") -> tuple[str, dict[str, Any]]:
    suffix = path.suffix.lower()
    if suffix not in _ENCODERS:
        known = suffix in _NOT_WRITTEN
        way_out = f" {_NOT_WRITTEN[suffix]}. Use .png." if known else suggestion(suffix, _ENCODERS)
        raise ValueError(
            f"`{argument}` must end in {', '.join(_ENCODERS)}. Received: {argument}='{path}'."
            f"{way_out}"
        )
    return _ENCODERS[suffix]


@functools.cache
def srgb_profile() -> bytes:
    """Returns the sRGB profile, with a fixed date, so that equal pictures give equal files.

    References:
        ICC.1:2022, section 7.2: bytes 24 to 35 of the header hold the creation date.
    """
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile[:24] + struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + profile[36:]


_ROWS = 256


def to_pixels(image: np.ndarray, alpha: np.ndarray | None = None) -> np.ndarray:
    """Returns the image as pixels: clipped to 0..1, rounded, uint8 `[H, W, 3]`, or 4 with alpha."""
    parts = [image[0]] if alpha is None else [image[0], alpha[0]]
    height, width = image.shape[1:3]
    pixels = np.empty([height, width, 3 if alpha is None else 4], np.uint8)
    for top in range(0, height, _ROWS):  # Saves memory: float copies of a few rows at a time.
        rows = np.concatenate([part[top : top + _ROWS] for part in parts], axis=-1)
        pixels[top : top + _ROWS] = np.round(np.clip(rows, 0.0, 1.0) * 255.0)
    return pixels
