"""A style picture's statistics of color brought to the content's. No TensorFlow here.

Images are float32 `[1, H, W, 3]`, RGB (sRGB), 0..1; weights are float `[1, H, W, 1]`, at least 0,
and say how much each pixel counts: with them the colors of one region are matched alone. Sums
are taken in float64.

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

# One level of 8 bits. A style that varies by less along a direction has no color there, only
# rounding; amplified to the content's colors this would be noise.
_SMALLEST_DEVIATION = 1.0 / 255.0


class _Samples(NamedTuple):
    """Pixels: values float64 `[n, 3]`; weights float64 `[n]`, which sum to 1."""

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

    With "cholesky" and "symmetric" mean and covariance of the result are the content's: each
    pixel p becomes A (p - mean_S) + mean_C, where A Cov_S A^T = Cov_C. With "histogram" each
    channel's distribution is the content's, so that no value is new.

    A style that varies along some direction of RGB by less than one level of 8 bits (standard
    deviation, as a gray picture does) is taken to vary by one level there: it does not get all of
    the content's color, and no noise of rounding either.

    Args:
        style: float32 `[1, h, w, 3]`, RGB 0..1.
        content: float32 `[1, H, W, 3]`, RGB 0..1.
        method: of `MATCHES`.
        style_weights: float `[1, h, w, 1]`, how much each pixel counts in the statistics; all
            the same if left out. The whole style is changed in any case.
        content_weights: float `[1, H, W, 1]`, likewise.

    Returns:
        float32 `[1, h, w, 3]`, RGB, nominally 0..1: not clipped.

    Raises:
        ValueError: on an unknown method, or weights of another size, below 0 or 0 everywhere.

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
    """Returns the style's luma with mean and standard deviation of the content's.

    L' = (deviation_C / deviation_S) (L - mean_S) + mean_C. A style of less contrast than one
    level of 8 bits is taken to have one level.

    Args:
        style: float32 `[1, h, w, 3]`, RGB 0..1.
        content: float32 `[1, H, W, 3]`, RGB 0..1.
        style_weights: float `[1, h, w, 1]`, how much each pixel counts; all the same if left out.
        content_weights: float `[1, H, W, 1]`, likewise.

    Returns:
        float32 `[1, h, w, 1]`, nominally 0..1: not clipped.

    Raises:
        ValueError: on weights of another size, below 0 or 0 everywhere.

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
    """Returns L_C L_S^-1, of the Cholesky factors L L^T of the covariances.

    It depends on the order of the channels: a gray axis may turn. Positive semidefinite
    contents will do, as gray pictures have them.

    Args:
        style_covariance: float64 `[3, 3]`, raised to the smallest deviation if need be.
        content_covariance: float64 `[3, 3]`.

    Returns:
        float64 `[3, 3]`, lower triangular.

    References:
        Gatys et al. (2016), color histogram matching: A_chol.
    """
    # A factor by QR needs no positive definite matrix, as a decomposition of Cholesky's does:
    # S = B B^T and B^T = Q R give S = R^T R.
    upper = np.linalg.qr(_square_root(content_covariance), mode="r")
    lower = (np.where(np.diag(upper) < 0.0, -1.0, 1.0)[:, np.newaxis] * upper).T
    return lower @ np.linalg.inv(np.linalg.cholesky(_raised(style_covariance)))


def symmetric_map(style_covariance: np.ndarray, content_covariance: np.ndarray) -> np.ndarray:
    """Returns S^-1/2 (S^1/2 C S^1/2)^1/2 S^-1/2: of all that match, what moves colors least.

    Differs from Gatys et al. (2016), who take Image Analogies' C^1/2 S^-1/2: that one matches
    too, but is a symmetric matrix only if C and S have the same axes; else it also turns colors
    about. This is the one symmetric, positive (semi)definite solution, the optimal transport
    between Gaussians.

    Args:
        style_covariance: S, float64 `[3, 3]`, raised to the smallest deviation if need be.
        content_covariance: C, float64 `[3, 3]`.

    Returns:
        float64 `[3, 3]`, symmetric.

    References:
        Pitie & Kokaram (2007), "The linear Monge-Kantorovitch linear color mapping for
        example-based color transfer".
    """
    root = _square_root(_raised(style_covariance))
    inverse = np.linalg.inv(root)
    found = inverse @ _square_root(root @ content_covariance @ root) @ inverse
    return (found + found.T) / 2.0


def _luma_moments(samples: _Samples) -> tuple[float, float]:
    mean, covariance = _moments(samples)
    return float(LUMA @ mean), float(np.sqrt(LUMA @ covariance @ LUMA))


def _samples(image: np.ndarray, weights: np.ndarray | None, argument: str) -> _Samples:
    values = image.reshape(-1, 3).astype(np.float64)
    if weights is None:
        return _Samples(values, np.full(len(values), 1.0 / len(values)))
    if weights.shape != (*image.shape[:3], 1):
        raise ValueError(
            f"`{argument}` must have the shape {(*image.shape[:3], 1)}. "
            f"Received: shape={weights.shape}."
        )
    flat = weights.reshape(-1).astype(np.float64)
    if not (flat.min() >= 0.0 and 0.0 < flat.sum() < np.inf):
        raise ValueError(
            f"`{argument}` must be at least 0, finite, and above 0 somewhere. Received: values of "
            f"{flat.min():g}..{flat.max():g}."
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
    """Returns float64 `[n, 3]`: for each value, the content's at the same rank."""
    channels = [
        np.interp(
            _ranks(style.values[:, channel], style.weights),
            *_quantiles(content.values[:, channel], content.weights),
        )
        for channel in range(3)
    ]
    return np.stack(channels, axis=-1)


def _ranks(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns each value's rank, 0..1: the middle of its weight. Equal values have one rank.

    Else a flat area would be shaded by the order of its pixels.
    """
    _, where = np.unique(values, return_inverse=True)
    mass = np.bincount(where, weights)
    return (np.cumsum(mass) - mass / 2.0)[where]


def _quantiles(values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the ranks of the samples that count, and their values, both ascending."""
    order = np.argsort(values, kind="stable")
    order = order[weights[order] > 0.0]
    mass = weights[order]
    return np.cumsum(mass) - mass / 2.0, values[order]


def _square_root(matrix: np.ndarray) -> np.ndarray:
    """Returns the symmetric square root of a positive semidefinite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T


def _raised(covariance: np.ndarray) -> np.ndarray:
    """Returns the covariance with no deviation below the smallest; itself if there is none."""
    values, vectors = np.linalg.eigh(covariance)
    if values[0] >= _SMALLEST_DEVIATION**2:
        return covariance
    return (vectors * np.maximum(values, _SMALLEST_DEVIATION**2)) @ vectors.T


MATCHES: dict[str, Callable[[_Samples, _Samples], np.ndarray]] = {
    "cholesky": _linear(cholesky_map),
    "symmetric": _linear(symmetric_map),
    "histogram": _histogram,
}
"""Ways to match colors, by name."""
