"""Pictures out: atomic files with sRGB profile and the whole config. No TensorFlow here."""

import errno
import functools
import json
import os
import secrets
import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageCms

from tf_style import images, large_pictures, large_saving, libvips, pil_pictures
from tf_style._checks import one_line, shown, suggestion, user_path
from tf_style._version import __version__
from tf_style.config import StyleConfig

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
_SOFTWARE, _DESCRIPTION = 0x0131, 0x010E  # EXIF tags


def describe(config: StyleConfig, weights_sha256: str) -> dict[str, Any]:
    """Returns what a picture tells about its making: version, weights' hash and config."""
    return {
        "software": f"tf_style {__version__}",
        "weights_sha256": weights_sha256,
        "config": config.to_dict(),
    }


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
        save_picture(path, images.to_pixels(image, alpha), description)
        return
    libvips.check_installed("path", f"path='{path}', {bits} bits, {width}x{height} px")
    settings: dict[str, Any] = {"icc_profile": _srgb_profile(), "exif": _exif(description)}
    write_atomically(
        path,
        lambda file: large_saving.write(file, image, alpha, kind=kind, bits=bits, **settings),
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
        picture = pil_pictures.on_white(picture)
    exif = _exif(description).tobytes()
    options = {**options, "icc_profile": _srgb_profile(), "exif": exif}
    write_atomically(path, lambda file: picture.save(file, kind, **options))


def _exif(description: dict[str, Any]) -> Image.Exif:
    exif = Image.Exif()
    exif[_SOFTWARE] = description["software"]
    exif[_DESCRIPTION] = json.dumps(description)  # ASCII, as EXIF asks
    return exif


def _needs_library(kind: str, bits: int, num_pixels: int) -> bool:
    """Returns whether Pillow cannot write such a picture, or only from a copy that is large."""
    too_large = kind in _DEEP and num_pixels > pil_pictures.PIL_PIXELS
    return bits == 16 or kind == "BIGTIFF" or too_large


def read_description(path: str | os.PathLike) -> dict[str, Any]:
    """Returns the description in a picture that `save_picture` or `save_image` wrote.

    Raises:
        OSError: if the file cannot be read.
        ImportError: if it needs the extra `big`.
        ValueError: if it holds no such description.
    """
    try:
        with pil_pictures.open_picture(user_path(path), argument="config") as picture:
            text = picture.getexif().get(_DESCRIPTION, "null")
    except pil_pictures.BeyondPillow:
        opened = large_pictures.LargePicture(user_path(path), argument="config")
        text = opened.description() or "null"
    try:
        found = json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise _without_settings(path, one_line(error)) from error
    if not isinstance(found, dict) or not isinstance(found.get("config"), dict):
        raise _without_settings(path, "it was made by other means")
    return found


def _without_settings(path: str | os.PathLike, reason: str) -> ValueError:
    return ValueError(
        "`config` must be a picture that tf_style made, or a JSON file. Received: "
        f"config={shown(str(path))}, which holds no settings of tf_style: {reason}."
    )


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
        num_bytes = large_saving.most_bytes((height, width), bits)
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


def check_writable(
    path: str | os.PathLike,
    *,
    argument: str,
    inputs: Iterable[str | os.PathLike] = (),
    num_bytes: int = 4096,
) -> None:
    """Raises unless a file of that many bytes can be written to `path`.

    Raises:
        ValueError: if `path` is one of `inputs`.
        OSError: if the folder is missing, cannot be written, or has too little space.
    """
    path = user_path(path)
    if path.is_dir():
        raise IsADirectoryError(
            f"`{argument}` must be a file. Received: {argument}='{path}', a folder."
        )
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"`{argument}` must lie in an existing folder. Received: {argument}='{path}'."
        )
    for other in map(user_path, inputs):
        same = path.exists() and other.exists() and path.samefile(other)
        if same or path.resolve() == other.resolve():
            raise ValueError(
                f"`{argument}` must not overwrite another file of the run. Received: "
                f"{argument}='{path}'. Choose another name."
            )
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(f"`{argument}` cannot be replaced: '{path}' is read-only.")

    def reserve(file: BinaryIO) -> None:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, num_bytes)
        else:
            file.write(bytes(num_bytes))

    try:
        _with_part_file(path, reserve).unlink()
    except OSError as error:
        reason = error.strerror
        if error.errno == errno.ENOSPC:
            reason = f"{num_bytes / 1e6:.1f} MB are needed, and there is no space left"
        raise type(error)(
            f"`{argument}` cannot be written: {reason}. Received: {argument}='{path}'."
        ) from error


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Calls `write` with a new file, which takes the place of `path` only when complete."""
    part = _with_part_file(path, write)
    try:
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _with_part_file(path: Path, write: Callable[[BinaryIO], object]) -> Path:
    """Returns a complete file beside `path`, with the rights that the user's umask gives."""
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder '{path.parent}' to write '{path.name}' to.")
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with part.open("xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return part


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
