"""Masks of regions: takes mask pictures, gives `Regions` at the sizes of content and styles.

A mask is a gray picture: white inside its region, black outside, gray in between. Alternatively,
one label picture holds all regions, with one color for each. What is transparent is no region. No
TensorFlow here.
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
    """Where each style counts.

    Attributes:
        content: float32 `[1, H, W, regions]`, 0..1, at the content's size.
        styles: for each style float32 `[1, h, w, regions]`, 0..1, at the style's size.
        blend: float32 `[regions, styles]`, weights of the styles in each region, with sum 1 if the
            region's strength is above 0.
        strengths: float32 `[regions]`, at least 0, strengths of the style; 0 leaves a region
            as it is in the content.
    """

    content: np.ndarray
    styles: tuple[np.ndarray, ...]
    blend: np.ndarray
    strengths: np.ndarray


_THINGS = {"style_blend": ("weight", "style"), "region_strengths": ("number", "region")}
"""By option: what each of its numbers is, and what it needs one for; for error messages."""


def blend_of(config: StyleConfig, num_styles: int) -> np.ndarray:
    """Returns the weights of the styles, float32 `[styles]`, with sum 1.

    Raises:
        ValueError: unless `style_blend` has one weight for each style.
    """
    weights = _one_each(config.control.style_blend, num_styles, argument="style_blend")
    return np.array(weights, np.float32) / np.float32(sum(weights))


def read_regions(
    content_masks: Sequence[Any],
    style_masks: Sequence[Any],
    *,
    content: Sizes,
    styles: Sequence[Sizes],
    config: StyleConfig,
    num_scales: int = 1,
) -> tuple[Regions, tuple[str, ...]]:
    """Returns the regions, and notes on masks that are stretched or define no region.

    With gray masks, each region of the content takes its style from the style mask at the same
    index. There are as many style masks as content masks, or none, which uses the whole style
    pictures. There is one style for all regions, one for each region, or, with `style_blend`, a
    blend of all styles in each region.

    With labels, there is one label picture for the content and one for each style. A region uses
    the styles that have its color, in the proportions of `style_blend`.

    Args:
        content_masks: paths, PIL pictures or arrays, at least one.
        style_masks: likewise.
        content: sizes of the content.
        styles: sizes of each style; with several scales, of all styles at the first scale, then
            of all styles at the next one, and so on.
        config: `style_blend` and `region_strengths`.
        num_scales: number of scales of each style, which count equally.

    Raises:
        OSError: if a file cannot be read.
        ValueError: if the numbers of masks, styles and strengths do not match, a mask is black
            everywhere, or a region has no counterpart in the styles.
    """
    notes, count = Notes(), len(styles) // num_scales
    contents, others = (
        [read_mask(mask, f"{argument}[{index}]", notes) for index, mask in enumerate(masks)]
        for argument, masks in (("content_masks", content_masks), ("style_masks", style_masks))
    )
    match = _match_labels if any(map(_is_colored, contents)) else _match_in_order
    scales = [
        match(_MaskSet(contents, others, content, styles[first : first + count], config, notes))
        for first in range(0, len(styles), count)
    ]
    content_regions = scales[0][0]
    regions = Regions(
        content_regions,
        tuple(mask for _, masks, _ in scales for mask in masks),
        np.concatenate([blend for *_, blend in scales], 1) / np.float32(num_scales),
        _strengths(config, content_regions.shape[-1]),
    )
    return regions, notes.lines


class _MaskSet(NamedTuple):
    """Masks as read, with the pictures that they belong to, at one scale of the styles."""

    contents: Sequence[np.ndarray]
    others: Sequence[np.ndarray]
    content: Sizes
    styles: Sequence[Sizes]
    config: StyleConfig
    notes: Notes


def read_mask(mask: Any, argument: str, notes: Notes) -> np.ndarray:
    """Returns a mask, float32 `[h, w, 3]`, 0..1, from anything `reading.read_picture` accepts.

    A colored mask with transparent parts is `[h, w, 4]`, with its alpha. Otherwise what is
    transparent counts as black; but where a mask is painted in black on nothing, what is painted is
    the region. Records notes on what is left out of a file.
    """
    picture = reading.read_picture(mask, argument=argument)
    notes.add(*picture.notes)
    image = picture.image[0]
    if picture.alpha is None or picture.alpha.min() == 1.0:
        return image
    alpha = picture.alpha[0]
    painted = image * alpha
    if _is_colored(painted):
        return np.concatenate([image, alpha], -1)
    is_black = alpha.max() > SAME and not painted.max() > SAME
    return np.repeat(alpha, 3, -1) if is_black else painted


def gray_mask(mask: np.ndarray, size: tuple[int, int], argument: str) -> np.ndarray:
    """Returns a mask from `read_mask` as one channel at a size, float32 `[H, W]`, 0..1.

    Raises:
        ValueError: if the mask is colored, or black everywhere.
    """
    if _is_colored(mask):
        raise ValueError(
            f"`{argument}` must be a gray picture, white where the region is. Received: a colored "
            "picture. To use colors for regions, make all masks label pictures."
        )
    gray = resizing.resize_mask(mask[..., 0], size)
    if not gray.max() > SAME:
        raise ValueError(
            f"`{argument}` must be white somewhere. Received: a mask that is black everywhere. "
            "Paint the region white."
        )
    return gray


def keep_mask(mask: np.ndarray, size: tuple[int, int], argument: str) -> np.ndarray:
    """Returns a mask of what stays as it is, float32 `[H, W]`, 0..1, as `gray_mask` does.

    White stays exactly 1: the rest of the mask is resized, because only 0 survives the rounding.

    Raises:
        ValueError: if the mask is colored, or white everywhere.
    """
    if _is_colored(mask):
        raise ValueError(
            f"`{argument}` must be a gray picture, white where the photograph stays as it is. "
            "Received: a colored picture. Save it without color."
        )
    rest = resizing.resize_mask(1.0 - mask[..., 0], size)
    if not rest.max() > SAME:
        raise ValueError(
            f"`{argument}` must be black somewhere, or nothing would be painted. Received: a mask "
            "that is white everywhere. Paint black what is to be painted."
        )
    return np.float32(1.0) - rest


def _is_colored(mask: np.ndarray) -> bool:
    # The grays of a JPEG are off by a few levels.
    return bool(np.ptp(mask[..., :3], axis=-1).max() > 0.1)


def _match_in_order(masks_read: _MaskSet) -> tuple[np.ndarray, tuple[np.ndarray, ...], np.ndarray]:
    """Returns content masks, style masks and the blend for gray masks, matched by index."""
    contents, others, content, styles, config, notes = masks_read
    count, num_styles = len(contents), len(styles)
    _check_count(count)
    if num_styles not in (1, count) and others:
        raise ValueError(
            "`style` must be one picture, or one for each of `content_masks`, if there are "
            f"`style_masks`. Received: {num_styles} styles and {count} masks."
        )
    if others and len(others) != count:
        raise ValueError(
            "`style_masks` must be as many as `content_masks`, or none. Received: "
            f"{len(others)} and {count}. Give one style mask for each of `content_masks`."
        )
    if count > 1 and num_styles not in (1, count) and not config.control.style_blend:
        raise ValueError(
            "`style` must be one picture, or one for each of `content_masks`. Received: "
            f"{num_styles} styles and {count} masks. Use `style_blend` to blend all styles in each "
            "region."
        )
    # One style for each region, or all styles in every region.
    own = num_styles == count and count > 1
    blend = np.eye(count) if own else np.tile(blend_of(config, num_styles), [count, 1])
    if own and config.control.style_blend:
        raise ValueError(
            "Cannot use `style_blend` with a style for each region. This is because each region "
            f"then has only one style. Received: style_blend={config.control.style_blend!r}."
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
    stacked = np.stack(masks, -1)
    notes.look_at_all(stacked)
    return stacked[np.newaxis], tuple(style_masks), blend.astype(np.float32)


def _match_labels(masks_read: _MaskSet) -> tuple[np.ndarray, tuple[np.ndarray, ...], np.ndarray]:
    """Returns content masks, style masks and the blend for label pictures, matched by color."""
    contents, others, content, styles, config, notes = masks_read
    if len(contents) != 1 or len(others) != len(styles):
        raise ValueError(
            "`style_masks` must be one label picture for each style, and `content_masks` one for "
            f"the content, if masks are colored. Received: {len(contents)} for the content and "
            f"{len(others)} for {len(styles)} styles. Paint one for each."
        )
    labels, masks = _labels(contents[0], content, "content_masks", notes)
    _check_count(len(labels))
    notes.look_at_all(masks)
    style_masks, has = [], np.zeros([len(labels), len(others)])
    style_colors: set[tuple[int, ...]] = set()
    for index, (mask, sizes) in enumerate(zip(others, styles, strict=True)):
        colors, own = _labels(mask, sizes, f"style_masks[{index}]", notes)
        style_colors.update(colors)
        style = np.zeros([*sizes.used, len(labels)], np.float32)
        for region, color in enumerate(labels):
            if color in colors:
                style[..., region] = own[..., colors.index(color)]
                has[region, index] = 1.0
        style_masks.append(style[np.newaxis])
    blend = has * blend_of(config, len(others))
    strengths = _strengths(config, len(labels))
    for color, weights, strength in zip(labels, blend, strengths, strict=True):
        if not weights.sum() and strength:
            raise ValueError(
                f"`style_masks` must have the color {_hex(color)} of `content_masks`, in a style "
                f"with a weight above 0. Received: {', '.join(map(_hex, sorted(style_colors)))}. "
                "Paint that color there (as PNG, without antialiasing), or give the region the "
                "strength 0 in `region_strengths`, where regions are sorted by these numbers."
            )
    blend /= np.maximum(blend.sum(1, keepdims=True), 1e-12)
    return masks[np.newaxis], tuple(style_masks), blend.astype(np.float32)


def _hex(color: tuple[int, ...]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


def _labels(
    mask: np.ndarray, sizes: Sizes, argument: str, notes: Notes
) -> tuple[list[tuple[int, ...]], np.ndarray]:
    """Returns the sorted colors of a label picture and masks, float32 `[H, W, colors]`, 0 or 1."""
    notes.compare(argument, mask, sizes)
    picture = Image.fromarray(np.round(mask * 255.0).astype(np.uint8))
    pixels = np.asarray(picture.resize(sizes.used[::-1], Image.Resampling.NEAREST))
    visible = np.ones(sizes.used, bool) if pixels.shape[-1] == 3 else pixels[..., 3] >= 128
    colors, index = np.unique(pixels[visible][:, :3], axis=0, return_inverse=True)
    if not len(colors):
        raise ValueError(
            f"`{argument}` must be opaque somewhere. Received: labels that are transparent, by "
            "more than one half, everywhere. Save it without alpha channel."
        )
    if len(colors) > MAX_REGIONS:
        raise ValueError(
            f"`{argument}` must have at most {MAX_REGIONS} colors, one for each region. Received: "
            f"{len(colors)} colors. Save it as PNG, painted without antialiasing."
        )
    masks = np.zeros([*sizes.used, len(colors)], np.float32)
    masks[visible] = np.eye(len(colors), dtype=np.float32)[index.ravel()]
    return [tuple(map(int, color)) for color in colors], masks


def _strengths(config: StyleConfig, count: int) -> np.ndarray:
    strengths = config.control.region_strengths
    return np.array(_one_each(strengths, count, argument="region_strengths"), np.float32)


def _one_each(text: str, count: int, *, argument: str) -> tuple[float, ...]:
    """Returns the numbers of an option, as many as `count`; all are 1 if it is empty."""
    values = numbers(text, argument=argument) or (1.0,) * count
    if len(values) != count:
        things = _THINGS[argument]
        raise ValueError(
            f"`{argument}` must have one {things[0]} for each {things[1]}. Received: "
            f"{argument}={text!r} for {count} {things[1]}s. Write {count} numbers."
        )
    return values


def _check_count(count: int) -> None:
    if count > MAX_REGIONS:
        raise ValueError(
            f"`content_masks` must define at most {MAX_REGIONS} regions. Received: {count}. Merge "
            "similar regions."
        )
