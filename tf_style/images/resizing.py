"""Resizing of NumPy images and masks."""

import numpy as np
from PIL import Image


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
