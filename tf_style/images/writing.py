"""Pictures out: atomic files with sRGB profile and the whole config. No TensorFlow here."""

import functools
import json
import os
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from tf_style._checks import suggestion, user_path
from tf_style.files.atomic import check_writable, write_atomically
from tf_style.images import large_writing, libvips, pillow

_ENCODERS: dict[str, tuple[str, dict[str, Any]]] = {
    ".png": ("PNG", {"compress_level": 6}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".webp": ("WEBP", {"quality": 95, "method": 4}),
    ".tif": ("TIFF", {"compression": "tiff_lzw"}),
    ".tiff": ("TIFF", {"compression": "tiff_lzw"}),
    ".btf": ("BIGTIFF", {}),
}
_MAX_SIDE = {"JPEG": 65535, "WEBP": 16383}
_DEEP = ("PNG", "TIFF", "BIGTIFF")
SOFTWARE_TAG, DESCRIPTION_TAG = 0x0131, 0x010E  # EXIF tags


def save_image(
    path: str | os.PathLike,
    image: np.ndarray,
    alpha: np.ndarray | None,
    description: dict[str, Any],
    *,
    bits: int = 8,
) -> None:
    """Writes a float image atomically, in the format that the name asks for.

    Values are clipped to 0..1 and rounded. Ordinary pictures, JPEG and WebP are left to Pillow.

    Args:
        path: as for `save_picture`; .btf is BigTIFF.
        image: float32 `[1, H, W, 3]`, RGB (sRGB), nominally 0..1.
        alpha: float32 `[1, H, W, 1]`, 0..1, or None.
        description: as for `save_picture`.
        bits: of each channel: 8, or 16 in PNG and TIFF.

    Raises:
        ValueError: if the suffix is none of these, or `bits` not for it.
        ImportError: if it needs the extra `big`.
        OSError: if it cannot be written; nothing half-written is left.
    """
    path = user_path(path)
    kind, _ = _encoder(path)
    check_bits(path, bits)
    _, height, width, _ = image.shape
    if not _needs_library(kind, bits, height * width):
        save_picture(path, to_pixels(image, alpha), description)
        return
    libvips.check_installed("path", f"path='{path}', {bits} bits, {width}x{height} px")
    settings: dict[str, Any] = {"icc_profile": _srgb_profile(), "exif": _exif(description)}
    write_atomically(
        path,
        lambda file: large_writing.write(file, image, alpha, kind=kind, bits=bits, **settings),
    )


def save_picture(path: str | os.PathLike, pixels: np.ndarray, description: dict[str, Any]) -> None:
    """Writes a picture atomically, by Pillow, in the format that the name asks for.

    JPEG cannot hold alpha: there, the picture is shown on white.

    Args:
        path: ends in .png, .jpg, .jpeg, .webp, .tif or .tiff.
        pixels: uint8 `[H, W, 3]`, sRGB, or `[H, W, 4]` with alpha.
        description: kept as JSON in the EXIF tag ImageDescription, see `read_description`.

    Raises:
        ValueError: if the suffix is none of these.
        OSError: if it cannot be written; nothing half-written is left.
    """
    path = user_path(path)
    kind, options = _encoder(path)
    if kind == "BIGTIFF":
        raise ValueError(f"`path` must not be BigTIFF. Received: path='{path}'. Use `save_image`.")
    picture = Image.fromarray(pixels)
    if kind == "JPEG":
        picture = pillow.on_white(picture)
    exif = _exif(description).tobytes()
    options = {**options, "icc_profile": _srgb_profile(), "exif": exif}
    write_atomically(path, lambda file: picture.save(file, kind, **options))


def _exif(description: dict[str, Any]) -> Image.Exif:
    exif = Image.Exif()
    exif[SOFTWARE_TAG] = description["software"]
    exif[DESCRIPTION_TAG] = json.dumps(description)  # ASCII, as EXIF asks
    return exif


def _needs_library(kind: str, bits: int, num_pixels: int) -> bool:
    """Returns whether Pillow cannot write such a picture, or only from a copy that is large."""
    too_large = kind in _DEEP and num_pixels > pillow.PIL_PIXELS
    return bits == 16 or kind == "BIGTIFF" or too_large


def check_output(
    path: str | os.PathLike,
    *,
    argument: str = "output",
    inputs: Iterable[str | os.PathLike] = (),
    size: tuple[int, int] | None = None,
    bits: int = 8,
) -> None:
    """Raises unless a picture can be written to `path`; called before the long work.

    Args:
        path: where the picture is to go. An existing file may be replaced.
        argument: how errors call it.
        inputs: files that must not be overwritten.
        size: (height, width) in px, to check for the space it needs.
        bits: of each channel.

    Raises:
        ValueError: on an unknown suffix, an input's own path, or a size or bits the format lacks.
        ImportError: if it needs the extra `big`.
        OSError: if the folder is missing, cannot be written, or has too little space.
    """
    path = user_path(path)
    kind, _ = _encoder(path, argument)
    check_bits(path, bits, argument=argument)
    height, width = size or (0, 0)
    # The most that an encoder makes of noise with alpha: TIFF's LZW, 5.5 bytes a pixel.
    num_bytes = 6 * height * width
    if _needs_library(kind, bits, height * width):
        shape = f", {width}x{height} px" if size else ""
        libvips.check_installed(argument, f"{argument}='{path}', {bits} bits{shape}")
        num_bytes = large_writing.most_bytes((height, width), bits)
    if size and max(size) > _MAX_SIDE.get(kind, max(size)):
        raise ValueError(
            f"`{argument}` must be a PNG or TIFF for {size[1]}x{size[0]} px. Received: "
            f"{argument}='{path}', and {kind} holds at most {_MAX_SIDE[kind]} px a side."
        )
    check_writable(path, argument=argument, inputs=inputs, num_bytes=num_bytes + 65536)


def check_bits(path: Path, bits: int, *, argument: str = "path") -> None:
    """Raises ValueError unless `bits` is 8, or 16 where the format that `path` names has them."""
    kind, _ = _encoder(path, argument)
    if bits not in (8, 16):
        raise ValueError(f"`bits` must be 8 or 16. Received: bits={bits!r}.")
    if bits == 16 and kind not in _DEEP:
        raise ValueError(
            f"`{argument}` must be a PNG or TIFF for 16 bits. Received: {argument}='{path}'. "
            "Choose another name, or 8 bits."
        )


def _encoder(path: Path, argument: str = "path") -> tuple[str, dict[str, Any]]:
    suffix = path.suffix.lower()
    if suffix not in _ENCODERS:
        raise ValueError(
            f"`{argument}` must end in {', '.join(_ENCODERS)}. Received: {argument}='{path}'."
            + suggestion(suffix, _ENCODERS)
        )
    return _ENCODERS[suffix]


@functools.cache
def _srgb_profile() -> bytes:
    """Returns the profile, dated 2000-01-01: equal pixels and settings make equal files.

    References:
        ICC.1:2022, section 7.2: bytes 24 to 35 of the header are the date of creation.
    """
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile[:24] + struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + profile[36:]


_ROWS = 256


def to_pixels(image: np.ndarray, alpha: np.ndarray | None = None) -> np.ndarray:
    """Returns uint8 `[H, W, 3]`, or `[H, W, 4]` with alpha: clipped to 0..1 and rounded."""
    parts = [image[0]] if alpha is None else [image[0], alpha[0]]
    height, width = image.shape[1:3]
    pixels = np.empty([height, width, 3 if alpha is None else 4], np.uint8)
    for top in range(0, height, _ROWS):  # Of large images, floats of some rows only.
        rows = np.concatenate([part[top : top + _ROWS] for part in parts], axis=-1)
        pixels[top : top + _ROWS] = np.round(np.clip(rows, 0.0, 1.0) * 255.0)
    return pixels
