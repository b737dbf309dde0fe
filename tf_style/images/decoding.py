"""Converts PIL pictures of any mode to float arrays in sRGB, or in a color space that is named.

No TensorFlow here.
"""

import contextlib
import io
import struct
from typing import Any

import numpy as np
from PIL import Image, ImageCms, ImageOps

from tf_style.images.color_tags import Colors

_BITS_PER_SAMPLE, _PHOTOMETRIC = 258, 262  # TIFF tags.


def float_arrays(
    picture: Image.Image, colors: Colors, *, argument: str
) -> tuple[np.ndarray, np.ndarray | None]:
    """Returns float32 `[1, H, W, 3]`, RGB, 0..1, and alpha `[1, H, W, 1]`, 0..1, or None.

    The alpha of TGA files is left out if it is 0 everywhere: many programs leave it unset.

    Args:
        picture: a picture of any mode; its pixels may not be loaded yet.
        colors: what its colors mean. An ICC profile is applied; a named color space is not.
        argument: the name of the argument in error messages.

    Raises:
        ValueError: if 32-bit integers lie outside 0..65535, or floats outside 0..1.
    """
    is_tga = picture.format == "TGA"
    white, black = _deep_range(picture)
    picture.load()
    # If the EXIF data is damaged, the picture is not rotated.
    with contextlib.suppress(ValueError, TypeError, KeyError, SyntaxError, struct.error, OSError):
        picture = ImageOps.exif_transpose(picture)
    if is_deep_gray(picture):
        return _from_deep_gray(picture, colors, argument, white=white, black=black)
    if picture.mode == "La":
        picture = picture.convert("LA")
    alpha = None
    if picture.has_transparency_data:
        whole = picture.convert("RGBA")
        alpha = _to_float(whole.getchannel("A"))[..., np.newaxis]
        # Gray stays gray: its profile does not apply to RGB.
        picture = picture.getchannel("L") if picture.mode in ("L", "LA") else whole.convert("RGB")
        if is_tga and not alpha.any():
            alpha = None
    return _to_float(_to_srgb(picture, colors.icc_profile)), alpha


def is_deep_gray(picture: Image.Image) -> bool:
    """Returns whether a picture is gray, of 12 bits or more, or of floats."""
    return picture.mode in ("I", "F") or picture.mode.startswith("I;16")


def has_16_bit_colors(opened: Image.Image) -> bool:
    """Returns whether a picture, opened but not loaded, has 16-bit colors; Pillow keeps 8 bits."""
    # TIFF has a tag for it; for PNG only the decoder's mode shows it.
    tags = getattr(opened, "tag_v2", {})
    is_deep = 16 in tags.get(_BITS_PER_SAMPLE, ()) or any(
        ";16" in mode for mode in _raw_modes(opened)
    )
    return is_deep and opened.mode in ("RGB", "RGBA", "RGBX", "LA")


def has_flat_corner(picture: Image.Image) -> bool:
    """Returns whether the last 4 x 4 px, as stored in the file, have exactly one color."""
    width, height = picture.size
    block = picture.crop((max(0, width - 4), max(0, height - 4), width, height))
    return len(block.getcolors(16) or ()) == 1


def _raw_modes(opened: Image.Image) -> list[str]:
    """Returns how a file, opened but not loaded, stores its pixels, in Pillow's terms."""
    return [str(tile.args) for tile in getattr(opened, "tile", ())]


def _deep_range(opened: Image.Image) -> tuple[float, float]:
    """Returns the values of white and black in a gray picture of more than 8 bits."""
    full = 65535.0 if opened.mode != "F" else 1.0
    tags = getattr(opened, "tag_v2", {})
    if tags.get(_BITS_PER_SAMPLE) == (12,):
        full = 4095.0
    # Pillow inverts pictures with 0 as white only if they have 8 bits or fewer.
    is_inverted = tags.get(_PHOTOMETRIC) == 0
    return (0.0, full) if is_inverted else (full, 0.0)


def _to_float(picture: Image.Image) -> np.ndarray:
    values = np.array(picture, np.float32)[np.newaxis]
    values /= np.float32(255.0)
    return values


def _from_deep_gray(
    picture: Image.Image, colors: Colors, argument: str, *, white: float, black: float
) -> tuple[np.ndarray, np.ndarray | None]:
    values = np.asarray(picture)
    most = max(white, black)
    if values.min() < 0 or values.max() > most or not np.isfinite(values).all():
        raise ValueError(
            f"`{argument}` must have values within 0..{most:g} in mode '{picture.mode}'. "
            f"Received: values from {values.min():g} to {values.max():g}."
        )
    gray = (values.astype(np.float32) - np.float32(black)) / np.float32(white - black)
    if colors.icc_profile:
        gray = np.interp(gray, *_profile_curve(colors.icc_profile)).astype(np.float32)
    alpha = None
    transparent = picture.info.get("transparency")  # The value of PNG's transparent pixels.
    if isinstance(transparent, int):
        alpha = (values != transparent).astype(np.float32)[np.newaxis, ..., np.newaxis]
    return np.repeat(gray[np.newaxis, :, :, np.newaxis], 3, axis=-1), alpha


def _profile_curve(icc_profile: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Returns 256 values of gray and what a gray profile makes of them, float64, 0..1.

    Pillow applies profiles to 8 bits only; between these values the curve is interpolated.
    """
    levels = np.arange(256, dtype=np.uint8)
    converted = _to_srgb(Image.fromarray(levels[np.newaxis]), icc_profile)
    return levels / 255.0, np.asarray(converted)[0, :, 1] / 255.0


def _to_srgb(picture: Image.Image, icc_profile: bytes | None) -> Image.Image:
    """Returns the picture in sRGB, by its profile or, if unusable, by Pillow's `convert`."""
    if picture.mode in ("P", "PA", "RGBA", "RGBX", "RGBa"):
        picture = picture.convert("RGB")
    if picture.mode == "1":
        picture = picture.convert("L")
    profile: Any = icc_profile and io.BytesIO(icc_profile)
    if picture.mode == "LAB":
        profile = ImageCms.createProfile("LAB")
    flags = ImageCms.Flags.BLACKPOINTCOMPENSATION
    if picture.mode == "L":
        flags |= ImageCms.Flags.NOOPTIMIZE  # Dark grays would be off by up to ten levels.
    if profile and picture.mode in ("RGB", "L", "CMYK", "LAB"):
        try:
            converted = ImageCms.profileToProfile(
                picture,
                ImageCms.ImageCmsProfile(profile),
                ImageCms.createProfile("sRGB"),
                renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
                outputMode="RGB",
                flags=flags,
            )
            if converted is not None:
                return converted
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            pass  # A damaged profile, or one for another color space.
    return picture.convert("RGB")
