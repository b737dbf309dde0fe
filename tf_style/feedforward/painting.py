"""The pass through a style network: photographs and styles to pictures, as a pure function.

Takes float32 photographs `[b, h, w, 3]`, RGB 0..1, and styles `[b or 1, style_size]`; gives
pictures of the photographs' size. All that a network has learned is an argument.
"""

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import tensorflow as tf

from tf_style.feedforward.architecture import MARGIN, MARGINS, STRIDE, Architecture
from tf_style.feedforward.local_contrast import with_local_contrast

Parameters: TypeAlias = Mapping[str, tf.Tensor]
"""What a network has learned, float32, by the names of `architecture.parameter_shapes`."""

Statistics: TypeAlias = Mapping[str, tuple[tf.Tensor, tf.Tensor]]
"""Means and variances over the positions, float32 `[b, filters]`, by the convolution's name."""

_FLOOR = 1e-5
_BOX = np.array([1.0, 1.0])
_TENT = np.array([0.25, 0.75, 0.75, 0.25])


def paint(
    architecture: Architecture,
    parameters: Parameters,
    photographs: tf.Tensor,
    styles: tf.Tensor,
    *,
    margin: int = MARGIN,
    dtype: tf.DType = tf.float32,
) -> tf.Tensor:
    """Returns the photographs painted in the styles, float32 `[b, h, w, 3]`, within 0..1.

    Args:
        architecture: of the network.
        parameters: of the network.
        photographs: float32 `[b, h, w, 3]`, RGB 0..1, of at least `architecture.LEAST_SIDE` px on
            each side.
        styles: float32 `[b or 1, style_size]`: for each normalization the scales
            minus 1, then the shifts.
        margin: pixels that are mirrored beyond each border.
        dtype: of the features. In bfloat16 a picture differs by 0.2 steps of 8 bits in the mean.
    """
    larger = padded(network_input(architecture, photographs), margin)
    pictures, _ = paint_padded(architecture, parameters, larger, styles, dtype=dtype)
    height, width = tf.unstack(tf.shape(photographs)[1:3])
    pictures = pictures[:, margin : margin + height, margin : margin + width]
    pictures.set_shape(photographs.shape)  # LiteRT has no `tf.ensure_shape`.
    return pictures


def network_input(architecture: Architecture, photographs: tf.Tensor) -> tf.Tensor:
    """Returns photographs with contrasts raised as the architecture tells, of the same shape."""
    if not architecture.local_contrast:
        return photographs
    return with_local_contrast(photographs, architecture.local_contrast)


def paint_padded(
    architecture: Architecture,
    parameters: Parameters,
    photographs: tf.Tensor,
    styles: tf.Tensor,
    *,
    statistics: Statistics | None = None,
    dtype: tf.DType = tf.float32,
) -> tuple[tf.Tensor, Statistics]:
    """Returns pictures of padded photographs, with their margins, and their features' statistics.

    With the statistics of a whole photograph, a part of it is painted as it is in the whole, but
    for places that are less than `reach` px from where it was cut.

    Args:
        architecture: of the network.
        parameters: of the network.
        photographs: float32 `[b, h, w, 3]`, from `network_input` and `padded`, or parts of such
            whose places and sides are multiples of `STRIDE`.
        styles: as for `paint`.
        statistics: what the features are normalized by; their own if omitted.
        dtype: as for `paint`.

    Returns:
        Float32 `[b, h, w, 3]`, within 0..1, and the statistics that were used.
    """
    scales, shifts = split_styles(architecture, styles)
    used: dict[str, tuple[tf.Tensor, tf.Tensor]] = dict(statistics or {})

    def convolved(features: tf.Tensor, name: str, stride: int = 1) -> tf.Tensor:
        kernel = tf.cast(parameters[name], dtype)
        return tf.nn.conv2d(features, kernel, stride, "SAME")

    def enlarged(features: tf.Tensor, name: str, filter_1d: np.ndarray) -> tf.Tensor:
        return enlarging_convolution(features, parameters[name], filter_1d, dtype)

    def normalized(features: tf.Tensor, name: str, *, activates: bool = True) -> tf.Tensor:
        features, used[name] = _normalized(features, scales[name], shifts[name], used.get(name))
        return tf.nn.relu(features) if activates else features

    features = tf.cast(photographs - 0.5, dtype)
    features = normalized(convolved(features, "shrink1", 2), "shrink1")
    features = normalized(convolved(features, "shrink2", 2), "shrink2")
    for block in range(1, architecture.blocks + 1):
        first, second = f"block{block}_conv1", f"block{block}_conv2"
        inner = normalized(convolved(features, first), first)
        features += normalized(convolved(inner, second), second, activates=False)
    features = normalized(enlarged(features, "enlarge1", _BOX), "enlarge1")
    logits = tf.cast(enlarged(features, "enlarge2", _TENT), tf.float32)
    return tf.sigmoid(logits + parameters["bias"]), used


