"""The targets of an image with several styles, or with regions that have their own styles.

Takes pictures and `Controls` as tensors, gives `Targets`.
"""

from typing import Any, NamedTuple

import tensorflow as tf

from tf_style.objective.guides import Guides, guides, means
from tf_style.objective.objective import Objective
from tf_style.objective.scales import blended_scale, content_share
from tf_style.objective.targets import EDGES, RegionTargets, Targets, blended_targets


class Controls(NamedTuple):
    """How much each style and the content count at each place; by default the same everywhere.

    Attributes:
        blend: float32 `[regions, styles]`, weights of the styles in each region, with sum 1. None
            for a single style.
        strengths: float32 `[regions]`, of the style in each region; None without masks.
        content_masks: float32 `[1, H, W, regions]`, 0..1, of the content's size; None for one
            region that is the whole picture.
        style_masks: for each style float32 `[1, h, w, regions]`, 0..1, of its size.
        touched: float32 `[1, H, W, 1]`, 0..1. Where it is 0 the picture stays untouched: it is the
            content.
        content_map: float32 `[1, H, W, 1]`, at least 0: weights of the content loss.
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
        objective: layers, losses, and how masks are scaled down to layers.
        content: float32 `[1, H, W, 3]`, RGB 0..1.
        styles: float32 `[1, h, w, 3]`, RGB 0..1, each of any size.
        controls: blends, masks and maps, of the pictures' sizes.

    References:
        Gatys et al. (2017), Controlling perceptual factors in neural style transfer, section 4.
    """
    if controls.blend is None:
        targets = objective.targets(content, styles[0])
        guided: dict[str, Any] = {"content_guides": _content_guides(objective, controls)}
        if share := _content_share(objective, controls):
            guided["scales"] = {**dict(targets.scales), **share}
        return targets._replace(**guided)
    config = objective.config
    content_targets = objective.content_targets(content)
    layers = [name for name, _ in config.style_layers]
    image_guides = None
    if controls.content_masks is not None:
        image_guides = guides(controls.content_masks, layers, config.mask_mode)
    num_regions = controls.blend.shape[0]
    statistics: list[list[dict[str, Any]]] = []  # By layer, for each region of each style.
    variations = []
    for index, style in enumerate(styles):
        style_guides = None
        if image_guides is not None:
            style_guides = guides(controls.style_masks[index], layers, config.mask_mode)
        of_regions = [_of_region(style_guides, region) for region in range(num_regions)]
        statistics.append(objective.style_statistics(style, guides=of_regions))
        variations.append(objective.variation_scale(style))
    blended = []
    for region in range(num_regions):
        weights = tf.unstack(controls.blend[region])
        blended.append(blended_targets(config, [each[region] for each in statistics], weights))
    blend = controls.blend
    if image_guides is not None:  # A region counts by its area.
        blend = blend * image_guides.shares[:, tf.newaxis]
    covered = tf.unstack(tf.math.divide_no_nan(tf.reduce_sum(blend, 0), tf.reduce_sum(blend)))
    others = {**blended_scale(variations, covered), **_content_share(objective, controls)}
    targets = Targets(
        content_targets,
        {},
        content_guides=_content_guides(objective, controls),
        scales=objective.scales(content_targets, others),
    )
    if image_guides is None:
        return targets._replace(style=blended[0])
    # Differs from Gatys et al. (2017): a region counts in proportion to its area, so that the
    # balance of style and content is the same in small and large regions.
    factors = tf.unstack(tf.pow(controls.strengths, config.strength_power) * image_guides.shares)
    regions = (
        RegionTargets(style, _of_region(image_guides, region), factors[region])
        for region, style in enumerate(blended)
    )
    return targets._replace(regions=tuple(regions))


def _content_share(objective: Objective, controls: Controls) -> dict[str, tf.Tensor]:
    return content_share(objective.config, controls.touched, controls.content_map)


def _of_region(all_guides: Guides | None, region: int) -> dict[str, tf.Tensor]:
    if all_guides is None:
        return {}
    return {name: weights[..., region : region + 1] for name, weights in all_guides.weights.items()}


def _content_guides(objective: Objective, controls: Controls) -> dict[str, tf.Tensor]:
    if controls.content_map is None:
        return {}
    by_layer = means(controls.content_map, [name for name, _ in objective.config.content_layers])
    return {**by_layer, EDGES: controls.content_map}
