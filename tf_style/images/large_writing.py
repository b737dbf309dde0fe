"""Float images to PNG and TIFF beyond Pillow, by libvips, from some rows at a time.

No TensorFlow here.
"""

from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from tf_style.images.libvips import reason_of, vips

_TILE = 256
_CLASSIC_BYTES = 2**32 - 2**28
"""What a TIFF's offsets of 32 bits reach, less what deflate adds to noise, and directories."""


def most_bytes(size: tuple[int, int], bits: int) -> int:
    """Returns what a file of noise with alpha may need: deflate gains nothing, tiles are whole."""
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
    exif: Image.Exif,
) -> None:
    """Writes a PNG or TIFF from rows of the image: there is no copy of all of its pixels.

    Values are clipped to 0..1 and rounded, half to even, without dithering. TIFF files are tiled
    (256 px), deflated with differences of neighbors, and BigTIFF where 4 GB may not do.

    Args:
        file: open for writing, empty.
        image: float32 `[1, H, W, 3]`, RGB (sRGB), nominally 0..1.
        alpha: float32 `[1, H, W, 1]`, or None.
        kind: 'PNG', 'TIFF' or 'BIGTIFF'.
        bits: 8 or 16, of each channel.
        icc_profile: kept in the file.
        exif: likewise; of a TIFF only ImageDescription.

    Raises:
        ImportError: if pyvips is not installed.
        OSError: if it cannot be written.
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
            picture.set_type(vips().GValue.blob_type, "exif-data", exif.tobytes())
            picture.pngsave_target(target, bitdepth=bits, compression=6)
            return
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
    """Returns libvips' image of float32 `[H, W, channels]`, whose memory it shares."""
    height, width, channels = values.shape
    data = np.ascontiguousarray(values, np.float32).data
    return vips().Image.new_from_memory(data, width, height, channels, "float")
