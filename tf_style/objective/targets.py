"""Features of style pictures to what an image must match, layer by layer.

One picture, or several blended; all of it, or the positions that guides weight.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import tensorflow as tf

from tf_style.config.loss import LossConfig
from tf_style.losses import content as content_losses
from tf_style.losses.style import STYLE_LOSSES

EDGES = "laplacian"  # Among the content's layers.


class Targets(NamedTuple):
    """What the image is to match.

    Attributes:
        content: dict of float32 `[1, h, w, c]`, the content's features by layer name, and its
            "laplacian" where edges count.
        style: dict of what `style_losses.STYLE_LOSSES` keeps of the style, by layer name: float32
            `[1, c, c]` Gram matrices for "gram"; of the whole image.
        regions: what parts of the image are to match besides.
        content_guides: float32 `[1, h, w, 1]` by layer name: how much the content counts; empty
            for 1 everywhere.
    """

    content: dict[str, tf.Tensor]
    style: dict[str, Any]
    regions: tuple["RegionTargets", ...] = ()
    content_guides: dict[str, tf.Tensor] = {}


class RegionTargets(NamedTuple):
    """What one region of the image is to match.

    Attributes:
        style: as `Targets.style`.
        guides: float32 `[1, h, w, 1]` by layer name: weights of the positions, of mean 1.
        factor: float32 scalar, of the region's style loss; None for 1.
    """

    style: dict[str, Any]
    guides: dict[str, tf.Tensor] = {}
    factor: tf.Tensor | None = None


def content_of(
    config: LossConfig, content: tf.Tensor, features: dict[str, tf.Tensor]
) -> dict[str, tf.Tensor]:
    """Returns what is kept of a content picture: `Targets.content`.

    Args:
        config: layers, and whether edges count.
        content: float `[b, H, W, 3]`, RGB 0..1.
        features: its own, by layer name.
    """
    kept = {name: features[name] for name, _ in config.content_layers}
    return {**kept, EDGES: content_losses.laplacian(content)} if config.edge_weight else kept


def regions_of(targets: Targets) -> tuple["RegionTargets", ...]:
    """Returns the whole image and the regions, each with what it is to match."""
    return (RegionTargets(targets.style), *targets.regions)


Guides: TypeAlias = Mapping[str, tf.Tensor]
"""Weights of positions by style layer, float `[b or 1, h, w, 1]` with mean 1."""


def style_statistics(
    config: LossConfig, features: Mapping[str, tf.Tensor], *, guides: Guides | None = None
) -> dict[str, Any]:
    """Returns what is kept of a style picture's features, by style layer; it may be blended.

    Layers that there are no features of are left out.

    Args:
        config: style layers and their losses.
        features: the style's, float `[b, h, w, c]`, by layer name.
        guides: of the style's positions; a layer that is not in it has all ones.
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
    """Returns the targets of several styles together: `Targets.style`.

    Args:
        config: style layers and their losses.
        statistics: of each style, from `style_statistics`.
        weights: numbers or scalars that add up to 1, one for each.
    """
    targets = {}
    for layer, name in config.style_losses.items():
        style_loss = STYLE_LOSSES[name]
        kept = [of_style[layer] for of_style in statistics]
        targets[layer] = style_loss.target(style_loss.blend(kept, weights))
    return targets


def style_targets(
    config: LossConfig, features: Mapping[str, tf.Tensor], *, guides: Guides | None = None
) -> dict[str, Any]:
    """Returns the targets of one style: `Targets.style`.

    Args:
        config: style layers and their losses.
        features: the style's, float `[b, h, w, c]`, by layer name.
        guides: of the style's positions; a layer that is not in it has all ones.
    """
    kept = style_statistics(config, features, guides=guides)
    names = config.style_losses
    return {layer: STYLE_LOSSES[names[layer]].target(kept[layer]) for layer in kept}


def guide_of(guides: Guides | None, layer: str) -> tf.Tensor | None:
    """Returns the layer's guide; None, as style losses take it, stands for all ones."""
    guide = None if guides is None else guides.get(layer)
    # Graphs that are traced once for all sizes know no shape.
    return None if guide is None else tf.ensure_shape(guide, [None, None, None, 1])
