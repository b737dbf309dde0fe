"""What an image is to match when there are several styles, or regions with styles of their own."""

from typing import Any, NamedTuple

import tensorflow as tf

from tf_style.objective.guides import Guides, guides, means
from tf_style.objective.objective import Objective
from tf_style.objective.targets import EDGES, RegionTargets, Targets, blended_targets


class Controls(NamedTuple):
    """What counts where; without any, one style counts alike everywhere.

    Attributes:
        blend: float32 `[regions, styles]`, weights of the styles in each region, of sum 1.
        strengths: float32 `[regions]`, factors of the style loss, where there are masks.
        content_masks: float32 `[1, H, W, regions]`, 0..1, of the content's size; None for one
            region that is the whole picture.
        style_masks: for each style float32 `[1, h, w, regions]`, 0..1, of its size.
        touched: float32 `[1, H, W, 1]`, 0..1: where 0 the picture stays as the content is.
        content_map: float32 `[1, H, W, 1]`, at least 0: how much the content counts.
    """

    blend: tf.Tensor | None = None
    strengths: tf.Tensor | None = None
    content_masks: tf.Tensor | None = None
    style_masks: tuple[tf.Tensor, ...] = ()
    touched: tf.Tensor | None = None
    content_map: tf.Tensor | None = None


def controlled_targets(
    objective: Objective, content: tf.Tensor, styles: tuple[tf.Tensor, ...], controls: Controls
) -> Targets:
    """Returns what an image must match.

    Args:
        objective: layers, losses, and how masks are carried to layers.
        content: float32 `[1, H, W, 3]`, RGB 0..1.
        styles: float32 `[1, h, w, 3]`, RGB 0..1, each of any size.
        controls: what counts where, of the pictures' sizes.

    References:
        Gatys et al. (2017), Controlling perceptual factors in neural style transfer, section 4.
    """
    if controls.blend is None:
        targets = objective.targets(content, styles[0])
        return targets._replace(content_guides=_content_guides(objective, controls))
    config = objective.config
    kept = objective.content_targets(content)
    layers = [name for name, _ in config.style_layers]
    here = None
    if controls.content_masks is not None:
        here = guides(controls.content_masks, layers, config.mask_mode)
    num_regions = controls.blend.shape[0]
    found: list[list[dict[str, Any]]] = []  # Statistics by layer, of each region of each style.
    for index, style in enumerate(styles):
        there = None
        if here is not None:
            there = guides(controls.style_masks[index], layers, config.mask_mode)
        of_regions = [_of_region(there, region) for region in range(num_regions)]
        found.append(objective.style_statistics(style, guides=of_regions))
    blended = []
    for region in range(num_regions):
        weights = tf.unstack(controls.blend[region])
        blended.append(blended_targets(config, [each[region] for each in found], weights))
    targets = Targets(kept, {}, content_guides=_content_guides(objective, controls))
    if here is None:
        return targets._replace(style=blended[0])
    # Differs from Gatys et al. (2017): a region counts by its area, so that the balance of
    # style and content is the same in a small region as in a large one.
    factors = tf.unstack(controls.strengths * here.shares)
    regions = (
        RegionTargets(style, _of_region(here, region), factors[region])
        for region, style in enumerate(blended)
    )
    return targets._replace(regions=tuple(regions))


def _of_region(found: Guides | None, region: int) -> dict[str, tf.Tensor]:
    if found is None:
        return {}
    return {name: weights[..., region : region + 1] for name, weights in found.weights.items()}


def _content_guides(objective: Objective, controls: Controls) -> dict[str, tf.Tensor]:
    if controls.content_map is None:
        return {}
    found = means(controls.content_map, [name for name, _ in objective.config.content_layers])
    return {**found, EDGES: controls.content_map}
