"""Matches the color statistics of a style picture to the content's. No TensorFlow here.

Images are float32 `[1, H, W, 3]`, RGB (sRGB), 0..1. Weights are float `[1, H, W, 1]`, at least 0,
and say how much each pixel counts, for example to match the colors of a single region. Sums are
computed in float64.

References:
    Gatys, Bethge, Hertzmann & Shechtman (2016), "Preserving color in neural artistic style
    transfer": color histogram matching, luminance-only transfer.
    Gatys, Ecker, Bethge, Hertzmann & Shechtman (2017), "Controlling perceptual factors in neural
    style transfer": color control.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tf_style._checks import check_choice
from tf_style.images.color import LUMA, luminance

# One 8-bit level. Along a direction in which a style varies by less, it has no color but only
# rounding errors, and matching the content's deviation would amplify them into noise.
_SMALLEST_DEVIATION = 1.0 / 255.0


class _Samples(NamedTuple):
    """Weighted pixels: values are float64 `[n, 3]`; weights are float64 `[n]` and sum to 1."""

    values: np.ndarray
    weights: np.ndarray


def match_colors(
    style: np.ndarray,
    content: np.ndarray,
    *,
    method: str = "cholesky",
    style_weights: np.ndarray | None = None,
    content_weights: np.ndarray | None = None,
) -> np.ndarray:
    """Returns the style picture with the content's colors.

    "cholesky" and "symmetric" give the result the content's mean and covariance: each pixel p
    becomes A (p - mean_S) + mean_C, where A Cov_S A^T = Cov_C. "histogram" gives each channel the
    content's distribution, so that no channel leaves the content's range.

    Where the style's standard deviation along a direction in RGB is below one 8-bit level, as in a
    gray picture, it counts as one level. Such a style does not take on all of the content's color,
    but its rounding errors are not amplified either.

    Args:
        style: float32 `[1, h, w, 3]`, RGB 0..1.
        content: float32 `[1, H, W, 3]`, RGB 0..1.
        method: one of `MATCHES`.
        style_weights: float `[1, h, w, 1]`, how much each pixel counts in the statistics; uniform
            if omitted. The whole style is recolored in any case.
        content_weights: float `[1, H, W, 1]`, the same for the content.

    Returns:
        float32 `[1, h, w, 3]`, RGB, nominally 0..1, not clipped.

    Raises:
        ValueError: if the method is unknown, or weights have the wrong shape, are below 0 or all 0.

    Example:
        >>> matched = match_colors(painting, photo, method="histogram")

    References:
        Gatys et al. (2016), color histogram matching.
    """
    check_choice("method", method, MATCHES)
    ours = _samples(style, style_weights, "style_weights")
    matched = MATCHES[method](ours, _samples(content, content_weights, "content_weights"))
    return matched.reshape(style.shape).astype(np.float32)


def shift_luminance(
    style: np.ndarray,
    content: np.ndarray,
    *,
    style_weights: np.ndarray | None = None,
    content_weights: np.ndarray | None = None,
) -> np.ndarray:
    """Returns the style's luma with the mean and standard deviation of the content's luma.

    L' = (deviation_C / deviation_S) (L - mean_S) + mean_C. A style deviation of less than one
    8-bit level counts as one level.

    Args:
        style: float32 `[1, h, w, 3]`, RGB 0..1.
        content: float32 `[1, H, W, 3]`, RGB 0..1.
        style_weights: float `[1, h, w, 1]`, how much each pixel counts; uniform if omitted.
        content_weights: float `[1, H, W, 1]`, the same for the content.

    Returns:
        float32 `[1, h, w, 1]`, nominally 0..1, not clipped.

    Raises:
        ValueError: if weights have the wrong shape, are below 0 or all 0.

    References:
        Gatys et al. (2016), luminance-only transfer: L_S'.
    """
    (mean, deviation), (wanted_mean, wanted_deviation) = (
        _luma_moments(_samples(image, weights, argument))
        for image, weights, argument in (
            (style, style_weights, "style_weights"),
            (content, content_weights, "content_weights"),
        )
    )
    gain = wanted_deviation / max(deviation, _SMALLEST_DEVIATION)
    return (gain * (luminance(style).astype(np.float64) - mean) + wanted_mean).astype(np.float32)


def cholesky_map(style_covariance: np.ndarray, content_covariance: np.ndarray) -> np.ndarray:
    """Returns L_C L_S^-1, where L_S and L_C are the Cholesky factors of the covariances.

    The result depends on the order of the channels, and may tint grays. The content's covariance
    may be singular, as that of a gray picture is.

    Args:
        style_covariance: float64 `[3, 3]`. Deviations below one 8-bit level count as one level.
        content_covariance: float64 `[3, 3]`, positive semidefinite.

    Returns:
        float64 `[3, 3]`, lower triangular.

    References:
        Gatys et al. (2016), color histogram matching: A_chol.
    """
    # Unlike a Cholesky decomposition, QR also works for singular matrices: C = B B^T and
    # B^T = Q R give C = R^T R.
    upper = np.linalg.qr(_square_root(content_covariance), mode="r")
    lower = (np.where(np.diag(upper) < 0.0, -1.0, 1.0)[:, np.newaxis] * upper).T
    return lower @ np.linalg.inv(np.linalg.cholesky(_raised(style_covariance)))


def symmetric_map(style_covariance: np.ndarray, content_covariance: np.ndarray) -> np.ndarray:
    """Returns S^-1/2 (S^1/2 C S^1/2)^1/2 S^-1/2, the matching map that moves colors least.

    Differs from Gatys et al. (2016), who use C^1/2 S^-1/2 from Image Analogies: it matches too,
    but is symmetric only if C and S have the same axes; otherwise it also rotates colors. The map
    here is the only symmetric, positive (semi)definite solution: the optimal transport between
    two Gaussians.

    Args:
        style_covariance: S, float64 `[3, 3]`. Deviations below one 8-bit level count as one level.
        content_covariance: C, float64 `[3, 3]`, positive semidefinite.

    Returns:
        float64 `[3, 3]`, symmetric.

    References:
        Pitie & Kokaram (2007), "The linear Monge-Kantorovitch linear colour mapping for
        example-based colour transfer".
    """
    root = _square_root(_raised(style_covariance))
    inverse = np.linalg.inv(root)
    matrix = inverse @ _square_root(root @ content_covariance @ root) @ inverse
    return (matrix + matrix.T) / 2.0


def _luma_moments(samples: _Samples) -> tuple[float, float]:
    mean, covariance = _moments(samples)
    return float(LUMA @ mean), float(np.sqrt(LUMA @ covariance @ LUMA))


def _samples(image: np.ndarray, weights: np.ndarray | None, argument: str) -> _Samples:
    values = image.reshape(-1, 3).astype(np.float64)
    if weights is None:
        return _Samples(values, np.full(len(values), 1.0 / len(values)))
    if weights.shape != (*image.shape[:3], 1):
        raise ValueError(
            f"`{argument}` must have shape {(*image.shape[:3], 1)}. "
            f"Received: shape={weights.shape}."
        )
    flat = weights.reshape(-1).astype(np.float64)
    if not (flat.min() >= 0.0 and 0.0 < flat.sum() < np.inf):
        raise ValueError(
            f"`{argument}` must be finite, at least 0, and above 0 somewhere. Received: values "
            f"from {flat.min():g} to {flat.max():g}."
        )
    return _Samples(values, flat / flat.sum())


def _moments(samples: _Samples) -> tuple[np.ndarray, np.ndarray]:
    mean = samples.weights @ samples.values
    centered = samples.values - mean
    return mean, (centered * samples.weights[:, np.newaxis]).T @ centered


def _linear(
    make_map: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> Callable[[_Samples, _Samples], np.ndarray]:
    def match(style: _Samples, content: _Samples) -> np.ndarray:
        (mean, covariance), (wanted_mean, wanted) = _moments(style), _moments(content)
        return (style.values - mean) @ make_map(covariance, wanted).T + wanted_mean

    return match


def _histogram(style: _Samples, content: _Samples) -> np.ndarray:
    """Returns float64 `[n, 3]`: each style value's counterpart of the same rank in the content."""
    channels = [
        np.interp(
            _ranks(style.values[:, channel], style.weights),
            *_quantiles(content.values[:, channel], content.weights),
        )
        for channel in range(3)
    ]
    return np.stack(channels, axis=-1)


