"""The loss of an image: the weighted sum of its terms."""

import functools
import operator
from collections.abc import Mapping
from typing import NamedTuple

import tensorflow as tf

from tf_style.config.loss import LossConfig
from tf_style.objective.scales import SHARE
from tf_style.objective.targets import Targets
from tf_style.objective.terms import TERMS, Measures, Sample


class LossTerms(NamedTuple):
    """The loss and its parts, float32 scalars; `[b]` from `loss_terms` with `per_sample`.

    Attributes:
        total: sum of `content`, `style` and `variation`.
        content: weighted content loss, alpha times C**p / p, where C is the sum over layers, edges
            included, and p is `content_power`.
        style: weighted style loss, beta times the sum over layers of w_l E_l.
        variation: weighted total variation.
        layers: unweighted losses by "content/LAYER" and "style/LAYER": with relative losses 1 for
            nothing reached and 0 for all. With regions, a style loss
            is the sum over regions, each times its factor and its share of the image.
    """

    total: tf.Tensor
    content: tf.Tensor
    style: tf.Tensor
    variation: tf.Tensor
    layers: dict[str, tf.Tensor]


class LossWeights(NamedTuple):
    """The weights of the loss's parts: numbers, or float32 scalars.

    Graphs are traced anew for each new number. Pass scalars to change the weights in one graph.

    Attributes:
        content: alpha.
        style: beta, `style_strength` included.
        variation: gamma.
    """

    content: tf.Tensor | float
    style: tf.Tensor | float
    variation: tf.Tensor | float


def compared(
    config: LossConfig,
    measures: Measures,
    targets: Targets,
    *,
    weights: LossWeights | None = None,
    per_sample: bool = False,
    zero: tf.Tensor | float = 0.0,
) -> LossTerms:
    """Returns the loss of an image and its parts.

    Args:
        config: layers and weights.
        measures: of the image; terms that are not in it add nothing.
        targets: what the image must match.
        weights: replace the config's.
        per_sample: return `[b]` losses instead of scalars.
        zero: value of a part to which nothing is added.
    """
    weights = weights or weights_of(config)
    layers: dict[str, tf.Tensor] = {}
    sums = dict.fromkeys(LossWeights._fields, tf.convert_to_tensor(zero))
    for name, term in TERMS.items():
        if name not in measures:
            continue
        for weight, value, layer in term.compare(config, measures[name], targets, per_sample):
            sums[term.part] += weight * value
            if layer is not None:
                layers[layer] = layers[layer] + value if layer in layers else value
    share = dict(targets.scales).get(SHARE)
    if share is not None and not per_sample:
        share = share[0]
    sums["content"] = powered(config, sums["content"], share)
    parts = {name: weight * sums[name] for name, weight in weights._asdict().items()}
    total = functools.reduce(operator.add, parts.values())
    return LossTerms(total=total, layers=layers, **parts)


def loss_terms(
    config: LossConfig,
    image: tf.Tensor,
    features: Mapping[str, tf.Tensor],
    targets: Targets,
    *,
    weights: LossWeights | None = None,
    per_sample: bool = False,
) -> LossTerms:
    """Returns the loss of an image and its parts.

    Args:
        config: layers and weights.
        image: float `[b, H, W, 3]`, RGB, nominally 0..1, for the terms that look at the image.
        features: of the image, float `[b, h, w, c]`, by layer name.
        targets: what the image must match; layers without a target are left out.
        weights: replace the config's.
        per_sample: return `[b]` losses instead of scalars.
    """
    weights = weights or weights_of(config)
    sample = Sample(image, features, per_sample)
    measures = {
        name: term.measure(config, sample, targets)
        for name, term in TERMS.items()
        if not (term.skips_if_unweighted and _is_zero(getattr(weights, term.part)))
    }
    zero = tf.zeros(tf.shape(image)[:1] if per_sample else [], image.dtype)
    return compared(config, measures, targets, weights=weights, per_sample=per_sample, zero=zero)


def powered(config: LossConfig, content: tf.Tensor, share: tf.Tensor | None = None) -> tf.Tensor:
    """Returns m (C / m)**p / p of the summed content loss C, with the config's `content_power` p.

    m is the mean weight of the positions that count. So the balance of content and style at a
    position is the same whatever share of the picture is painted, or counts more.

    Differs from Gatys et al. (2016), eq. 7, where p = 1: content that has moved far pulls harder,
    so that it ends nearly as far from the photograph with every painting (docs/notes/objective.md).
    """
    power = config.content_power
    if power == 1.0:
        return content
    return content**power / power if share is None else share * (content / share) ** power / power


def _is_zero(weight: tf.Tensor | float) -> bool:
    """Returns whether a weight is known to be 0; a tensor's value is not known."""
    return not tf.is_tensor(weight) and weight == 0.0


def weights_of(config: LossConfig) -> LossWeights:
    """Returns the config's weights of the loss's parts."""
    style_weight = config.style_factor * config.style_weight
    return LossWeights(config.content_weight, style_weight, config.tv_weight)


def by_name(terms: LossTerms) -> dict[str, float]:
    """Returns the terms as numbers by name: "total", ..., "content/LAYER", "style/LAYER"."""
    values = {**terms._asdict(), **terms.layers}
    del values["layers"]
    return {name: float(value) for name, value in values.items()}
