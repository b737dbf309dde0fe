"""Splits pictures into luma and chroma, and recombines them. No TensorFlow here.

An image is float32 `[1, H, W, 3]`, RGB as stored in files (sRGB, gamma-encoded), nominally 0..1;
luma is float32 `[1, H, W, 1]`. Sums are computed in float64.

Chroma is a color minus its luma: R - Y, G - Y and B - Y. I and Q of YIQ, and U and V of YUV, are
linear functions of these three differences alone, so preserving the differences preserves them.

References:
    Gatys, Bethge, Hertzmann & Shechtman (2016), "Preserving color in neural artistic style
    transfer": luminance-only transfer.
"""

import numpy as np

LUMA = np.array([0.299, 0.587, 0.114])
"""The weights of R, G and B in luma."""
MOST_SATURATED = 1.5
"""How much the ratio of chroma to luma may grow where a picture becomes darker; see `muted`."""
RARE = 0.001
"""The share of a painting's pixels, its most colorful ones, that `most_chroma` leaves out."""

_ROUNDING = 2.5 / 255.0  # Channels of a gray picture may differ so much, in files of JPEG.


def luminance(image: np.ndarray) -> np.ndarray:
    """Returns the luma Y of YIQ, 0.299 R + 0.587 G + 0.114 B of the gamma-encoded values.

    These are the BT.601 weights, which the paper and JPEG use. Differs from BT.709, whose weights
    match sRGB's primaries but apply to linear light: on gamma-encoded values neither gives the
    physical luminance, and BT.709 nearly ignores blue (0.07, against 0.11 here).

    Args:
        image: float32 `[1, H, W, 3]`, RGB, nominally 0..1.

    Returns:
        float32 `[1, H, W, 1]`, nominally 0..1.
    """
    return (image @ LUMA)[..., np.newaxis].astype(np.float32)


def with_luminance(image: np.ndarray, luma: np.ndarray) -> np.ndarray:
    """Returns the picture with its luma replaced and its chroma unchanged, up to rounding (1e-6).

    Adds the same number to R, G and B of a pixel: the weights of Y sum to 1, those of I and Q to 0.

    Args:
        image: float32 `[1, H, W, 3]`, RGB, nominally 0..1, which provides the chroma.
        luma: float32 `[1, H, W, 1]`, nominally 0..1.

    Returns:
        float32 `[1, H, W, 3]`, RGB. Saturated colors may lie outside 0..1; see `into_gamut`.

    References:
        Gatys et al. (2016), luminance-only transfer: the content's I and Q with another Y.
    """
    return (image + (luma - (image @ LUMA)[..., np.newaxis])).astype(np.float32)


def into_gamut(image: np.ndarray) -> np.ndarray:
    """Returns the picture within 0..1, with the same luma and hue but less chroma where needed.

    Colors outside 0..1 move toward the gray of their luma, no further than necessary. Colors
    inside stay the same to the bit. Clipping would change both luma and hue. Luma and chroma
    together determine the color, so one has to change: the chroma, since luma carries the strokes.

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


def is_gray(image: np.ndarray) -> bool:
    """Returns whether an image has no chroma, but for the rounding of 8-bit files.

    Args:
        image: float32 `[1, H, W, 3]`, RGB, nominally 0..1.
    """
    return bool(np.ptp(image, -1).max() <= _ROUNDING)


def muted(image: np.ndarray, luma: np.ndarray) -> np.ndarray:
    """Returns the picture with less chroma where it is to become much darker.

    The same chroma under a darker luma is a more saturated color: beige becomes a burnt orange. The
    ratio of chroma to luma grows at most to `MOST_SATURATED` times the picture's. Colors that
    become lighter, or darker by less than that factor, stay the same to the bit.

    Differs from Gatys et al. (2016), luminance-only transfer, which keeps all chroma: where a dark
    outline is painted a few px beside its place, over something light, it got a colored rim.

    Args:
        image: float32 `[1, H, W, 3]`, RGB, 0..1.
        luma: float32 `[1, H, W, 1]`, nominally 0..1, which the picture gets afterwards; see
            `with_luminance`.

    Returns:
        float32 `[1, H, W, 3]`, RGB, 0..1, with the picture's luma and hue.
    """
    own = luminance(image)
    share = MOST_SATURATED * np.maximum(luma, 0.0) / np.maximum(own, 1e-6)
    return np.where(share < 1.0, own + share * (image - own), image).astype(np.float32)


def chroma(image: np.ndarray) -> np.ndarray:
    """Returns how colorful each pixel is: the largest minus the smallest channel.

    Args:
        image: float32 `[1, H, W, 3]`, RGB, nominally 0..1.

    Returns:
        float32 `[1, H, W, 1]`; 0 for gray.
    """
    return np.ptp(image, axis=-1, keepdims=True)


def most_chroma(image: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Returns the chroma that only the share `RARE` of the pixels exceeds.

    Args:
        image: float32 `[1, H, W, 3]`, RGB 0..1.
        weights: float32 `[1, H, W, 1]`; pixels of less than one half do not count. None for 1.
    """
    values = chroma(image)
    if weights is not None and (weights >= 0.5).any():
        values = values[weights >= 0.5]
    return float(np.quantile(values, 1.0 - RARE))


def within_chroma(image: np.ndarray, most: np.ndarray) -> np.ndarray:
    """Returns the picture with no more chroma than allowed, and the same luma and hue.

    Pixels within the limit stay the same to the bit.

    Args:
        image: float32 `[1, H, W, 3]`, RGB, nominally 0..1.
        most: float32 `[1, H, W, 1]`, at least 0; see `chroma`.

    Returns:
        float32 `[1, H, W, 3]`, RGB.
    """
    found = chroma(image)
    luma = luminance(image)
    share = most / np.maximum(found, 1e-6)
    return np.where(found > most, luma + share * (image - luma), image).astype(np.float32)


def gray(luma: np.ndarray) -> np.ndarray:
    """Returns the gray image `[1, H, W, 3]` of a luma `[1, H, W, 1]`."""
    return np.repeat(luma, 3, axis=-1)
