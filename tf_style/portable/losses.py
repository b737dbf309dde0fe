"""The losses with their gradients, written by hand in forward operations.

Each loss function returns the loss, a float scalar, and its gradient with respect to the features,
float `[1, h, w, c]`, or to the image. The losses are those of `losses.content`, `losses.moments`
and `losses.variation`; `portable.layers` says why their gradients are written by hand.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import tensorflow as tf

from tf_style.config.loss import LossConfig
from tf_style.losses import content
from tf_style.losses import moments as moment_losses
from tf_style.losses.matrix_root import trace_and_gradient
from tf_style.losses.style import STYLE_LOSSES as TABLE
from tf_style.objective.scales import FLOOR, FLOOR_OF_PIXELS, IMAGE, content_scales, relative
from tf_style.objective.targets import Targets
from tf_style.portable.layers import LayerWithGradient, mirror_padding

LossAndGradient = tuple[tf.Tensor, tf.Tensor]


def sum_content(features: tf.Tensor, target: tf.Tensor) -> LossAndGradient:
    """Returns `content.content_loss` and its gradient."""
    return content.content_loss(features, target), features - target


def mean_content(features: tf.Tensor, target: tf.Tensor) -> LossAndGradient:
    """Returns `content.mean_content_loss` and its gradient."""
    gradient = (features - target) * (2.0 / _size(features))
    return content.mean_content_loss(features, target), gradient


CONTENT_LOSSES: dict[str, Callable[[tf.Tensor, tf.Tensor], LossAndGradient]] = {
    "sum": sum_content,
    "mean": mean_content,
}
"""Content losses with their gradients, by `content_reduction`."""


def gram_matrix(features: tf.Tensor) -> tf.Tensor:
    """Returns `losses.moments.gram_matrix`, in forward operations and without a gradient."""
    rows = _rows(features)
    return tf.matmul(rows, rows, transpose_a=True) / _positions(features)


def _by_features(features: tf.Tensor, by_gram: tf.Tensor) -> tf.Tensor:
    """Returns the gradient with respect to the features, from that to their Gram matrix."""
    both = (by_gram + tf.linalg.matrix_transpose(by_gram)) / _positions(features)
    return tf.reshape(tf.matmul(_rows(features), both), tf.shape(features))


def gram_style(features: tf.Tensor, target: tf.Tensor) -> LossAndGradient:
    """Returns `losses.moments.style_loss` of the features' Gram matrix, and its gradient."""
    gram = gram_matrix(features)
    filters = gram.shape[-1]
    gradient = _by_features(features, (gram - target) / (2.0 * filters**2))
    return moment_losses.style_loss(gram, target), gradient


def moments(features: tf.Tensor) -> moment_losses.Moments:
    """Returns `losses.moments.moments`, in forward operations and without a gradient."""
    return moment_losses.moments(features, gram=gram_matrix)


def wasserstein_style(features: tf.Tensor, target: moment_losses.GaussianTarget) -> LossAndGradient:
    """Returns `losses.moments.wasserstein_loss` of the features' moments, and its gradient.

    Let S be the covariance (the second moment minus the square of the mean), R the root of the
    target's covariance, and D the gradient of trace((R S R)^(1/2)) with respect to R S R. The
    gradient with respect to S is (I - 2 R D R) / c, where c is the number of channels.
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
        target: takes the style's features; returns the target of a layer, as in `Targets.style`.
        loss: takes the image's features and the target; returns the loss and its gradient.
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
    """Returns the features as rows, float `[b, h * w, c]`."""
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
"""The margins that a window cuts off, in px: (above, below), (left, right)."""


class Variation(NamedTuple):
    """A total variation: weighted squares of differences of two windows of the image.

    Attributes:
        differences: for each, its weight, a window, and the window subtracted from it.
        is_mean: whether the squares are averaged, not summed.
        border: the padding applied to the image first, with its gradient.
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
"""Total variations as differences, by `tv_form`: those of `variation.TOTAL_VARIATIONS`."""


