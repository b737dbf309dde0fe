"""The pictures of a run, read, checked and brought to size. No TensorFlow here.

Everything that can be wrong with the pictures is found here, before the long work.
"""

import functools
from typing import Any, NamedTuple

import numpy as np

from tf_style import images, vgg19
from tf_style.color import grey, luminance
from tf_style.color_match import match_colors, shift_luminance
from tf_style.config import INITS, StyleConfig

NOISE_MEAN, NOISE_DEVIATION = 0.5, 0.1
"""Of the noise that `init` may name, in the image's units."""


class Inputs(NamedTuple):
    """What an optimisation starts from.

    Attributes:
        content: float32 `[1, H, W, 3]`, RGB 0..1, of the result's size.
        style: float32 `[1, H', W', 3]`, RGB 0..1.
        start: float32 `[1, H, W, 3]`, RGB, nominally 0..1.
        alpha: float32 `[1, H, W, 1]`, 0..1, the content's, or None.
        color: float32 `[1, H, W, 3]`, RGB 0..1, whose chroma the result takes in the end; None
            if the result keeps its own.
    """

    content: np.ndarray
    style: np.ndarray
    start: np.ndarray
    alpha: np.ndarray | None
    color: np.ndarray | None = None


def prepare_inputs(content: Any, style: Any, config: StyleConfig) -> Inputs:
    """Returns the pictures of a run, each with its own aspect.

    Args:
        content: path, PIL picture, array or tensor, as `images.read_picture` takes.
        style: likewise. Its transparent parts are shown on white; of the content, what is
            fully transparent is white to the network, and alpha comes along.
        config: sizes, `init`, `seed` and `color`.

    Raises:
        OSError: if a file is missing or cannot be read.
        ValueError: if a picture is damaged, or too small or narrow for the layers in use.
    """
    smallest = smallest_side(config)
    content_picture = images.read_picture(content, argument="content")
    _check_sides("content", content_picture.image.shape[1:3], smallest)
    size = content_picture.image.shape[1:3]
    if config.size:
        size = images.fit(size, config.size)
    _check_sides("content", size, smallest, received=content_picture.image.shape[1:3])
    _check_pixels("size", size)

    style_image = images.over_white(images.read_picture(style, argument="style"))
    _check_sides("style", style_image.shape[1:3], smallest)
    style_size = _style_size(style_image.shape[1:3], size, config)
    _check_sides("style", style_size, smallest, received=style_image.shape[1:3])
    _check_pixels("style_size", style_size)

    content_image, alpha = images.resize_picture(content_picture, size)
    weights = alpha if alpha is not None and alpha.any() else None
    painted = functools.partial(
        _painted, content=content_image, content_weights=weights, config=config
    )
    if config.init == "content":
        start = content_image
    elif config.init == "style":
        start = painted(images.cover(style_image, size))
    elif config.init == "noise":
        # White noise, as in the paper, which leaves its distribution open.
        rng = np.random.default_rng(config.seed)
        start = rng.normal(NOISE_MEAN, NOISE_DEVIATION, content_image.shape).astype(np.float32)
    else:
        start = images.cover(_read_init(config.init), size)
    style_image = painted(images.resize(style_image, style_size))
    color = content_image if config.color in ("content", "luminance") else None
    if config.color == "luminance":
        content_image, start = grey(luminance(content_image)), grey(luminance(start))
    return Inputs(content_image, style_image, start, alpha, color)


def _painted(
    style: np.ndarray,
    *,
    content: np.ndarray,
    content_weights: np.ndarray | None,
    config: StyleConfig,
) -> np.ndarray:
    """Returns a style picture in the colors that `color` asks for, within 0..1.

    What is transparent of the content does not count.
    """
    if config.color == "match":
        style = match_colors(
            style, content, method=config.color_match, content_weights=content_weights
        )
    elif config.color == "luminance":
        style = grey(shift_luminance(style, content, content_weights=content_weights))
    else:
        return style
    return np.clip(style, 0.0, 1.0)


def smallest_side(config: StyleConfig) -> int:
    """Returns how many px each side of a picture must have for the layers in use."""
    return max(2, vgg19.minimum_side(config.loss.layers, config.network.padding))


def _check_pixels(argument: str, size: tuple[int, int]) -> None:
    if size[0] * size[1] > images.MAX_PIXELS:
        raise ValueError(
            f"`{argument}` must give at most {images.MAX_PIXELS:,} pixels. Received: "
            f"{size[1]}x{size[0]} px."
        )


def _style_size(
    style: tuple[int, int], result: tuple[int, int], config: StyleConfig
) -> tuple[int, int]:
    if config.style_size:
        return images.fit(style, config.style_size)
    wanted = max(1, round(config.style_scale * max(result)))
    return images.fit(style, min(wanted, max(style)))


def _read_init(path: str) -> np.ndarray:
    try:
        return images.over_white(images.read_picture(path, argument="init"))
    except FileNotFoundError as error:
        choices = ", ".join(repr(name) for name in INITS)
        raise FileNotFoundError(
            f"`init` must be one of {choices} or an existing picture. Received: init={path!r}."
        ) from error


def _check_sides(
    argument: str,
    size: tuple[int, int],
    smallest: int,
    *,
    received: tuple[int, int] | None = None,
) -> None:
    if min(size) >= smallest:
        return
    picture = received or size
    detail = f"a picture of {picture[1]}x{picture[0]} px"
    remedy = "Use a larger picture or shallower layers."
    if received:
        detail += f", which becomes {size[1]}x{size[0]} px"
        remedy = "Crop it, or use a larger size or shallower layers."
    raise ValueError(
        f"`{argument}` must have at least {smallest} px on each side for the layers in use. "
        f"Received: {detail}. {remedy}"
    )
