"""Natural scales of the losses that compare maps: what relative losses are divided by.

A relative loss is 1 for a picture that shows nothing of what it must match: features of 0 for a
style loss, features of one value for the content loss. So 0.2 is 20 % of the way left, and a weight
means the same for every pair of pictures. Differs from Gatys et al. (2016), eq. 1, 4 and 7, whose
losses grow with the fourth power of the painting's contrast: between ordinary paintings E_l of
conv1_1 differs 28-fold, and conv1_1 outweighs conv5_1 by 700 to 1.
"""

from collections.abc import Mapping, Sequence

import tensorflow as tf

from tf_style.config.loss import LossConfig
from tf_style.losses.content import content_scale
from tf_style.losses.variation import TOTAL_VARIATIONS
from tf_style.objective.targets import EDGES

IMAGE = "image"
"""The name of the image itself among the maps: the scale of total variation."""

SHARE = "share"
"""The name of the mean weight of the content's positions, where it is not 1."""

FLOOR, FLOOR_OF_PIXELS = 1e-4, 1e-6
"""Least scales of features, and of maps of pixels (squares of a thousandth). Flat pictures have
less; divided by it, their losses would be noise."""


def content_scales(config: LossConfig, content: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Returns the scales of the content losses, float `[b]` by the name of the map.

    Args:
        config: losses; without `relative_losses` there are no scales.
        content: `Targets.content`.
    """
    if not config.relative_losses:
        return {}
    return {
        name: (
            tf.reduce_mean(tf.square(target), [1, 2, 3])
            if name == EDGES  # The mean of a Laplacian is 0.
            else content_scale(config.content_reduction, target)
        )
        for name, target in content.items()
    }


def variation_scale(config: LossConfig, style: tf.Tensor) -> dict[str, tf.Tensor]:
    """Returns the scale of total variation: that of the painting, float `[b]` as "image".

    The result should vary as the painting does. By the photograph's own variation, a soft portrait
    could not take an engraving's lines.

    Args:
        config: losses; without `relative_losses` or `tv_weight` there is no scale.
        style: float `[b, h, w, 3]`, RGB 0..1, the style picture.
    """
    if not (config.relative_losses and config.tv_weight):
        return {}
    return {IMAGE: TOTAL_VARIATIONS[config.tv_form](style, per_sample=True)}


def blended_scale(
    scales: Sequence[Mapping[str, tf.Tensor]], weights: Sequence[tf.Tensor | float]
) -> dict[str, tf.Tensor]:
    """Returns the scale of a blend of styles: the weighted mean of theirs.

    Args:
        scales: `variation_scale` of each style.
        weights: of each style, numbers or scalars that add up to 1.
    """
    return {
        name: tf.add_n(
            [weight * of_style[name] for weight, of_style in zip(weights, scales, strict=True)]
        )
        for name in scales[0]
    }


def content_share(
    config: LossConfig, touched: tf.Tensor | None, content_map: tf.Tensor | None
) -> dict[str, tf.Tensor]:
    """Returns the mean weight of the positions in the content loss, float `[1]` as "share".

    Empty if it is 1: if the whole picture is painted and the content counts the same everywhere.

    Args:
        config: losses; without `relative_losses` the share is not used.
        touched: float `[1, H, W, 1]`, 0..1, where the picture may change; None for everywhere.
        content_map: float `[1, H, W, 1]`, weights of the content loss; None for 1.
    """
    if config.content_reduction == "self_similarity":
        content_map = None  # It divides the weights by their sum.
    maps = [each for each in (touched, content_map) if each is not None]
    if not (config.relative_losses and maps):
        return {}
    weights = maps[0] if len(maps) == 1 else maps[0] * maps[1]
    return {SHARE: tf.maximum(tf.reduce_mean(weights, [1, 2, 3]), FLOOR)}


def relative(
    config: LossConfig,
    loss: tf.Tensor,
    scale: tf.Tensor,
    *,
    floor: float = FLOOR,
    per_sample: bool = False,
) -> tf.Tensor:
    """Returns a loss divided by its scale, if the config asks for it.

    Args:
        config: `relative_losses`.
        loss: scalar, or `[b]` with `per_sample`.
        scale: float `[b]`, or `[1]` for the whole batch.
        floor: least scale.
        per_sample: whether losses are `[b]`.
    """
    if not config.relative_losses:
        return loss
    scale = tf.maximum(scale, tf.cast(floor, scale.dtype))
    return loss / (scale if per_sample else tf.reduce_mean(scale))
