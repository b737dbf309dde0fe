"""The losses with their gradients, written by hand in forward operations.

Each function gives a loss, a float scalar, and its gradient: the gradient with respect to the
features, float `[1, h, w, c]`, or to the image. The losses are those of `losses` and
`moment_losses`; why their gradients are written out is told in `portable_layers`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from tf_style.losses import content
from tf_style.losses import moments as moment_losses
from tf_style.losses.matrix_root import trace_and_gradient
from tf_style.portable.layers import LayerWithGradient, mirror_padding

LossAndGradient = tuple[tf.Tensor, tf.Tensor]


def sum_content(features: tf.Tensor, target: tf.Tensor) -> LossAndGradient:
    """Returns `losses.content_loss` and its gradient."""
    return content.content_loss(features, target), features - target


def mean_content(features: tf.Tensor, target: tf.Tensor) -> LossAndGradient:
    """Returns `losses.mean_content_loss` and its gradient."""
    gradient = (features - target) * (2.0 / _size(features))
    return content.mean_content_loss(features, target), gradient


CONTENT_LOSSES: dict[str, Callable[[tf.Tensor, tf.Tensor], LossAndGradient]] = {
    "sum": sum_content,
    "mean": mean_content,
}
"""Content losses with their gradients, by `content_reduction`."""


def gram_matrix(features: tf.Tensor) -> tf.Tensor:
    """Returns `moment_losses.gram_matrix`, without a gradient of its own."""
    rows = _rows(features)
    return tf.matmul(rows, rows, transpose_a=True) / _positions(features)


def _by_features(features: tf.Tensor, by_gram: tf.Tensor) -> tf.Tensor:
    """Returns the gradient with respect to the features from that to their Gram matrix."""
    both = (by_gram + tf.linalg.matrix_transpose(by_gram)) / _positions(features)
    return tf.reshape(tf.matmul(_rows(features), both), tf.shape(features))


def gram_style(features: tf.Tensor, target: tf.Tensor) -> LossAndGradient:
    """Returns `moment_losses.style_loss` of the features' Gram matrix, and its gradient."""
    gram = gram_matrix(features)
    filters = gram.shape[-1]
    gradient = _by_features(features, (gram - target) / (2.0 * filters**2))
    return moment_losses.style_loss(gram, target), gradient


def moments(features: tf.Tensor) -> moment_losses.Moments:
    """Returns `moment_losses.moments`, without a gradient of its own."""
    return moment_losses.Moments(tf.reduce_mean(features, [1, 2]), gram_matrix(features))


def wasserstein_style(features: tf.Tensor, target: moment_losses.GaussianTarget) -> LossAndGradient:
    """Returns `moment_losses.wasserstein_loss` of the features' moments, and its gradient.

    With S the covariance, R the target's root and D the gradient of the trace of (R S R)'s
    root, the gradient with respect to S is I - 2 R D R. S is the second moment less the square
    of the mean.
    """
    image = moments(features)
    covariance = moment_losses.covariance(image)
    inner = tf.matmul(target.root, tf.matmul(covariance, target.root))
    trace_of_root, trace_gradient = trace_and_gradient(inner)
    identity = tf.eye(covariance.shape[-1], dtype=covariance.dtype)
    gap = image.mean - target.mean
    channels = float(features.shape[-1])
    traces = tf.reduce_sum(identity * covariance) + tf.reduce_sum(tf.square(target.root))
    between_means = tf.reduce_sum(tf.square(gap))
    loss = (between_means + traces - 2.0 * tf.reduce_sum(trace_of_root)) / channels

    by_inner = tf.matmul(trace_gradient(tf.ones_like(trace_of_root)), target.root)
    by_second = (identity - 2.0 * tf.matmul(target.root, by_inner)) / channels
    both = by_second + tf.linalg.matrix_transpose(by_second)
    by_mean = (2.0 / channels) * gap[:, tf.newaxis] - tf.matmul(image.mean[:, tf.newaxis], both)
    gradient = _by_features(features, by_second)
    return loss, gradient + by_mean[:, tf.newaxis] / _positions(features)


