"""Masks of regions, read and matched with the pictures that they belong to. No TensorFlow here.

A mask is a gray picture, white where the region is, soft where it is gray; or one picture of
labels holds all regions, a color for each.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from tf_style.config.control import MAX_REGIONS, numbers
from tf_style.config.style_config import StyleConfig
from tf_style.images import reading, resizing
from tf_style.inputs.notes import SAME, Notes
from tf_style.inputs.sizes import Sizes


class Regions(NamedTuple):
    """Where which style counts.

    Attributes:
        content: float32 `[1, H, W, regions]`, 0..1, of the content's size.
        styles: for each style float32 `[1, h, w, regions]`, 0..1, of the style's size.
        blend: float32 `[regions, styles]`, weights of the styles in each region, of sum 1 where the
            strength is above 0.
        strengths: float32 `[regions]`, factors of the style loss; 0 for what stays as it is.
    """

    content: np.ndarray
    styles: tuple[np.ndarray, ...]
    blend: np.ndarray
    strengths: np.ndarray


def blend_of(config: StyleConfig, num_styles: int) -> np.ndarray:
    """Returns the weights of the styles, float32 `[styles]`, of sum 1.

    Raises:
        ValueError: if `style_blend` has another number of weights.
    """
    weights = numbers(config.control.style_blend, argument="style_blend")
    weights = weights or (1.0,) * num_styles
    if len(weights) != num_styles:
        raise ValueError(
            "`style_blend` must have one weight for each style. Received: "
            f"style_blend={config.control.style_blend!r} for {num_styles} styles. Write as many "
            "numbers as there are styles."
        )
    return np.array(weights, np.float32) / np.float32(sum(weights))


def read_regions(
    content_masks: Sequence[Any],
    style_masks: Sequence[Any],
    *,
    content: Sizes,
    styles: Sequence[Sizes],
    config: StyleConfig,
) -> tuple[Regions, tuple[str, ...]]:
    """Returns the regions, and notes on masks that had another size than their pictures.

    With gray masks the first region of the content takes its style from the first mask of the
    styles, and so on: there are as many masks of styles as of the content, or none, for whole
    style pictures; and one style for all regions, one for each, or, with `style_blend`, a blend in
    each. With labels there is one
    picture of them for the content and one for each style, and a region takes the styles that
    have its color, in the proportions of `style_blend`.

    Args:
        content_masks: paths, PIL pictures or arrays, at least one.
        style_masks: likewise.
        content: sizes of the content.
        styles: of each style.
        config: `style_blend` and `region_strengths`.

    Raises:
        OSError: if a file cannot be read.
        ValueError: if numbers do not fit, a mask is empty, or a region has no counterpart.
    """
    names = [f"content_masks[{index}]" for index in range(len(content_masks))]
    contents = [read_mask(mask, name) for mask, name in zip(content_masks, names, strict=True)]
    others = [read_mask(mask, f"style_masks[{index}]") for index, mask in enumerate(style_masks)]
    given = _Given(contents, others, content, styles, config, Notes())
    found = (_by_labels if any(map(_is_colored, contents)) else _by_order)(given)
    return Regions(*found, _strengths(config, found[0].shape[-1])), given.notes.lines


class _Given(NamedTuple):
    """Masks as they were read, and what they belong to."""

    contents: Sequence[np.ndarray]
    others: Sequence[np.ndarray]
    content: Sizes
    styles: Sequence[Sizes]
    config: StyleConfig
    notes: Notes


def read_mask(mask: Any, argument: str) -> np.ndarray:
    """Returns float32 `[h, w, 3]`, 0..1, of what `images.read_picture` takes."""
    return reading.over_white(reading.read_picture(mask, argument=argument))[0]


def gray_mask(mask: np.ndarray, size: tuple[int, int], argument: str) -> np.ndarray:
    """Returns float32 `[H, W]`, 0..1, from a mask, brought to a size.

    Raises:
        ValueError: if it is colored, or black everywhere.
    """
    if _is_colored(mask):
        raise ValueError(
            f"`{argument}` must be a gray picture, white where the region is. Received: a colored "
            "one. Colors stand for regions where all masks are pictures of labels."
        )
    gray = resizing.resize_mask(mask[..., 0], size)
    if not gray.max() > SAME:
        raise ValueError(
            f"`{argument}` must be white somewhere. Received: a mask that is black everywhere. "
            "White is where the region is."
        )
    return gray


def _is_colored(mask: np.ndarray) -> bool:
    # A JPEG's grays are gray to a few levels.
    return bool(np.ptp(mask, axis=-1).max() > 0.1)


def _by_order(given: _Given) -> tuple[np.ndarray, tuple[np.ndarray, ...], np.ndarray]:
    """Returns content masks, style masks and the blend for gray masks."""
    contents, others, content, styles, config, notes = given
    count, num_styles = len(contents), len(styles)
    _check_count(count)
    if num_styles not in (1, count) and others:
        raise ValueError(
            "`style` must be one picture, or one for each of `content_masks`, to be used with "
            f"`style_masks`. Received: {num_styles} styles and {count} masks."
        )
    if others and len(others) != count:
        raise ValueError(
            "`style_masks` must be as many as `content_masks`, or none. Received: "
            f"{len(others)} and {count}. Give a mask of a style for each of `content_masks`."
        )
    if count > 1 and num_styles not in (1, count) and not config.control.style_blend:
        raise ValueError(
            "`style` must be one picture, or one for each of `content_masks`. Received: "
            f"{num_styles} styles and {count} masks. With `style_blend` all are blended in each."
        )
    # One style for each region, or all of them in each.
    own = num_styles == count and count > 1
    blend = np.eye(count) if own else np.tile(blend_of(config, num_styles), [count, 1])
    if own and config.control.style_blend:
        raise ValueError(
            "Cannot use `style_blend` with a style for each region. This is because each region "
            f"has one style. Received: style_blend={config.control.style_blend!r}."
        )
    style_masks = []
    for index, sizes in enumerate(styles):
        whole = np.ones([*sizes.used, count], np.float32)
        for region in range(count):
            if others and (not own or region == index):
                name = f"style_masks[{region}]"
                notes.compare(name, others[region], sizes)
                whole[..., region] = gray_mask(others[region], sizes.used, name)
        style_masks.append(whole[np.newaxis])
    masks = []
    for region, mask in enumerate(contents):
        name = f"content_masks[{region}]"
        notes.compare(name, mask, content)
        masks.append(gray_mask(mask, content.used, name))
    found = np.stack(masks, -1)
    notes.look_at_all(found)
    return found[np.newaxis], tuple(style_masks), blend.astype(np.float32)


def _by_labels(given: _Given) -> tuple[np.ndarray, tuple[np.ndarray, ...], np.ndarray]:
    """Returns content masks, style masks and the blend for pictures of labels."""
    contents, others, content, styles, config, notes = given
    if len(contents) != 1 or len(others) != len(styles):
        raise ValueError(
            "`style_masks` must be one picture of labels for each style, and `content_masks` one, "
            f"where colors stand for regions. Received: {len(contents)} for the content and "
            f"{len(others)} for the styles, which are {len(styles)}. Paint one for each."
        )
    labels, masks = _labels(contents[0], content, "content_masks", notes)
    _check_count(len(labels))
    notes.look_at_all(masks)
    found, has = [], np.zeros([len(labels), len(others)])
    there: set[tuple[int, ...]] = set()
    for index, (mask, sizes) in enumerate(zip(others, styles, strict=True)):
        colors, own = _labels(mask, sizes, f"style_masks[{index}]", notes)
        there.update(colors)
        style = np.zeros([*sizes.used, len(labels)], np.float32)
        for region, color in enumerate(labels):
            if color in colors:
                style[..., region] = own[..., colors.index(color)]
                has[region, index] = 1.0
        found.append(style[np.newaxis])
    blend = has * blend_of(config, len(others))
    strengths = _strengths(config, len(labels))
    for color, weights, strength in zip(labels, blend, strengths, strict=True):
        if not weights.sum() and strength:
            raise ValueError(
                f"`style_masks` must have the color {_told(color)} of `content_masks`, in a style "
                f"of a weight above 0. Received: {', '.join(map(_told, sorted(there)))}. Paint it "
                "there (as PNG, without smoothing), or give the region the strength 0 by "
                "`region_strengths` (regions are in the order of their colors' numbers)."
            )
    blend /= np.maximum(blend.sum(1, keepdims=True), 1e-12)
    return masks[np.newaxis], tuple(found), blend.astype(np.float32)


def _told(color: tuple[int, ...]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


def _labels(
    mask: np.ndarray, sizes: Sizes, argument: str, notes: Notes
) -> tuple[list[tuple[int, ...]], np.ndarray]:
    """Returns the colors of a picture of labels, sorted, and float32 `[H, W, colors]`, 0 or 1."""
    notes.compare(argument, mask, sizes)
    picture = Image.fromarray(np.round(mask * 255.0).astype(np.uint8))
    pixels = np.asarray(picture.resize(sizes.used[::-1], Image.Resampling.NEAREST))
    colors, index = np.unique(pixels.reshape(-1, 3), axis=0, return_inverse=True)
    if len(colors) > MAX_REGIONS:
        raise ValueError(
            f"`{argument}` must have at most {MAX_REGIONS} colors, one for each region. Received: "
            f"{len(colors)} colors. Save it as PNG, painted without smoothing."
        )
    masks = np.eye(len(colors), dtype=np.float32)[index.ravel()]
    return [tuple(map(int, color)) for color in colors], masks.reshape(*sizes.used, len(colors))


def _strengths(config: StyleConfig, count: int) -> np.ndarray:
    given = numbers(config.control.region_strengths, argument="region_strengths")
    given = given or (1.0,) * count
    if len(given) != count:
        raise ValueError(
            "`region_strengths` must have one number for each region. Received: "
            f"region_strengths={config.control.region_strengths!r} for {count} regions. Write as "
            "many numbers as there are regions."
        )
    return np.array(given, np.float32)


def _check_count(count: int) -> None:
    if count > MAX_REGIONS:
        raise ValueError(
            f"`content_masks` must be at most {MAX_REGIONS} regions. Received: {count}. Join "
            "regions that are alike."
        )
