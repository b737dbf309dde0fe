"""Sizes of the pictures of a run, and the smallest that the layers allow."""

from typing import NamedTuple

from tf_style import vgg19
from tf_style.config.style_config import StyleConfig
from tf_style.images import reading, resizing


def smallest_side(config: StyleConfig) -> int:
    """Returns how many px each side of a picture must have for the layers in use."""
    least = 12 if config.loss.edge_weight else 2  # For three blocks of 4 px.
    return max(least, vgg19.minimum_side(config.loss.layers, config.network.padding))


def check_pixels(argument: str, size: tuple[int, int]) -> None:
    """Raises ValueError if an image of this size has more pixels than can be held."""
    if size[0] * size[1] > reading.MAX_PIXELS:
        raise ValueError(
            f"`{argument}` must give at most {reading.MAX_PIXELS:,} pixels. Received: "
            f"{size[1]}x{size[0]} px."
        )


def style_size(
    style: tuple[int, int], result: tuple[int, int], config: StyleConfig, scale: float
) -> tuple[int, int]:
    """Returns the (height, width) that a style picture is resized to, px; it is never enlarged."""
    edge = style_edge(result, config, scale)
    return resizing.fit(style, edge if config.style_size else min(edge, max(style)))


def style_edge(result: tuple[int, int], config: StyleConfig, scale: float) -> int:
    """Returns the longer edge that a style of that scale is to have, if it is as large, px."""
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
    """Raises ValueError for what is too small.

    Args:
        argument: what errors call it.
        size: height and width, px.
        smallest: that each must have.
        received: as it was read, if it was brought to `size`.
        scale: of `style_scales`, by which.
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
    """Height and width of a picture, px.

    Attributes:
        read: as it was read.
        used: as it is used, which masks are brought to.
    """

    read: tuple[int, int]
    used: tuple[int, int]
