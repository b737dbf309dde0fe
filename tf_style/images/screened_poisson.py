"""From a result that looks painted to one that looks photographed. No TensorFlow here.

The style loss sees no difference between a photograph's texture and a painter's, so that with
two photographs the result has distorted lines and noise in its skies. What is done about it
here is done afterwards, to the finished image.
"""

import numpy as np


def screened_poisson(image: np.ndarray, content: np.ndarray, *, fidelity: float) -> np.ndarray:
    """Returns the image with gradients near those of the content.

    For each channel, the O that minimizes fidelity * sum((O - image)**2) +
    sum(|grad O - grad content|**2), with differences of neighboring pixels as gradients, none
    across the border. The minimum is exact: with D = image - content it solves
    (fidelity + L) (O - content) = fidelity * D, where L is the Laplacian (its negative), which
    cosines diagonalize. So the change that the style made is kept where it is broad, waves
    longer than about 2 pi / sqrt(fidelity) px, and what is finer is the content's.

    Args:
        image: float32 `[1, H, W, 3]`, RGB, nominally 0..1: what was made of the content.
        content: float32 `[1, H, W, 3]`, RGB 0..1.
        fidelity: to the image, per px**2, above 0. At infinity the image itself is returned.

    Returns:
        Float32 `[1, H, W, 3]`, not clipped; worked out in float64.

    References:
        Mechrez, Shechtman & Zelnik-Manor (2017), Photorealistic style transfer with screened
        Poisson equation; Bhat et al. (2008), Fourier analysis of the 2D screened Poisson equation
        for gradient domain problems.
    """
    if np.isinf(fidelity):
        return image
    result = np.empty_like(image, dtype=np.float32)
    height, width = image.shape[1:3]
    rows, columns = (_laplacian(2 * length) for length in (height, width))
    kept = fidelity / (fidelity + rows[:, np.newaxis] + columns[: width + 1])
    # One channel after the other, as each takes some 100 bytes for each pixel.
    for channel in range(image.shape[-1]):
        change = image[0, ..., channel].astype(np.float64) - content[0, ..., channel]
        # Cosines have no step at the borders: they are the waves of the picture beside its
        # mirror image.
        for axis in (0, 1):
            change = np.concatenate([change, np.flip(change, axis)], axis)
        waves = np.fft.rfft2(change)
        waves *= kept
        change = np.fft.irfft2(waves, s=change.shape)
        result[0, ..., channel] = content[0, ..., channel] + change[:height, :width]
    return result


def _laplacian(length: int) -> np.ndarray:
    """Returns what second differences (their negative) multiply each wave of a ring by."""
    return 2.0 - 2.0 * np.cos(2.0 * np.pi * np.arange(length) / length)