class StyleLoss(NamedTuple):
    """A style loss with its gradient.

    Attributes:
        target: the style's features to its target, as `Targets.style` holds it for a layer.
        loss: the image's features and the target to the loss and its gradient.
    """

    target: Callable[[tf.Tensor], Any]
    loss: Callable[[tf.Tensor, Any], LossAndGradient]


STYLE_LOSSES: dict[str, StyleLoss] = {
    "gram": StyleLoss(gram_matrix, gram_style),
    "wasserstein": StyleLoss(
        lambda features: moment_losses.wasserstein_target(moments(features)), wasserstein_style
    ),
}
"""Style losses with their gradients, by `style_loss`."""


def _rows(features: tf.Tensor) -> tf.Tensor:
    """Returns float `[b, h * w, c]`."""
    shape = tf.shape(features)
    return tf.reshape(features, [shape[0], shape[1] * shape[2], features.shape[-1]])


def _positions(features: tf.Tensor) -> tf.Tensor:
    """Returns h * w as a float."""
    sides = tf.cast(tf.shape(features)[1:3], features.dtype)
    return sides[0] * sides[1]


def _size(features: tf.Tensor) -> tf.Tensor:
    """Returns h * w * c, for a batch of one."""
    return _positions(features) * features.shape[-1]


Window = tuple[tuple[int, int], tuple[int, int]]
"""What is cut off: (lines above, below), (columns on the left, on the right)."""


class Variation(NamedTuple):
    """A total variation: weighted squares of differences of two windows of the image.

    Attributes:
        differences: (weight, window, window subtracted from it).
        is_mean: whether squares are averaged; else they are added up.
        border: what comes first, with its gradient.
    """

    differences: tuple[tuple[float, Window, Window], ...]
    is_mean: bool
    border: LayerWithGradient


_UNCHANGED = LayerWithGradient(lambda image: image, lambda inputs, outputs, upstream: upstream)

VARIATIONS: dict[str, Variation] = {
    "mean_square": Variation(
        (
            (1.0, ((1, 0), (0, 0)), ((0, 1), (0, 0))),
            (1.0, ((0, 0), (1, 0)), ((0, 0), (0, 1))),
        ),
        True,
        _UNCHANGED,
    ),
    "sum_square": Variation(
        (
            (0.5, ((1, 0), (0, 1)), ((0, 1), (0, 1))),
            (0.5, ((0, 1), (1, 0)), ((0, 1), (0, 1))),
        ),
        False,
        _UNCHANGED,
    ),
    "nine_point": Variation(
        (
            (2.0 / 3.0, ((2, 0), (1, 1)), ((1, 1), (1, 1))),
            (2.0 / 3.0, ((1, 1), (2, 0)), ((1, 1), (1, 1))),
            (1.0 / 6.0, ((1, 0), (1, 0)), ((0, 1), (0, 1))),
            (1.0 / 6.0, ((1, 0), (0, 1)), ((0, 1), (1, 0))),
        ),
        True,
        mirror_padding("SYMMETRIC"),
    ),
}
"""Total variations as differences, by `tv_form`: `variations.TOTAL_VARIATIONS`."""


def variation(image: tf.Tensor, form: str) -> LossAndGradient:
    """Returns the total variation of `VARIATIONS[form]` and its gradient.

    Args:
        image: float `[1, H, W, 3]`.
        form: of `VARIATIONS`.
    """
    differences, is_mean, border = VARIATIONS[form]
    padded = border.forward(image)
    values, gradients = [], []
    for weight, window, other in differences:
        difference = _cut(padded, window) - _cut(padded, other)
        share = weight / _size(difference) if is_mean else tf.constant(weight, image.dtype)
        values.append(share * tf.reduce_sum(tf.square(difference)))
        by_difference = 2.0 * share * difference
        gradients.append(_placed(by_difference, window) - _placed(by_difference, other))
    return tf.add_n(values), border.backward(image, padded, tf.add_n(gradients))


def _cut(image: tf.Tensor, window: Window) -> tf.Tensor:
    """Returns what a window leaves of the image."""
    (above, below), (left, right) = window
    return image[:, above : -below or None, left : -right or None]


def _placed(values: tf.Tensor, window: Window) -> tf.Tensor:
    """Returns the values in an image of zeros, of which the window leaves them."""
    return tf.pad(values, [[0, 0], list(window[0]), list(window[1]), [0, 0]])