def variation(image: tf.Tensor, form: str) -> LossAndGradient:
    """Returns the total variation of `VARIATIONS[form]` and its gradient.

    Args:
        image: float `[1, H, W, 3]`.
        form: one of `VARIATIONS`.
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
    """Returns the part of the image inside a window."""
    (above, below), (left, right) = window
    return image[:, above : -below or None, left : -right or None]


def _placed(values: tf.Tensor, window: Window) -> tf.Tensor:
    """Returns the gradient of `_cut`: the values inside the window, and zeros around it."""
    return tf.pad(values, [[0, 0], list(window[0]), list(window[1]), [0, 0]])


class PortableLoss(NamedTuple):
    """A weighted summand of a term, with its gradient.

    Attributes:
        weight: of the summand within its part of the loss.
        value: the unweighted loss, a float scalar.
        gradient: of the unweighted loss, with respect to the map named `at`.
        at: a layer, or `scales.IMAGE` for terms that look at the image itself.
        name: "content/LAYER" or "style/LAYER"; None if it is not listed.
    """

    weight: float
    value: tf.Tensor
    gradient: tf.Tensor
    at: str
    name: str | None = None


def _content_losses(
    config: LossConfig, image: tf.Tensor, features: Mapping[str, tf.Tensor], targets: Targets
) -> Iterator[PortableLoss]:
    for layer, weight in config.content_layers:
        loss = CONTENT_LOSSES[config.content_reduction]
        both = loss(features[layer], targets.content[layer])
        both = _relative(config, both, dict(targets.scales).get(layer))
        yield PortableLoss(weight, *both, layer, f"content/{layer}")


def _style_losses(
    config: LossConfig, image: tf.Tensor, features: Mapping[str, tf.Tensor], targets: Targets
) -> Iterator[PortableLoss]:
    for layer, weight in config.style_layers:
        name, target = config.style_losses[layer], targets.style[layer]
        both = STYLE_LOSSES[name].loss(features[layer], target)
        both = _relative(config, both, TABLE[name].scale(target))
        yield PortableLoss(weight, *both, layer, f"style/{layer}")


def _variation_losses(
    config: LossConfig, image: tf.Tensor, features: Mapping[str, tf.Tensor], targets: Targets
) -> Iterator[PortableLoss]:
    both = variation(image, config.tv_form)
    scale = dict(targets.scales).get(IMAGE)
    yield PortableLoss(1.0, *_relative(config, both, scale, floor=FLOOR_OF_PIXELS), IMAGE)


def _relative(
    config: LossConfig, both: LossAndGradient, scale: tf.Tensor | None, *, floor: float = FLOOR
) -> LossAndGradient:
    """Returns a loss and its gradient, divided by the loss's scale if losses are relative."""
    if not config.relative_losses or scale is None:
        return both
    value, gradient = (relative(config, each, scale, floor=floor) for each in both)
    return value, gradient


def powered(config: LossConfig, content: tf.Tensor) -> LossAndGradient:
    """Returns `objective.loss.powered` of the content loss, and its slope."""
    power = config.content_power
    slope = content ** (power - 1.0)
    return content * slope / power, slope


def scales(
    config: LossConfig, content: Mapping[str, tf.Tensor], style: tf.Tensor
) -> dict[str, tf.Tensor] | tuple[()]:
    """Returns `Targets.scales`, in forward operations; empty if losses are not relative."""
    if not config.relative_losses:
        return ()
    found = content_scales(config, content)
    if config.tv_weight:
        found[IMAGE] = variation(style, config.tv_form)[0][tf.newaxis]
    return found


TERMS: dict[str, Callable[..., Iterator[PortableLoss]]] = {
    "content": _content_losses,
    "style": _style_losses,
    "variation": _variation_losses,
}
"""The terms of `objective.terms.TERMS` that have a reverse pass here; "edges" has none.

Each maps (config, image, features by layer, targets) to the summands of the term.
"""
