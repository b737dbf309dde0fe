"""Features of style pictures to what an image must match, layer by layer.

One picture, or several blended; all of it, or the positions that guides weight.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import tensorflow as tf

from tf_style.options import LossConfig
from tf_style.style_losses import STYLE_LOSSES

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
