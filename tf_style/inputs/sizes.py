"""Sizes of the pictures of a run, and the smallest size that the layers allow. No TensorFlow here.

All sizes are (height, width) in px.
"""

from typing import NamedTuple

from tf_style import vgg19
from tf_style.config.style_config import StyleConfig
from tf_style.images import reading, resizing


def smallest_side(config: StyleConfig) -> int:
    """Returns the smallest side of a picture that the layers in use allow, px."""
    least = 12 if config.loss.edge_weight else 2  # The edges' mean mirrors 5 px at each border.
    return max(least, vgg19.minimum_side(config.loss.layers, config.network.padding))


def check_pixels(argument: str, size: tuple[int, int]) -> None:
    """Raises ValueError if an image of this size has more than `reading.MAX_PIXELS` pixels."""
    if size[0] * size[1] > reading.MAX_PIXELS:
        raise ValueError(
            f"`{argument}` must give at most {reading.MAX_PIXELS:,} pixels. Received: "
            f"{size[1]}x{size[0]} px."
        )


def style_size(
    style: tuple[int, int], result: tuple[int, int], config: StyleConfig, scale: float
) -> tuple[int, int]:
    """Returns the size of a style picture at a scale; without `style_size` it never enlarges."""
    edge = style_edge(result, config, scale)
    return resizing.fit(style, edge if config.style_size else min(edge, max(style)))


def style_edge(result: tuple[int, int], config: StyleConfig, scale: float) -> int:
    """Returns the longer edge that a style should have at a scale, px."""
    if config.style_size:
        return max(1, round(scale * config.style_size))
    return max(1, round(scale * config.style_scale * max(result)))


def check_sides(
    argument: str,
    size: tuple[int, int],
    smallest: int,
    *,
    received: tuple[int, int] | None = None,
    scale: float = 1.0,
) -> None:
    """Raises ValueError if a picture is too small.

    Args:
        argument: the picture's name in the error message.
        size: size at which the picture is used.
        smallest: smallest side that is allowed, px.
        received: size as read, if the picture is resized to `size`.
        scale: the scale of `style_scales` that leads to `size`.
    """
    if min(size) >= smallest:
        return
    picture = received or size
    detail = f"a picture of {picture[1]}x{picture[0]} px"
    remedy = "Use a larger picture or shallower layers."
    if received:
        detail += f", which becomes {size[1]}x{size[0]} px"
        remedy = "Crop it, or use a larger size or shallower layers."
        if scale != 1.0:
            detail += f" at the scale {scale:g} of `style_scales`"
            remedy = "Leave that scale out, or use a larger size or shallower layers."
    raise ValueError(
        f"`{argument}` must have at least {smallest} px on each side for the layers in use. "
        f"Received: {detail}. {remedy}"
    )


class Sizes(NamedTuple):
    """Sizes of one picture.

    Attributes:
        read: size of the file or array.
        used: size in the run; masks are resized to it.
    """

    read: tuple[int, int]
    used: tuple[int, int]
