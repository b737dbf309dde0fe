"""The guided filter: smooths an array but keeps the edges of a guide picture.

Takes and returns NumPy arrays. No TensorFlow here.
"""

import numpy as np


def guided_filter(
    values: np.ndarray, guide: np.ndarray, *, radius: int, epsilon: float
) -> np.ndarray:
    """Returns the values, smoothed where the guide is flat and sharp at the guide's edges.

    In each square window the values are fitted by least squares as a^T guide + b, where `epsilon`
    penalizes large a. Each pixel is the mean of the fits of all windows that contain it. Where the
    guide is flat, this averages the values; across its edges, it does not. Windows are cropped at
    the border.

    Args:
        values: float `[1, H, W, channels]`.
        guide: float `[1, H, W, colors]`, nominally 0..1, for example RGB.
        radius: of the windows, px, at least 1. A window is 2 radius + 1 px wide and high.
        epsilon: above 0, in squared units of the guide. Parts of the guide whose standard
            deviation is below its square root count as flat.

    Returns:
        float, same shape and dtype as `values`, computed in float64. Linear in the values; keeps
        constants. May slightly exceed the range of the values.

    References:
        He, Sun & Tang (2013), "Guided image filtering": the filter for color guides.
    """
    colors = guide[0].astype(np.float64)
    # Subtracting the means first keeps the cumulative sums over the picture precise.
    middle = values[0].mean((0, 1), dtype=np.float64)
    colors = colors - colors.mean((0, 1))
    signals = values[0].astype(np.float64) - middle

    share = 1.0 / _window_sums(np.ones([*colors.shape[:2], 1]), radius)

    def means(array: np.ndarray) -> np.ndarray:
        return _window_sums(array, radius) * share

    colors_mean, signals_mean = means(colors), means(signals)
    moments = colors[..., :, np.newaxis] * np.concatenate([colors, signals], -1)[..., np.newaxis, :]
    moments = means(moments.reshape(*colors.shape[:2], -1)).reshape(moments.shape)
    both = np.concatenate([colors_mean, signals_mean], -1)
    moments -= colors_mean[..., :, np.newaxis] * both[..., np.newaxis, :]
    count = colors.shape[-1]
    spread = moments[..., :count] + epsilon * np.eye(count)
    slopes = np.linalg.solve(spread, moments[..., count:])
    offsets = signals_mean - np.einsum("hwc,hwcs->hws", colors_mean, slopes)

    slopes = means(slopes.reshape(*colors.shape[:2], -1)).reshape(slopes.shape)
    found = np.einsum("hwc,hwcs->hws", colors, slopes) + means(offsets) + middle
    return found[np.newaxis].astype(values.dtype)


def _window_sums(array: np.ndarray, radius: int) -> np.ndarray:
    """Returns the sums of `[H, W, ...]` over the window around each pixel, cropped at borders."""
    for axis in (0, 1):
        length = array.shape[axis]
        places = np.arange(length)
        zero = np.zeros_like(array.take([0], axis))
        sums = np.concatenate([zero, np.cumsum(array, axis)], axis)
        ends = np.minimum(places + radius + 1, length)
        array = sums.take(ends, axis) - sums.take(np.maximum(places - radius, 0), axis)
    return array
