"""From masks of regions to what guides the losses of each layer.

A mask has a value T of 0..1 for each pixel, for each region. Brought to a layer, its square,
divided by its mean, weights that layer's positions: then a small region has statistics of the
same size as a large one.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import tensorflow as tf

from tf_style import vgg19


class Guides(NamedTuple):
    """What guides the losses, for one picture.

    Attributes:
        weights: dict of float32 `[1, h, w, regions]` by layer name: weights of the positions, of
            mean 1 for each region; 0 everywhere for a region that the picture has not.
        shares: float32 `[regions]`, 0..1: the mean of T**2, at the picture's size.
    """

    weights: dict[str, tf.Tensor]
    shares: tf.Tensor


def guides(masks: tf.Tensor, layers: Iterable[str], mode: str) -> Guides:
    """Returns what guides the losses of these layers.

    Args:
        masks: float32 `[1, H, W, regions]`, 0..1, of the picture's size.
        layers: names, at least one.
        mode: how a mask is carried to a layer. "simple": averaged where the layers pool.
            "inside": a unit counts only if all that it sees lies in the region; where no unit
            of a region is left, which at small sizes is soon so, it is "simple" there. "all": a
            unit counts if anything that it sees lies in the region.

    References:
        Gatys et al. (2017), Controlling perceptual factors in neural style transfer, section
        4.1: T normalized such that the sum of T**2 is the number of positions (here: positions
        of mean weight 1), and the three ways of guidance.
    """
    found = {}
    simple = means(masks, layers)
    for name, carried in _carried(masks, layers, *_STEPS[mode]).items():
        # Differs from Gatys et al. (2017): they leave open what becomes of a region in which
        # nothing is left. At the far borders poolings drop what fills no unit: then the
        # mask is stretched over the units that there are.
        stretched = tf.image.resize(masks, tf.shape(carried)[1:3], "area")
        carried = _where_left(carried, _where_left(simple[name], stretched))
        found[name] = _of_mean_one(tf.square(carried))
    return Guides(found, tf.reduce_mean(tf.square(masks), [0, 1, 2]))


def _where_left(carried: tf.Tensor, instead: tf.Tensor) -> tf.Tensor:
    """Returns the masks in which something is left, others for the rest."""
    is_left = tf.reduce_max(carried, [1, 2], keepdims=True) > 0.0
    return tf.where(is_left, carried, instead)


def means(maps: tf.Tensor, layers: Iterable[str]) -> dict[str, tf.Tensor]:
    """Returns maps brought to layers: their means where the layers pool, by layer name.

    Args:
        maps: float32 `[1, H, W, c]`.
        layers: names, at least one.
    """
    return _carried(maps, layers, *_STEPS["simple"])


def _carried(
    masks: tf.Tensor, layers: Iterable[str], convolve: Callable, pool: Callable
) -> dict[str, tf.Tensor]:
    wanted, found = set(layers), {}
    for name in vgg19.up_to(wanted):
        masks = convolve(masks) if name in vgg19.CONVOLUTIONS else pool(masks)
        if name in wanted:
            found[name] = masks
    return found


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
    # "SAME" looks at what lies in the picture alone.
    "inside": (_least(3, 1, "SAME"), _least(2, 2, "VALID")),
    "all": (_largest(3, 1, "SAME"), _largest(2, 2, "VALID")),
}
"""What a mask becomes at a convolution and at a pooling, by mode."""
