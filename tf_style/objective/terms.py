"""The loss of an image: what it is to match, what is measured of it, and the terms.

In two steps. `measured` takes features to what the losses compare, which is without positions;
`compared` takes that to the loss. What is additive may so be measured in parts and added up.
"""

from typing import Any, NamedTuple

import tensorflow as tf

from tf_style.config.loss import LossConfig
from tf_style.losses import content as content_losses
from tf_style.losses.style import STYLE_LOSSES
from tf_style.losses.variation import TOTAL_VARIATIONS
from tf_style.objective.targets import EDGES, Targets, guide_of, regions_of


class LossTerms(NamedTuple):
    """The loss and its parts, float32 scalars (`[b]` from `loss_terms` with `per_sample`).

    Attributes:
        total: the sum of `content`, `style` and `variation`.
        content: weighted content loss, alpha * sum of the layers'.
        style: weighted style loss, beta * sum of the layers' w_l E_l.
        variation: weighted total variation.
        layers: unweighted loss by "content/LAYER", "style/LAYER"; of regions the sum, each times
            its strength and its share of the picture.
    """

    total: tf.Tensor
    content: tf.Tensor
    style: tf.Tensor
    variation: tf.Tensor
    layers: dict[str, tf.Tensor]


class LossWeights(NamedTuple):
    """The weights of the loss terms: numbers, or float32 scalars.

    Graphs are traced anew for each new number; pass scalars to vary them in one graph.

    Attributes:
        content: alpha.
        style: beta, `style_strength` included.
        variation: gamma.
    """

    content: tf.Tensor | float
    style: tf.Tensor | float
    variation: tf.Tensor | float


class Measured(NamedTuple):
    """What losses compare, without positions: of an image, or of parts of it the sum.

    Attributes:
        content: unweighted losses by layer name, and of `EDGES`.
        style: for the whole image and each region what its losses measure, by layer name.
        variation: unweighted total variation; empty if its weight is 0.
    """

    content: dict[str, tf.Tensor]
    style: tuple[dict[str, Any], ...]
    variation: tuple[tf.Tensor, ...] = ()


def measured(
    config: LossConfig,
    features: dict[str, tf.Tensor],
    targets: Targets,
    *,
    per_sample: bool = False,
) -> Measured:
    """Returns what is compared of an image's features; layers that have no target are left out.

    Args:
        config: layers.
        features: the image's, float `[b, h, w, c]`, by layer name.
        targets: what they are to match.
        per_sample: give `[b]` losses instead of one.
    """
    content_of_layer = content_losses.CONTENT_LOSSES[config.content_reduction]
    names = config.style_losses
    content = {
        name: content_of_layer(
            features[name],
            targets.content[name],
            guide=guide_of(targets.content_guides, name),
            per_sample=per_sample,
        )
        for name, _ in config.content_layers
        if name in targets.content
    }
    style = tuple(
        {
            name: STYLE_LOSSES[names[name]].measure(
                features[name], region.style[name], guide=guide_of(region.guides, name)
            )
            for name, _ in config.style_layers
            if name in region.style
        }
        for region in regions_of(targets)
    )
    return Measured(content, style)


def edge_loss(image: tf.Tensor, targets: Targets, *, per_sample: bool = False) -> tf.Tensor:
    """Returns the unweighted loss of the image's edges, which have a target.

    Args:
        image: float `[b, H, W, 3]`, RGB, nominally 0..1.
        targets: what they are to match.
        per_sample: give `[b]` losses instead of one.
    """
    return content_losses.mean_content_loss(
        content_losses.laplacian(image),
        targets.content[EDGES],
        guide=guide_of(targets.content_guides, EDGES),
        per_sample=per_sample,
    )


def compared(
    config: LossConfig,
    found: Measured,
    targets: Targets,
    *,
    weights: LossWeights | None = None,
    per_sample: bool = False,
    zero: tf.Tensor | float = 0.0,
) -> LossTerms:
    """Returns the loss of an image and its parts.

    Args:
        config: layers and weights.
        found: what is measured of the image.
        targets: what it is to match.
        weights: in the place of the config's.
        per_sample: give `[b]` losses instead of one.
        zero: what terms are that nothing adds to.
    """
    weights = weights or weights_of(config)
    names = config.style_losses
    layers: dict[str, tf.Tensor] = {}
    content = style = variation = tf.convert_to_tensor(zero)
    for name, weight in (*config.content_layers, (EDGES, config.edge_weight)):
        if name in found.content:
            layers[f"content/{name}"] = found.content[name]
            content += weight * found.content[name]
    for region, of_region in zip(regions_of(targets), found.style, strict=True):
        for name, weight in config.style_layers:
            if name in of_region:
                loss = STYLE_LOSSES[names[name]].compare(
                    of_region[name], region.style[name], per_sample=per_sample
                )
                if region.factor is not None:
                    loss = region.factor * loss
                key = f"style/{name}"
                layers[key] = layers[key] + loss if key in layers else loss
                style += weight * loss
    content = weights.content * content
    style = weights.style * style
    for value in found.variation:
        variation += weights.variation * value
    return LossTerms(content + style + variation, content, style, variation, layers)


def loss_terms(
    config: LossConfig,
    image: tf.Tensor,
    features: dict[str, tf.Tensor],
    targets: Targets,
    *,
    weights: LossWeights | None = None,
    per_sample: bool = False,
) -> LossTerms:
    """Returns the loss of an image and its parts.

    Args:
        config: layers and weights.
        image: float `[b, H, W, 3]`, RGB, nominally 0..1, for edges and the total variation.
        features: the image's, float `[b, h, w, c]`, by layer name.
        targets: what they are to match; layers that have none are left out.
        weights: in the place of the config's.
        per_sample: give `[b]` losses instead of one.
    """
    weights = weights or weights_of(config)
    found = measured(config, features, targets, per_sample=per_sample)
    if EDGES in targets.content:
        found.content[EDGES] = edge_loss(image, targets, per_sample=per_sample)
    if counts(weights.variation):
        variation_of = TOTAL_VARIATIONS[config.tv_form]
        found = found._replace(variation=(variation_of(image, per_sample=per_sample),))
    zero = tf.zeros(tf.shape(image)[:1] if per_sample else [], image.dtype)
    return compared(config, found, targets, weights=weights, per_sample=per_sample, zero=zero)


def counts(weight: tf.Tensor | float) -> bool:
    """Returns whether a weight is not known to be 0."""
    return bool(tf.is_tensor(weight) or weight)


def weights_of(config: LossConfig) -> LossWeights:
    """Returns the config's weights of the loss terms."""
    style_weight = config.style_strength * config.style_weight
    return LossWeights(config.content_weight, style_weight, config.tv_weight)


def by_name(terms: LossTerms) -> dict[str, float]:
    """Returns the terms as numbers by name: "total", ..., "content/LAYER", "style/LAYER"."""
    values = {**terms._asdict(), **terms.layers}
    del values["layers"]
    return {name: float(value) for name, value in values.items()}
