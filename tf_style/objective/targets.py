"""Targets: what an image must match, layer by layer.

Takes features of style pictures, gives their statistics and the targets made of them: of one style
or a blend of several, over all positions or weighted by guides.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import tensorflow as tf

from tf_style.config.loss import LossConfig
from tf_style.losses.style import STYLE_LOSSES

EDGES = "laplacian"  # The name of the edge loss among the content layers.


class Targets(NamedTuple):
    """What an image must match.

    Attributes:
        content: float32 `[1, h, w, c]` by layer name: the features of the content image, and its
            "laplacian" if the config uses the edge loss.
        style: style targets of the whole image by layer name, as defined by
            `losses.style.STYLE_LOSSES`: float32 `[1, c, c]` Gram matrices for "gram".
        regions: targets of regions of the image, in addition.
        content_guides: float32 `[1, h, w, 1]` by layer name: weights of the positions in the
            content loss; empty for 1 everywhere.
        scales: float32 `[1]` by the name of a map in `content`, or "image" for total variation:
            what the losses of maps are divided by (`objective.scales`); and "share", if the content
            does not count everywhere the same. Empty if losses are not relative; style losses take
            their scales from their targets.
    """

    content: dict[str, tf.Tensor]
    style: dict[str, Any]
    regions: tuple["RegionTargets", ...] = ()
    content_guides: dict[str, tf.Tensor] | tuple[()] = ()
    scales: dict[str, tf.Tensor] | tuple[()] = ()


class RegionTargets(NamedTuple):
    """What one region of an image must match.

    Attributes:
        style: as for `Targets.style`.
        guides: float32 `[1, h, w, 1]` by layer name: weights of the positions, with mean 1.
        factor: float32 scalar, factor of the region's style loss; None for 1.
    """

    style: dict[str, Any]
    guides: dict[str, tf.Tensor] | tuple[()] = ()
    factor: tf.Tensor | None = None


def regions_of(targets: Targets) -> tuple["RegionTargets", ...]:
    """Returns the targets of the whole image, as one more region, and of the regions."""
    return (RegionTargets(targets.style), *targets.regions)


Guides: TypeAlias = Mapping[str, tf.Tensor]
"""Weights of positions by style layer, float `[b or 1, h, w, 1]` with mean 1."""


def style_statistics(
    config: LossConfig, features: Mapping[str, tf.Tensor], *, guides: Guides | None = None
) -> dict[str, Any]:
    """Returns the statistics of a style picture by style layer, ready to be blended.

    Layers without features are left out.

    Args:
        config: style layers and their losses.
        features: of the style picture, float `[b, h, w, c]`, by layer name.
        guides: weights of the style's positions; layers that it lacks have all ones.
    """
    return {
        layer: STYLE_LOSSES[name].statistics(features[layer], guide=guide_of(guides, layer))
        for layer, name in config.style_losses.items()
        if layer in features
    }


def blended_targets(
    config: LossConfig,
    statistics: Sequence[Mapping[str, Any]],
    weights: Sequence[tf.Tensor | float],
) -> dict[str, Any]:
    """Returns the targets of a blend of styles: `Targets.style`.

    Args:
        config: style layers and their losses.
        statistics: of each style, from `style_statistics`.
        weights: of each style, numbers or scalars that add up to 1.
    """
    targets = {}
    for layer, name in config.style_losses.items():
        style_loss = STYLE_LOSSES[name]
        of_layer = [of_style[layer] for of_style in statistics]
        targets[layer] = style_loss.target(style_loss.blend(of_layer, weights))
    return targets


def style_targets(
    config: LossConfig, features: Mapping[str, tf.Tensor], *, guides: Guides | None = None
) -> dict[str, Any]:
    """Returns the targets of one style: `Targets.style`.

    Args:
        config: style layers and their losses.
        features: of the style picture, float `[b, h, w, c]`, by layer name.
        guides: weights of the style's positions; layers that it lacks have all ones.
    """
    statistics = style_statistics(config, features, guides=guides)
    names = config.style_losses
    return {layer: STYLE_LOSSES[names[layer]].target(statistics[layer]) for layer in statistics}


def guide_of(guides: Guides | tuple[()] | None, layer: str) -> tf.Tensor | None:
    """Returns the guide of a layer; None means all ones, as in the style losses.

    Without guides there may be an empty tuple or None in their place.
    """
    guide = guides.get(layer) if isinstance(guides, Mapping) else None
    # In graphs that are traced once for all sizes, its shape is unknown.
    return None if guide is None else tf.ensure_shape(guide, [None, None, None, 1])
