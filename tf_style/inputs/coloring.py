"""The colors that `color` asks for, given to the pictures of a run. No TensorFlow here.

One rule for the whole picture, or one for each region.
"""

from typing import NamedTuple

import numpy as np

from tf_style.config.style_config import StyleConfig
from tf_style.images.color import gray, into_gamut, luminance, with_luminance
from tf_style.images.color_match import match_colors, shift_luminance
from tf_style.inputs.masks import Regions

_MERGED = ("content", "luminance")


class Colored(NamedTuple):
    """The pictures of a run in the colors that they are painted with.

    Attributes:
        content: float32 `[1, H, W, 3]`, RGB 0..1.
        styles: float32 `[1, h, w, 3]`, RGB 0..1.
        start: float32 `[1, H, W, 3]`, RGB, nominally 0..1.
        regions: where which of these styles counts, or None.
        color: float32 `[1, H, W, 3]`, RGB 0..1, whose chroma the result takes in the end; None
            if the result keeps its own.
        color_share: float32 `[1, H, W, 1]`, 0..1, how much of it where; None for all.
    """

    content: np.ndarray
    styles: tuple[np.ndarray, ...]
    start: np.ndarray
    regions: Regions | None
    color: np.ndarray | None
    color_share: np.ndarray | None


def colored(
    content: np.ndarray,
    styles: tuple[np.ndarray, ...],
    start: np.ndarray,
    regions: Regions | None,
    config: StyleConfig,
    *,
    content_weights: np.ndarray | None = None,
) -> Colored:
    """Returns the pictures in the colors that `color` asks for.

    With a rule for each region, a style picture that several regions use becomes one for each,
    matched with what lies in that region of both pictures.

    Args:
        content: float32 `[1, H, W, 3]`, RGB 0..1.
        styles: float32 `[1, h, w, 3]`, RGB 0..1.
        start: float32 `[1, H, W, 3]`, RGB, nominally 0..1.
        regions: where which style counts, or None.
        config: `color` and `color_match`.
        content_weights: float32 `[1, H, W, 1]`, how much of the content is seen.

    Raises:
        ValueError: if there are several rules, but not one for each region.
    """
    rules = config.colors
    if len(rules) == 1:
        painted = tuple(
            painted_style(style, content, rules[0], config, content_weights=content_weights)
            for style in styles
        )
        color = content if rules[0] in _MERGED else None
        if rules[0] == "luminance":
            content, start = gray(luminance(content)), gray(luminance(start))
        return Colored(content, painted, start, regions, color, None)
    count = 0 if regions is None else regions.content.shape[-1]
    if regions is None or len(rules) != count:
        raise ValueError(
            "`color` must be one rule, or one for each region. Received: "
            f"color={config.color!r} for {count} regions. Write one rule, or as many as there are "
            "regions of `content_masks`."
        )
    pictures, masks, blends = [], [], []
    for region, rule in enumerate(rules):
        here = regions.content[..., region : region + 1]
        seen = here if content_weights is None else here * content_weights
        seen = seen if seen.any() else here  # What is transparent has colors, too.
        for index, style in enumerate(styles):
            if regions.blend[region, index] > 0.0:
                there = regions.styles[index][..., region : region + 1]
                weights = {"content_weights": seen, "style_weights": there}
                pictures.append(painted_style(style, content, rule, config, **weights))
                only = np.zeros_like(regions.styles[index])
                only[..., region : region + 1] = there
                masks.append(only)
                column = np.zeros([count], np.float32)
                column[region] = regions.blend[region, index]
                blends.append(column)

    def share(*names: str) -> np.ndarray:
        of = [rule in names for rule in rules]
        return np.clip(regions.content[..., of].sum(-1, keepdims=True), 0.0, 1.0)

    light = share("luminance")
    return Colored(
        content + light * (gray(luminance(content)) - content),
        tuple(pictures),
        start + light * (gray(luminance(start)) - start),
        regions._replace(styles=tuple(masks), blend=np.stack(blends, -1)),
        content if set(rules) & set(_MERGED) else None,
        share(*_MERGED),
    )


def merged(image: np.ndarray, color: np.ndarray | None, share: np.ndarray | None) -> np.ndarray:
    """Returns what was painted with the chroma that the result takes in the end.

    Args:
        image: float32 `[1, H, W, 3]`, RGB, nominally 0..1, as painted.
        color: `Colored.color`; None leaves the image as it is.
        share: `Colored.color_share`.
    """
    if color is None:
        return image
    found = into_gamut(with_luminance(color, luminance(image)))
    return found if share is None else image + share * (found - image)


def painted_style(
    style: np.ndarray,
    content: np.ndarray,
    rule: str,
    config: StyleConfig,
    *,
    content_weights: np.ndarray | None = None,
    style_weights: np.ndarray | None = None,
) -> np.ndarray:
    """Returns a style picture in the colors of a rule, float32, within 0..1.

    Args:
        style: float32 `[1, h, w, 3]`, RGB 0..1.
        content: float32 `[1, H, W, 3]`, RGB 0..1.
        rule: of `config.COLORS`.
        config: `color_match`.
        content_weights: float32 `[1, H, W, 1]`, which pixels count; None for all.
        style_weights: float32 `[1, h, w, 1]`, likewise.
    """
    weights = {"content_weights": content_weights, "style_weights": style_weights}
    if rule == "match":
        style = match_colors(style, content, method=config.color_match, **weights)
    elif rule == "luminance":
        style = gray(shift_luminance(style, content, **weights))
    else:
        return style
    return np.clip(style, 0.0, 1.0)
