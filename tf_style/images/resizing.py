"""Resizes and crops NumPy images and masks with Pillow's filters. No TensorFlow here.

An image is float32 `[1, H, W, channels]`; a mask is float32 `[H, W]`. `graph_resizing` is the
counterpart for TensorFlow graphs.
"""

import numpy as np
from PIL import Image


def resize(
    image: np.ndarray,
    size: tuple[int, int],
    *,
    box: tuple[float, float, float, float] | None = None,
    clip: bool = True,
) -> np.ndarray:
    """Returns the image resized by Lanczos filtering, float32 `[1, height, width, channels]`.

    Args:
        image: float32 `[1, H, W, channels]`, nominally 0..1.
        size: (height, width), in px.
        box: (left, top, right, bottom) of the region to resize, in px; the whole image if omitted.
        clip: whether to clip the filter's ringing to 0..1.
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
    """Returns the resized mask, float32 `[height, width]`.

    Sides that shrink take means of areas, sides that grow are interpolated linearly.
    Unlike `resize`, it does not ring: a pixel is 0 if everything that it covers is 0.

    Args:
        mask: float32 `[H, W]`, 0..1.
        size: (height, width), in px.
    """
    height, width = size
    shrunk = min(mask.shape[1], width), min(mask.shape[0], height)
    picture = Image.fromarray(np.ascontiguousarray(mask)).resize(shrunk, Image.Resampling.BOX)
    return np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR))


def fit(size: tuple[int, int], long_edge: int) -> tuple[int, int]:
    """Returns (height, width) with the given longer edge and the aspect ratio of `size`, in px.

    The shorter edge is rounded to the nearest px, at least 1.
    """
    height, width = size
    scale = long_edge / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def cover(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns the image scaled to cover `size`, with its aspect ratio kept and the excess cropped.

    Args:
        image: float32 `[1, H, W, channels]`, 0..1.
        size: (height, width), in px.
    """
    _, rows, columns, _ = image.shape
    scale = max(size[0] / rows, size[1] / columns)
    # Rounding may push the box slightly past the picture, which Pillow refuses.
    high, wide = min(rows, size[0] / scale), min(columns, size[1] / scale)
    left, top = (columns - wide) / 2, (rows - high) / 2
    return resize(image, size, box=(left, top, left + wide, top + high))
