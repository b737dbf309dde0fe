"""The pass through a style network: photographs and styles to pictures, as a pure function.

Takes float32 photographs `[b, h, w, 3]`, RGB 0..1, and styles `[b or 1, style_size]`; gives
pictures of the photographs' size. All that a network has learned is an argument.
"""

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import tensorflow as tf

from tf_style.feedforward.architecture import STRIDE, Architecture

Parameters: TypeAlias = Mapping[str, tf.Tensor]
"""What a network has learned, float32, by the names of `architecture.parameter_shapes`."""

MARGIN = 16
"""Pixels that are mirrored beyond each border before the first convolution."""

_FLOOR = 1e-5
_BOX = np.array([1.0, 1.0])
_TENT = np.array([0.25, 0.75, 0.75, 0.25])


def paint(
    architecture: Architecture,
    parameters: Parameters,
    photographs: tf.Tensor,
    styles: tf.Tensor,
    *,
    dtype: tf.DType = tf.float32,
) -> tf.Tensor:
    """Returns the photographs painted in the styles, float32 `[b, h, w, 3]`, within 0..1.

    Args:
        architecture: of the network.
        parameters: of the network.
        photographs: float32 `[b, h, w, 3]`, RGB 0..1, at least `MARGIN` + `STRIDE` px on each side.
        styles: float32 `[b or 1, architecture.style_size]`: for each normalization the scales
            minus 1, then the shifts.
        dtype: of the features. In bfloat16 a picture differs by about one step of 8 bits.
    """
    scales, shifts = split_styles(architecture, styles)

    def convolved(features: tf.Tensor, name: str, stride: int = 1) -> tf.Tensor:
        kernel = tf.cast(parameters[name], dtype)
        return tf.nn.conv2d(features, kernel, stride, "SAME")

    def enlarged(features: tf.Tensor, name: str, filter_1d: np.ndarray) -> tf.Tensor:
        return enlarging_convolution(features, parameters[name], filter_1d, dtype)

    def normalized(features: tf.Tensor, name: str, *, activates: bool = True) -> tf.Tensor:
        return _normalized(features, scales[name], shifts[name], activates=activates)

    features = tf.cast(padded(photographs) - 0.5, dtype)
    features = normalized(convolved(features, "shrink1", 2), "shrink1")
    features = normalized(convolved(features, "shrink2", 2), "shrink2")
    for block in range(1, architecture.blocks + 1):
        first, second = f"block{block}_conv1", f"block{block}_conv2"
        inner = normalized(convolved(features, first), first)
        features += normalized(convolved(inner, second), second, activates=False)
    features = normalized(enlarged(features, "enlarge1", _BOX), "enlarge1")
    logits = tf.cast(enlarged(features, "enlarge2", _TENT), tf.float32)
    height, width = tf.unstack(tf.shape(photographs)[1:3])
    logits = logits[:, MARGIN : MARGIN + height, MARGIN : MARGIN + width]
    pictures = tf.sigmoid(logits + parameters["bias"])
    pictures.set_shape(photographs.shape)  # LiteRT has no `tf.ensure_shape`.
    return pictures


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


def padded(images: tf.Tensor) -> tf.Tensor:
    """Returns images mirrored by `MARGIN` px at the borders, then to multiples of `STRIDE`."""
    # No remainder of a negative number, which ONNX's converter gets wrong.
    up = STRIDE - 1
    height, width = ((side + up) // STRIDE * STRIDE for side in tf.unstack(tf.shape(images)[1:3]))
    # Fixed margins, so that the number of channels stays known to converters.
    margin = [MARGIN, MARGIN + up]
    larger = tf.pad(images, [[0, 0], margin, margin, [0, 0]], "REFLECT")
    return larger[:, : 2 * MARGIN + height, : 2 * MARGIN + width]


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
    features: tf.Tensor, scale: tf.Tensor, shift: tf.Tensor, *, activates: bool
) -> tf.Tensor:
    """Returns features with each sample's filters normalized, scaled and shifted; then ReLU.

    The mean and the variance are over the positions of a sample (Ulyanov et al., 2016).
    """
    if scale.shape[0] == 1 and features.shape[0] == 1:
        # One operation, which takes a third of the time.
        normalized, *_ = tf.raw_ops.FusedBatchNormV3(
            x=features, scale=scale[0], offset=shift[0], mean=[], variance=[],
            is_training=True, epsilon=_FLOOR,
        )  # fmt: skip
        return tf.nn.relu(normalized) if activates else normalized
    exact = tf.cast(features, tf.float32)
    mean, variance = tf.nn.moments(exact, [1, 2], keepdims=True)
    factor = scale[:, tf.newaxis, tf.newaxis] * tf.math.rsqrt(variance + _FLOOR)
    exact = exact * factor + (shift[:, tf.newaxis, tf.newaxis] - mean * factor)
    exact = tf.nn.relu(exact) if activates else exact
    return tf.cast(exact, features.dtype)
