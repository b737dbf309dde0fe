"""The pictures of a run, read, checked and brought to size. No TensorFlow here.

Everything that can be wrong with the pictures is found here, before the long work.
"""

import functools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from tf_style import images, vgg19
from tf_style.color import grey, luminance
from tf_style.color_match import match_colors, shift_luminance
from tf_style.config import INITS, StyleConfig
from tf_style.control_options import numbers
from tf_style.masks import Regions, Sizes, blend_of, grey_mask, read_mask, read_regions

NOISE_MEAN, NOISE_DEVIATION = 0.5, 0.1
"""Of the noise that `init` may name, in the image's units."""


class Inputs(NamedTuple):
    """What an optimisation starts from.

    Attributes:
        content: float32 `[1, H, W, 3]`, RGB 0..1, of the result's size.
        styles: float32 `[1, H', W', 3]`, RGB 0..1, each of its own size.
        start: float32 `[1, H, W, 3]`, RGB, nominally 0..1.
        alpha: float32 `[1, H, W, 1]`, 0..1, the content's, or None.
        blend: float32 `[styles]`, their weights, of sum 1.
        regions: where which style counts, or None.
        content_map: float32 `[1, H, W, 1]`, how much the content counts where, or None.
        notes: lines on what was done to the pictures without being asked.
        color: float32 `[1, H, W, 3]`, RGB 0..1, whose chroma the result takes in the end; None
            if the result keeps its own.
    """

    content: np.ndarray
    styles: tuple[np.ndarray, ...]
    start: np.ndarray
    alpha: np.ndarray | None
    blend: np.ndarray
    regions: Regions | None = None
    content_map: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    color: np.ndarray | None = None


class MaskFiles(NamedTuple):
    """Pictures beside content and style, as `images.read_picture` takes: what counts where.

    Attributes:
        content_masks: of regions, or one picture of labels; see `masks.read_regions`.
        style_masks: likewise.
        content_map: white where the content counts `content_map_gain` times more; or None.
    """

    content_masks: Sequence[Any] = ()
    style_masks: Sequence[Any] = ()
    content_map: Any = None


NO_MASKS = MaskFiles()


def prepare_inputs(
    content: Any, style: Any, config: StyleConfig, masks: MaskFiles = NO_MASKS
) -> Inputs:
    """Returns the pictures of a run, each with its own aspect.

    Args:
        content: path, PIL picture, array or tensor, as `images.read_picture` takes.
        style: likewise, or a list or tuple of such. Its transparent parts are shown on white; of
            the content, what is fully transparent is white to the network, and alpha comes along.
        config: sizes, `init`, `seed`, `color`, and how styles and regions count.
        masks: what counts where.

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

    pictures = _several(style)
    if not pictures:
        raise ValueError("`style` must be at least one picture. Received: none.")
    blend = blend_of(config, len(pictures))
    read = [_read_style(picture, argument) for picture, argument in _named("style", pictures)]
    for image in read:
        _check_sides("style", image.shape[1:3], smallest)
    # Each style at each of its scales is a style of its own.
    scales = numbers(config.control.style_scales, argument="style_scales") or (1.0,)
    styles, style_sizes = [], []
    for scale in scales:
        for image in read:
            style_size = _style_size(image.shape[1:3], size, config, scale)
            _check_sides("style", style_size, smallest, received=image.shape[1:3])
            _check_pixels("style_size", style_size)
            styles.append(images.resize(image, style_size))
            style_sizes.append(Sizes(image.shape[1:3], style_size))
    blend = np.tile(blend / np.float32(len(scales)), len(scales))

    content_image, alpha = images.resize_picture(content_picture, size)
    weights = alpha if alpha is not None and alpha.any() else None
    painted = functools.partial(
        _painted, content=content_image, content_weights=weights, config=config
    )
    if config.init == "content":
        start = content_image
    elif config.init == "style":
        start = painted(images.cover(read[0], size))
    elif config.init == "noise":
        # White noise, as in the paper, which leaves its distribution open.
        rng = np.random.default_rng(config.seed)
        start = rng.normal(NOISE_MEAN, NOISE_DEVIATION, content_image.shape).astype(np.float32)
    else:
        start = images.cover(_read_init(config.init), size)
    sizes = Sizes(content_picture.image.shape[1:3], size)
    regions: Regions | None = None
    notes: tuple[str, ...] = ()
    content_masks, style_masks = map(_several, masks[:2])
    if content_masks:
        regions, notes = _regions(content_masks, style_masks, sizes, style_sizes, config)
    elif style_masks or config.control.region_strengths:
        raise ValueError(
            "`content_masks` must be given for regions, one for each. Received: none, but "
            "`style_masks` or `region_strengths`."
        )
    content_map = None
    if masks.content_map is not None:
        mask = read_mask(masks.content_map, "content_map")
        white = grey_mask(mask, size, "content_map")[np.newaxis, ..., np.newaxis]
        content_map = 1.0 + np.float32(config.control.content_map_gain) * white
    styles = [painted(image) for image in styles]
    color = content_image if config.color in ("content", "luminance") else None
    if config.color == "luminance":
        content_image, start = grey(luminance(content_image)), grey(luminance(start))
    return Inputs(
        content_image, tuple(styles), start, alpha, blend, regions, content_map, notes, color
    )


def _regions(
    content_masks: Sequence[Any],
    style_masks: Sequence[Any],
    content: Sizes,
    styles: Sequence[Sizes],
    config: StyleConfig,
) -> tuple[Regions, tuple[str, ...]]:
    """Returns the regions of the content and of styles at several scales, and notes."""
    scales = numbers(config.control.style_scales, argument="style_scales") or (1.0,)
    count = len(styles) // len(scales)
    found = []
    for first in range(0, len(styles), count):
        regions, notes = read_regions(
            content_masks,
            style_masks,
            content=content,
            styles=styles[first : first + count],
            config=config,
        )
        found.append(regions)
    blend = np.concatenate([each.blend for each in found], 1) / np.float32(len(scales))
    return regions._replace(styles=sum((each.styles for each in found), ()), blend=blend), notes


def _several(pictures: Any) -> Sequence[Any]:
    """Returns pictures given one by one, or in a list or tuple."""
    return pictures if isinstance(pictures, (list, tuple)) else [pictures]


def _named(argument: str, pictures: Sequence[Any]) -> Iterator[tuple[Any, str]]:
    """Yields the pictures, each with what errors call it."""
    for index, picture in enumerate(pictures):
        yield picture, argument if len(pictures) == 1 else f"{argument}[{index}]"


def _read_style(picture: Any, argument: str) -> np.ndarray:
    return images.over_white(images.read_picture(picture, argument=argument))


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
    style: tuple[int, int], result: tuple[int, int], config: StyleConfig, scale: float
) -> tuple[int, int]:
    if config.style_size:
        return images.fit(style, max(1, round(scale * config.style_size)))
    wanted = max(1, round(scale * config.style_scale * max(result)))
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