def _ranks(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns each value's rank, 0..1: the cumulative weight up to the middle of its own weight.

    Equal values share a rank. Otherwise the order of its pixels would shade a flat area.
    """
    _, places = np.unique(values, return_inverse=True)
    mass = np.bincount(places, weights)
    return (np.cumsum(mass) - mass / 2.0)[places]


def _quantiles(values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the ranks and the values of the samples with weights above 0, both ascending."""
    order = np.argsort(values, kind="stable")
    order = order[weights[order] > 0.0]
    mass = weights[order]
    return np.cumsum(mass) - mass / 2.0, values[order]


def _square_root(matrix: np.ndarray) -> np.ndarray:
    """Returns the symmetric square root of a positive semidefinite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T


def _raised(covariance: np.ndarray) -> np.ndarray:
    """Returns the covariance with all deviations raised to at least `_SMALLEST_DEVIATION`."""
    values, vectors = np.linalg.eigh(covariance)
    if values[0] >= _SMALLEST_DEVIATION**2:
        return covariance
    return (vectors * np.maximum(values, _SMALLEST_DEVIATION**2)) @ vectors.T


MATCHES: dict[str, Callable[[_Samples, _Samples], np.ndarray]] = {
    "cholesky": _linear(cholesky_map),
    "symmetric": _linear(symmetric_map),
    "histogram": _histogram,
}
"""Methods of color matching, by name."""
