"""Luma and chroma of pictures, taken apart and put together. No TensorFlow here.

An image is float32 `[1, H, W, 3]`, RGB as files hold it (sRGB, gamma-encoded), nominally 0..1;
luma is float32 `[1, H, W, 1]`. Sums are taken in float64.

Chroma is what is left of a color without its luma: R - Y, G - Y and B - Y. The I and Q of YIQ
and the U and V of YUV are linear in these three and in nothing else, so that whatever keeps
them keeps those.

References:
    Gatys, Bethge, Hertzmann & Shechtman (2016), "Preserving color in neural artistic style
    transfer": luminance-only transfer.
"""

import numpy as np

LUMA = np.array([0.299, 0.587, 0.114])
"""Weights of R, G and B in luma."""


def luminance(image: np.ndarray) -> np.ndarray:
    """Returns the luma Y of YIQ, 0.299 R + 0.587 G + 0.114 B of the gamma-encoded values.

    The papers' choice, and JPEG's (BT.601). Differs from BT.709, whose weights belong to sRGB's
    primaries, but to linear light: of encoded values neither is the luminance of physics, and
    blue, which counts 0.07 there and 0.11 here, nearly vanishes.

    Args:
        image: float32 `[1, H, W, 3]`, RGB, nominally 0..1.

    Returns:
        float32 `[1, H, W, 1]`, nominally 0..1.
    """
    return (image @ LUMA)[..., np.newaxis].astype(np.float32)


def with_luminance(image: np.ndarray, luma: np.ndarray) -> np.ndarray:
    """Returns the picture with another luma and its own chroma, both to rounding (1e-6).

    The same number is added to R, G and B: the weights of Y sum to 1, those of I and of Q to 0.

    Args:
        image: float32 `[1, H, W, 3]`, RGB, nominally 0..1: whose chroma it is.
        luma: float32 `[1, H, W, 1]`, nominally 0..1.

    Returns:
        float32 `[1, H, W, 3]`, RGB; a saturated color may lie outside 0..1, see `into_gamut`.

    References:
        Gatys et al. (2016), luminance-only transfer: the content's I and Q under another Y.
    """
    return (image + (luma - (image @ LUMA)[..., np.newaxis])).astype(np.float32)


def into_gamut(image: np.ndarray) -> np.ndarray:
    """Returns the picture within 0..1: of the same luma and hue, paler where it must be.

    A color that lies outside comes towards the gray of its luma, as far as needed; one that lies
    inside stays, to the bit. Clipping would change luma and hue; and of a given luma and a given
    chroma there is but one color, so one of them must give way: strokes are seen by their luma.

    Args:
        image: float32 `[1, H, W, 3]`, RGB, nominally 0..1.

    Returns:
        float32 `[1, H, W, 3]`, 0..1.
    """
    if image.min(initial=0.0) >= 0.0 and image.max(initial=0.0) <= 1.0:
        return image
    exact = (image @ LUMA)[..., np.newaxis]
    luma = np.clip(exact, 0.0, 1.0)
    chroma = image - exact
    room = np.where(chroma > 0.0, 1.0 - luma, luma)
    share = np.min(room / np.maximum(np.abs(chroma), 1e-12), axis=-1, keepdims=True)
    outside = np.any((image < 0.0) | (image > 1.0), axis=-1, keepdims=True)
    nearer = np.clip(luma + np.minimum(share, 1.0) * chroma, 0.0, 1.0)
    return np.where(outside, nearer, image).astype(np.float32)


def gray(luma: np.ndarray) -> np.ndarray:
    """Returns the image `[1, H, W, 3]` of a luma `[1, H, W, 1]`, without chroma."""
    return np.repeat(luma, 3, axis=-1)
