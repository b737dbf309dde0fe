"""Fills the invisible parts of pictures with colors that continue the visible ones.

No TensorFlow here.
"""

import numpy as np

from tf_style.images.resizing import resize_mask


def filled(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Returns the picture with smooth colors where it is transparent; opaque parts stay the same.

    The colors are averaged over ever larger blocks until every block has one, and spread back.
    Where nothing is visible, the picture is returned as it is.

    Args:
        image: float32 `[1, H, W, 3]`, 0..1.
        alpha: float32 `[1, H, W, 1]`, 0..1.

    Returns:
        float32 `[1, H, W, 3]`, 0..1.

    References:
        Gortler, Grzeszczuk, Szeliski & Cohen (1996), "The Lumigraph", section 3.4.2: push-pull.
    """
    if not alpha.any() or alpha.min() >= 1.0:
        return image
    values = np.concatenate([image * alpha, alpha], -1)[0]
    colors = _spread(values)
    return np.where(alpha < 1.0, np.clip(colors, 0.0, 1.0), image).astype(np.float32)


def _spread(values: np.ndarray) -> np.ndarray:
    """Returns colors `[H, W, 3]` of premultiplied ones with their weights `[H, W, 4]`."""
    height, width, _ = values.shape
    weights = values[..., 3:]
    if weights.min() > 0.5 or (height, width) == (1, 1):
        return values[..., :3] / np.maximum(weights, 1e-6)
    coarse = _resized(values, (-(-height // 2), -(-width // 2)))
    # A block counts fully once half of it is visible.
    scale = np.minimum(2.0, 1.0 / np.maximum(coarse[..., 3:], 1e-6))
    below = _resized(_spread(coarse * scale), (height, width))
    return values[..., :3] + (1.0 - weights) * below


def _resized(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    channels = [resize_mask(values[..., index], size) for index in range(values.shape[-1])]
    return np.stack(channels, -1)
