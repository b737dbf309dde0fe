"""Guides: weights of the positions of each layer, made from the masks of regions.

A mask has a value T in 0..1 for each pixel and region. It is scaled down to a layer; its square,
divided by the mean of the squares, weights the positions of that layer. So the statistics of a
small region are as large as those of a large one.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import tensorflow as tf

from tf_style import vgg19


class Guides(NamedTuple):
    """The guides of one picture.

    Attributes:
        weights: float32 `[1, h, w, regions]` by layer name: weights of the positions, with mean 1
            for each region; 0 everywhere for a region that the picture lacks.
        shares: float32 `[regions]`, 0..1: the mean of T**2 at the picture's size.
    """

    weights: dict[str, tf.Tensor]
    shares: tf.Tensor


def guides(masks: tf.Tensor, layers: Iterable[str], mode: str) -> Guides:
    """Returns the guides of a picture at some layers.

    Args:
        masks: float32 `[1, H, W, regions]`, 0..1, of the picture's size.
        layers: layer names, at least one.
        mode: how a mask is scaled down to a layer. "simple": averaged at each pooling. "inside": a
            unit counts only if its whole receptive field is in the region; if no unit of a region
            is left, as is common at small sizes, this region is "simple" at the layer. "all": a
            unit counts if any part of its receptive field is in the region.

    References:
        Gatys et al. (2017), Controlling perceptual factors in neural style transfer, section
        4.1: T normalized such that the sum of T**2 is the number of positions (here: weights with
        mean 1), and the three modes.
    """
    weights = {}
    simple = means(masks, layers)
    for name, carried in _carried(masks, layers, *_STEPS[mode]).items():
        # Differs from Gatys et al. (2017), who leave open what to do with a region that has no
        # unit left. Poolings drop the last row and column of an odd side, so even a "simple" mask
        # at the far border can vanish. Then the mask is stretched over all units.
        stretched = tf.image.resize(masks, tf.shape(carried)[1:3], "area")
        carried = _where_left(carried, _where_left(simple[name], stretched))
        weights[name] = _of_mean_one(tf.square(carried))
    return Guides(weights, tf.reduce_mean(tf.square(masks), [0, 1, 2]))


def _where_left(carried: tf.Tensor, instead: tf.Tensor) -> tf.Tensor:
    """Returns the masks, and `instead` for those that are 0 everywhere."""
    is_left = tf.reduce_max(carried, [1, 2], keepdims=True) > 0.0
    return tf.where(is_left, carried, instead)


def means(maps: tf.Tensor, layers: Iterable[str]) -> dict[str, tf.Tensor]:
    """Returns maps scaled down to layers, averaged at each pooling, by layer name.

    Args:
        maps: float32 `[1, H, W, c]`.
        layers: layer names, at least one.
    """
    return _carried(maps, layers, *_STEPS["simple"])


def _carried(
    masks: tf.Tensor, layers: Iterable[str], convolve: Callable, pool: Callable
) -> dict[str, tf.Tensor]:
    wanted, carried = set(layers), {}
    for name in vgg19.up_to(wanted):
        masks = convolve(masks) if name in vgg19.CONVOLUTIONS else pool(masks)
        if name in wanted:
            carried[name] = masks
    return carried


def _of_mean_one(squares: tf.Tensor) -> tf.Tensor:
    return tf.math.divide_no_nan(squares, tf.reduce_mean(squares, [1, 2], keepdims=True))


def _mean(masks: tf.Tensor) -> tf.Tensor:
    return tf.nn.avg_pool2d(masks, 2, 2, "VALID")


def _largest(side: int, stride: int, padding: str) -> Callable[[tf.Tensor], tf.Tensor]:
    return lambda masks: tf.nn.max_pool2d(masks, side, stride, padding)


def _least(side: int, stride: int, padding: str) -> Callable[[tf.Tensor], tf.Tensor]:
    return lambda masks: -tf.nn.max_pool2d(-masks, side, stride, padding)


_STEPS: dict[str, tuple[Callable, Callable]] = {
    "simple": (lambda masks: masks, _mean),
    # "SAME" ignores what lies outside the picture.
    "inside": (_least(3, 1, "SAME"), _least(2, 2, "VALID")),
    "all": (_largest(3, 1, "SAME"), _largest(2, 2, "VALID")),
}
"""What each mode does to a mask at a convolution and at a pooling."""
