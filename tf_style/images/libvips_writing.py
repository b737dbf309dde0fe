"""Writes PNG and TIFF files that Pillow cannot, with libvips: 16-bit, large, or BigTIFF.

Takes float images and converts only a few rows at a time. No TensorFlow here.
"""

from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from tf_style.images.libvips import reason_of, vips

_TILE = 256
_CLASSIC_BYTES = 2**32 - 2**28
"""The largest pixel data for 32-bit offsets in TIFF, with room for headers and overhead."""


def most_bytes(size: tuple[int, int], bits: int) -> int:
    """Returns an upper bound of a file's size in bytes: noise with alpha, in whole tiles."""
    height, width = (-(-side // _TILE) * _TILE for side in size)
    return (bits // 2 + 1) * height * width


def write(
    file: BinaryIO,
    image: np.ndarray,
    alpha: np.ndarray | None,
    *,
    kind: str,
    bits: int,
    icc_profile: bytes,
    exif: Image.Exif | None,
) -> None:
    """Writes a PNG or TIFF row by row, without a copy of the whole image.

    Values are clipped to 0..1 and rounded, half to even, without dithering. TIFF files are tiled
    (256 px), use deflate with the horizontal predictor, and become BigTIFF if 4 GB may not suffice.

    Args:
        file: open for writing, empty.
        image: float32 `[1, H, W, 3]`, RGB (sRGB), nominally 0..1.
        alpha: float32 `[1, H, W, 1]`, or None.
        kind: 'PNG', 'TIFF' or 'BIGTIFF'.
        bits: 8 or 16, of each channel.
        icc_profile: stored in the file.
        exif: stored in the file, or None; in a TIFF, only the tag ImageDescription.

    Raises:
        ImportError: if pyvips is not installed.
        OSError: if the file cannot be written.
    """
    pixel_format, interpretation = {8: ("uchar", "srgb"), 16: ("ushort", "rgb16")}[bits]
    try:
        picture = _of_array(image[0])
        if alpha is not None:
            picture = picture.bandjoin(_of_array(alpha[0]))
        picture = picture.linear(2.0**bits - 1.0, 0.0).rint().cast(pixel_format)
        picture = picture.copy(interpretation=interpretation)
        picture.set_type(vips().GValue.blob_type, "icc-profile-data", icc_profile)
        target = vips().Target.new_to_descriptor(file.fileno())
        if kind == "PNG":
            if exif is not None:
                picture.set_type(vips().GValue.blob_type, "exif-data", exif.tobytes())
            picture.pngsave_target(target, bitdepth=bits, compression=6)
            return
        if exif is not None:
            picture.set_type(vips().GValue.gstr_type, "image-description", exif[0x010E])
        num_bytes = picture.width * picture.height * picture.bands * bits // 8
        picture.tiffsave_target(
            target,
            tile=True,
            tile_width=_TILE,
            tile_height=_TILE,
            compression="deflate",
            predictor="horizontal",
            bigtiff=kind == "BIGTIFF" or num_bytes > _CLASSIC_BYTES,
        )
    except vips().Error as error:
        raise OSError(f"The picture cannot be written: {reason_of(error)}.") from error


def _of_array(values: np.ndarray) -> Any:
    """Returns a libvips image that shares the memory of a float32 `[H, W, channels]` array."""
    height, width, channels = values.shape
    data = np.ascontiguousarray(values, np.float32).data
    return vips().Image.new_from_memory(data, width, height, channels, "float")