def reach(architecture: Architecture) -> int:
    """Returns how far from a pixel of a network's input its painted pixels lie at most, px.

    It is a multiple of `STRIDE`: 4 px for each of the convolutions between, and as much as three of
    them for those that shrink and enlarge.
    """
    return STRIDE * (2 * architecture.blocks + 3)


def split_styles(
    architecture: Architecture, styles: tf.Tensor
) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
    """Returns the scales and the shifts, float `[b, filters]`, by the convolution's name."""
    sizes = [2 * filters for filters in architecture.normalized.values()]
    parts = tf.split(styles, sizes, -1)
    halves = [tf.split(part, 2, -1) for part in parts]
    names = list(architecture.normalized)
    return (
        {name: 1.0 + half[0] for name, half in zip(names, halves, strict=True)},
        {name: half[1] for name, half in zip(names, halves, strict=True)},
    )


def padded(images: tf.Tensor, margin: int = MARGIN) -> tf.Tensor:
    """Returns images mirrored by `margin` px at the borders, then to multiples of `STRIDE`.

    What is beyond the first of `MARGINS` is mirrored in a second pass.
    """
    # No remainder of a negative number, which ONNX's converter gets wrong.
    up = STRIDE - 1
    height, width = ((side + up) // STRIDE * STRIDE for side in tf.unstack(tf.shape(images)[1:3]))
    # Fixed margins, so that the number of channels stays known to converters.
    first, second = min(margin, MARGINS[0]), max(0, margin - MARGINS[0])
    sides = [first, first + up]
    larger = tf.pad(images, [[0, 0], sides, sides, [0, 0]], "REFLECT")
    if second:
        sides = [second, second]
        larger = tf.pad(larger, [[0, 0], sides, sides, [0, 0]], "REFLECT")
    return larger[:, : 2 * margin + height, : 2 * margin + width]


def enlarging_convolution(
    features: tf.Tensor, kernel: tf.Tensor, filter_1d: np.ndarray, dtype: tf.DType
) -> tf.Tensor:
    """Returns the convolution of features enlarged twofold, without the enlarged features.

    Enlarging and convolving are one transposed convolution, whose kernel is the convolution of
    both. Every pixel is computed by weights that all phases share, so there is no checkerboard
    (Odena et al., 2016, Deconvolution and checkerboard artifacts).

    Args:
        features: `[b, h, w, in]`.
        kernel: float `[3, 3, in, filters]`.
        filter_1d: of the enlargement along one axis: 2 values repeat pixels, 4 are bilinear.
        dtype: of the result.

    Returns:
        `[b, 2 h, 2 w, filters]`.
    """
    spread = tf.cast(enlarging_kernel(kernel, filter_1d), dtype)
    batch, height, width = tf.unstack(tf.shape(features)[:3])
    shape = [batch, 2 * height, 2 * width, kernel.shape[-1]]
    return tf.nn.conv2d_transpose(features, spread, shape, 2, "SAME")


def enlarging_kernel(kernel: tf.Tensor, filter_1d: np.ndarray) -> tf.Tensor:
    """Returns the transposed convolution's kernel, float32 `[n, n, filters, in]`, n = 2 + taps."""
    taps = len(filter_1d)
    spreading = np.zeros([taps + 2, 3], np.float32)
    for shift in range(3):
        spreading[shift : shift + taps, 2 - shift] = filter_1d
    return tf.einsum("pi,qj,ijcf->pqfc", spreading, spreading, tf.cast(kernel, tf.float32))


def _normalized(
    features: tf.Tensor,
    scale: tf.Tensor,
    shift: tf.Tensor,
    statistics: tuple[tf.Tensor, tf.Tensor] | None,
) -> tuple[tf.Tensor, tuple[tf.Tensor, tf.Tensor]]:
    """Returns features with each sample's filters normalized, scaled and shifted; the statistics.

    The mean and the variance are over the positions of a sample (Ulyanov et al., 2016), unless they
    are given.
    """
    if scale.shape[0] == 1 and features.shape[0] == 1:
        # One operation, which takes a third of the time.
        mean, variance = [[], []] if statistics is None else [each[0] for each in statistics]
        normalized, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=features, scale=scale[0], offset=shift[0], mean=mean, variance=variance,
            is_training=statistics is None, epsilon=_FLOOR,
        )  # fmt: skip
        if statistics is None:  # It gives the variance that is divided by one position less.
            count = tf.cast(tf.reduce_prod(tf.shape(features)[1:3]), tf.float32)
            statistics = mean[tf.newaxis], (variance * (count - 1.0) / count)[tf.newaxis]
        return normalized, statistics
    exact = tf.cast(features, tf.float32)
    statistics = tf.nn.moments(exact, [1, 2]) if statistics is None else statistics
    mean, variance = (each[:, tf.newaxis, tf.newaxis] for each in statistics)
    factor = scale[:, tf.newaxis, tf.newaxis] * tf.math.rsqrt(variance + _FLOOR)
    exact = exact * factor + (shift[:, tf.newaxis, tf.newaxis] - mean * factor)
    return tf.cast(exact, features.dtype), statistics
