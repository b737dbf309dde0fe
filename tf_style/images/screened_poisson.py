"""Makes a stylized image look like a photograph, as a post-processing step. No TensorFlow here.

The style loss cannot tell the texture of a photograph from that of a painting, so a photograph in
the style of another one has distorted lines and noisy skies. The screened Poisson equation gives
the finished image the fine detail of its content.
"""

import numpy as np


def screened_poisson(image: np.ndarray, content: np.ndarray, *, fidelity: float) -> np.ndarray:
    """Returns the image with its gradients pulled toward those of the content.

    Per channel, the result O minimizes fidelity * sum((O - image)**2) +
    sum(|grad O - grad content|**2), where gradients are differences of neighboring pixels, with
    none across the border. The minimum is exact: with D = image - content, it solves
    (fidelity + L) (O - content) = fidelity * D, where L is the negative Laplacian, which the
    cosine transform diagonalizes. The result keeps what the style changed at wavelengths above
    about 2 pi / sqrt(fidelity) px; finer detail comes from the content.

    Args:
        image: float32 `[1, H, W, 3]`, RGB, nominally 0..1, the stylized content.
        content: float32 `[1, H, W, 3]`, RGB 0..1.
        fidelity: weight of the image, per px**2, above 0. If infinite, the image is returned.

    Returns:
        float32 `[1, H, W, 3]`, not clipped; computed in float64.

    References:
        Mechrez, Shechtman & Zelnik-Manor (2017), "Photorealistic style transfer with screened
        Poisson equation"; Bhat et al. (2008), "Fourier analysis of the 2D screened Poisson
        equation for gradient domain problems".
    """
    if np.isinf(fidelity):
        return image
    result = np.empty_like(image, dtype=np.float32)
    height, width = image.shape[1:3]
    rows, columns = (_laplacian(2 * length) for length in (height, width))
    gains = fidelity / (fidelity + rows[:, np.newaxis] + columns[: width + 1])
    # One channel at a time, because each takes about 100 bytes per pixel.
    for channel in range(image.shape[-1]):
        change = image[0, ..., channel].astype(np.float64) - content[0, ..., channel]
        # The cosine transform of a picture is the Fourier transform of the picture joined to its
        # mirror image, which has no step at the borders.
        for axis in (0, 1):
            change = np.concatenate([change, np.flip(change, axis)], axis)
        waves = np.fft.rfft2(change)
        waves *= gains
        change = np.fft.irfft2(waves, s=change.shape)
        result[0, ..., channel] = content[0, ..., channel] + change[:height, :width]
    return result


def _laplacian(length: int) -> np.ndarray:
    """Returns the eigenvalues of the negative second difference on a ring, by frequency."""
    return 2.0 - 2.0 * np.cos(2.0 * np.pi * np.arange(length) / length)
