"""Recolors the pictures of a run by the rules of the option `color`. No TensorFlow here.

There is one rule for the whole picture, or one for each region.
"""

import itertools

import numpy as np

from tf_style.config.style_config import StyleConfig
from tf_style.images.color import (
    gray,
    into_gamut,
    is_gray,
    luminance,
    most_chroma,
    muted,
    with_luminance,
)
from tf_style.images.color_match import match_colors, shift_luminance
from tf_style.inputs.inputs import Inputs

_MERGED = ("content", "luminance")


def colored(
    inputs: Inputs, config: StyleConfig, *, content_weights: np.ndarray | None = None
) -> Inputs:
    """Returns the inputs, recolored by the rules of `color`.

    Where the photograph and all styles are gray, the result takes the photograph's chroma, none;
    not with a rule for each region.

    With a rule for each region, a style picture used by several regions becomes several pictures,
    each matched to the content within its region.

    Args:
        inputs: in the colors of their files.
        config: `color` and `color_match`.
        content_weights: float32 `[1, H, W, 1]`, 0..1, opacity of the content; None for 1.

    Raises:
        ValueError: if there are several rules but not one for each region.
    """
    content, styles, start, regions = inputs.content, inputs.styles, inputs.start, inputs.regions
    visible = inputs.style_weights or (None,) * len(styles)
    rules = config.colors
    if len(rules) == 1:
        weights = {"content_weights": content_weights}
        painted = tuple(
            painted_style(style, content, rules[0], config, style_weights=each, **weights)
            for style, each in zip(styles, visible, strict=True)
        )
        counts = [weight > 0.0 for weight in inputs.blend]
        # The network would tint a gray photograph in a gray style, speck by speck.
        stays_gray = all(map(is_gray, (content, *itertools.compress(styles, counts))))
        color = content if rules[0] in _MERGED or stays_gray else None
        inputs = inputs._replace(styles=painted)
        if color is None and config.limit_chroma:
            found = map(most_chroma, painted, visible)
            inputs = inputs._replace(style_chroma=max(itertools.compress(found, counts)))
        if rules[0] == "luminance":
            content, start = gray(luminance(content)), gray(luminance(start))
        return inputs._replace(content=content, start=start, color=color)
    count = 0 if regions is None else regions.content.shape[-1]
    if regions is None or len(rules) != count:
        raise ValueError(
            "`color` must be one rule, or one for each region. Received: "
            f"color={config.color!r} for {count} regions. Write one rule, or as many as there are "
            "regions of `content_masks`."
        )
    pictures, masks, blends, seen_styles = [], [], [], []
    for region, rule in enumerate(rules):
        here = regions.content[..., region : region + 1]
        seen = here if content_weights is None else here * content_weights
        seen = seen if seen.any() else here  # A fully transparent region counts as opaque.
        for index, style in enumerate(styles):
            if regions.blend[region, index] > 0.0:
                there = regions.styles[index][..., region : region + 1]
                if visible[index] is not None:
                    there = there * visible[index]
                weights = {"content_weights": seen, "style_weights": there}
                pictures.append(painted_style(style, content, rule, config, **weights))
                only = np.zeros_like(regions.styles[index])
                only[..., region : region + 1] = there
                masks.append(only)
                seen_styles.append(visible[index])
                column = np.zeros([count], np.float32)
                column[region] = regions.blend[region, index]
                blends.append(column)

    def share(*names: str) -> np.ndarray:
        selected = [rule in names for rule in rules]
        return np.clip(regions.content[..., selected].sum(-1, keepdims=True), 0.0, 1.0)

    limit = max(map(most_chroma, pictures, seen_styles), default=None)
    light = share("luminance")
    return inputs._replace(
        content=content + light * (gray(luminance(content)) - content),
        styles=tuple(pictures),
        start=start + light * (gray(luminance(start)) - start),
        style_weights=tuple(seen_styles),
        style_chroma=limit if config.limit_chroma else None,
        regions=regions._replace(styles=tuple(masks), blend=np.stack(blends, -1)),
        color=content if set(rules) & set(_MERGED) else None,
        color_share=share(*_MERGED),
    )


def merged(image: np.ndarray, color: np.ndarray | None, share: np.ndarray | None) -> np.ndarray:
    """Returns a painted image with the chroma that the result should have.

    Args:
        image: float32 `[1, H, W, 3]`, RGB, nominally 0..1, as painted.
        color: `Inputs.color`; None leaves the image unchanged.
        share: `Inputs.color_share`.
    """
    if color is None:
        return image
    luma = luminance(image)
    recolored = into_gamut(with_luminance(muted(color, luma), luma))
    return recolored if share is None else image + share * (recolored - image)


def painted_style(
    style: np.ndarray,
    content: np.ndarray,
    rule: str,
    config: StyleConfig,
    *,
    content_weights: np.ndarray | None = None,
    style_weights: np.ndarray | None = None,
) -> np.ndarray:
    """Returns a style picture recolored by one rule, float32 `[1, h, w, 3]`, RGB 0..1.

    Args:
        style: float32 `[1, h, w, 3]`, RGB 0..1.
        content: float32 `[1, H, W, 3]`, RGB 0..1.
        rule: one of `style_config.COLORS`.
        config: `color_match`.
        content_weights: float32 `[1, H, W, 1]`, weights of the content's pixels; None for 1.
        style_weights: float32 `[1, h, w, 1]`, weights of the style's pixels; None for 1.
    """
    weights = {"content_weights": content_weights, "style_weights": style_weights}
    if rule == "match":
        style = match_colors(style, content, method=config.color_match, **weights)
    elif rule == "luminance":
        style = gray(shift_luminance(style, content, **weights))
    else:
        return style
    return np.clip(style, 0.0, 1.0)
