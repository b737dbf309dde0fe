"""Prepares the inputs of a run: takes pictures and options, gives `Inputs`.

All problems with the pictures are reported here, before the long computation. No TensorFlow here.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tf_style.config.style_config import INITS, StyleConfig
from tf_style.images import reading, resizing
from tf_style.images.filling import filled
from tf_style.inputs.appearance import notes_on_content, notes_on_style
from tf_style.inputs.automatic_regions import SMALLEST_SIDE
from tf_style.inputs.coloring import colored, painted_style
from tf_style.inputs.control_pictures import (
    NO_CONTROLS,
    ControlPictures,
    check_controls,
    content_map_of,
    given_controls,
    keep_of,
    regions_of,
    several,
    style_scales,
)
from tf_style.inputs.inputs import NOISE_DEVIATION, NOISE_MEAN, Inputs
from tf_style.inputs.margins import find_margins, margins_of
from tf_style.inputs.masks import blend_of
from tf_style.inputs.notes import SAME
from tf_style.inputs.protection import check_protect, protected
from tf_style.inputs.sizes import (
    Sizes,
    check_pixels,
    check_sides,
    smallest_side,
    style_edge,
    style_size,
)


def prepare_inputs(
    content: Any, style: Any, config: StyleConfig, controls: ControlPictures = NO_CONTROLS
) -> Inputs:
    """Returns the inputs of a run; every picture keeps its own aspect ratio.

    Args:
        content: path, PIL picture, array or tensor, as `reading.read_picture` accepts it. Fully
            transparent parts are white for the network; the alpha channel is kept.
        style: likewise, or a list or tuple of them. Only what is visible counts. What is
            transparent all around is left out, and so are uniform margins, unless `keep_margins` is
            set, or there are `style_masks`, which belong to the whole picture.
        config: sizes, `init`, `seed`, `color`, and weights of styles and regions.
        controls: masks, content map, what to keep, and fine style.

    Raises:
        OSError: if a file is missing or cannot be read.
        ValueError: if a picture is damaged, or too small or narrow for the layers in use.
    """
    check_controls(controls, config)
    check_protect(config)
    smallest = smallest_side(config)
    if config.control.finds_regions and not several(controls.content_masks):
        smallest = max(smallest, SMALLEST_SIDE)
    content_picture, size, alpha_notes = read_content(content, config.size, smallest)

    sizes = Sizes(content_picture.size, size)
    edge: int | None = max(style_edge(size, config, scale) for scale in style_scales(config))
    if config.init == "style":
        edge = None  # The style must be large enough to cover the result.
    has_masks = bool(several(controls.style_masks))
    originals, style_notes = [], []
    for picture, name in _named("style", style):
        original, lines = read_style(
            picture, name, smallest, edge, keep_margins=config.keep_margins or has_masks
        )
        originals.append(original)
        style_notes += [*lines, *notes_on_style(original.image, name)]
    blend = blend_of(config, len(originals))
    styles, style_weights, style_sizes = _at_scales(originals, size, config)
    regions, notes = regions_of(controls, sizes, style_sizes, config)
    content_map, more_notes = content_map_of(controls, sizes, config)
    keep, keep_notes = keep_of(controls, sizes)
    content_map, face_notes = protected(content_map, content_picture, size, config)
    content_image, alpha = reading.resize_picture(content_picture, size)[:2]
    weights = alpha if alpha is not None and alpha.any() else None
    start, start_notes = _start(content_image, originals[0].image, weights, config)
    num_scales = len(styles) // len(blend)
    inputs = Inputs(
        content=content_image,
        styles=tuple(styles),
        start=start,
        alpha=alpha,
        blend=np.tile(blend, num_scales) / np.float32(num_scales),
        regions=regions,
        content_map=content_map,
        keep=keep,
        notes=(
            *content_picture.notes,
            *alpha_notes,
            *notes_on_content(content_image, alpha),
            *style_notes,
            *start_notes,
            *notes,
            *more_notes,
            *keep_notes,
            *face_notes,
        ),
        style_weights=style_weights,
        controls=given_controls(controls),
    )
    check_touched(inputs)
    inputs = colored(inputs, config, content_weights=weights)
    if controls.fine_style is None:
        return inputs
    one_scale = config.replace(style_scales="")
    edge = style_edge(size, one_scale, 1.0)
    picture, lines = read_style(
        controls.fine_style, "fine_style", smallest, edge, keep_margins=config.keep_margins
    )
    (fine,), *_ = _at_scales([picture], size, one_scale)
    fine = painted_style(fine, content_image, config.colors[0], config, content_weights=weights)
    return inputs._replace(fine_style=fine, notes=(*inputs.notes, *lines))


def read_content(
    picture: Any, long_edge: int, smallest: int
) -> tuple[reading.Picture, tuple[int, int], list[str]]:
    """Returns a photograph, the size at which it is used, (height, width) in px, and notes.

    Args:
        picture: whatever `reading.read_picture` takes.
        long_edge: of that size, px; 0 for the photograph's own size.
        smallest: px that each side must have.

    Raises:
        OSError: if the file is missing or cannot be read.
        ValueError: if it is damaged, too small or too large.
    """
    found = reading.read_picture(picture, argument="content", long_edge=long_edge or None)
    found, notes = _visible(found, "content")
    check_sides("content", found.size, smallest)
    size = resizing.fit(found.size, long_edge) if long_edge else found.size
    check_sides("content", size, smallest, received=found.size)
    check_pixels("size", size)
    return found, size, notes


def check_touched(inputs: Inputs) -> None:
    """Raises ValueError if nothing is left to be painted, or nothing of a style to paint it in."""
    touched = inputs.touched
    if inputs.keep is not None and touched is not None and not touched.max() > SAME:
        raise ValueError(
            "`keep` must leave some part of `content_masks` to be painted. Received: a mask that "
            "is white everywhere in them. Paint black what is to be painted."
        )
    painted = inputs.painted_regions
    for masks, blend in zip(painted.styles, painted.blend.T, strict=True) if painted else ():
        if not (masks.max((0, 1, 2)) > SAME)[blend > 0.0].all():
            raise ValueError(
                "`style_masks` must leave something visible of each style. Received: a mask that "
                "covers only transparent parts. Paint it over what is visible."
            )


def _start(
    content: np.ndarray,
    style: np.ndarray,
    weights: np.ndarray | None,
    config: StyleConfig,
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Returns the start image that `init` names, float32 `[1, H, W, 3]`, RGB, and notes on it."""
    if config.init in ("content", "fast"):  # `fast_start` replaces it, with TensorFlow.
        return content, ()
    if config.init == "style":
        start = resizing.cover(style, content.shape[1:3])
        rule = config.colors[0]
        return painted_style(start, content, rule, config, content_weights=weights), ()
    if config.init == "noise":
        # White noise, as in the paper, which does not specify its distribution.
        rng = np.random.default_rng(config.seed)
        return rng.normal(NOISE_MEAN, NOISE_DEVIATION, content.shape).astype(np.float32), ()
    found = _read_init(config.init)
    return resizing.cover(reading.over_white(found), content.shape[1:3]), found.notes


def _at_scales(
    originals: Sequence[reading.Picture], result: tuple[int, int], config: StyleConfig
) -> tuple[list[np.ndarray], tuple[np.ndarray | None, ...], list[Sizes]]:
    """Returns all styles at the first scale, then at the next one; `style_weights`; their sizes."""
    smallest = smallest_side(config)
    styles, weights, sizes = [], [], []
    for scale in style_scales(config):
        for picture in originals:
            read = picture.size
            size = style_size(read, result, config, scale)
            check_sides("style", size, smallest, received=read, scale=scale)
            check_pixels("style_size", size)
            styles.append(resizing.resize(picture.image, size))
            alpha = picture.alpha
            weights.append(
                alpha
                if alpha is None
                else resizing.resize_mask(alpha[0, ..., 0], size)[np.newaxis, ..., np.newaxis]
            )
            sizes.append(Sizes(read, size))
    has_weights = any(each is not None for each in weights)
    return styles, tuple(weights) if has_weights else (), sizes


def _named(argument: str, pictures: Any) -> Iterator[tuple[Any, str]]:
    """Yields each picture with its name in error messages."""
    pictures = several(pictures)
    if not pictures:
        raise ValueError(f"`{argument}` must be at least one picture. Received: none.")
    for index, picture in enumerate(pictures):
        yield picture, argument if len(pictures) == 1 else f"{argument}[{index}]"


def _visible(picture: reading.Picture, argument: str) -> tuple[reading.Picture, list[str]]:
    """Returns the picture without its alpha, and a note, if it is transparent everywhere."""
    if picture.alpha is None or picture.alpha.max() > SAME:
        return picture, []
    return picture._replace(alpha=None), [
        f"`{argument}` is transparent everywhere; it is read as opaque."
    ]


def read_style(
    picture: Any, argument: str, smallest: int, long_edge: int | None, *, keep_margins: bool
) -> tuple[reading.Picture, list[str]]:
    """Returns a style picture without its margins, and notes on what was left out.

    Its transparent parts are filled with colors that continue the visible ones.

    Args:
        picture: whatever `reading.read_picture` takes.
        argument: its name in error messages.
        smallest: px that each side must have.
        long_edge: the longer edge that is needed, px; None for the whole picture.
        keep_margins: whether to keep uniform margins.

    Raises:
        OSError: if a file is missing or cannot be read.
        ValueError: if it is damaged, or too small.
    """
    found = reading.read_picture(picture, argument=argument, long_edge=long_edge)
    check_sides(argument, found.size, smallest)
    found, lines = _visible(found, argument)
    lines = [*found.notes, *lines]
    alpha = found.alpha
    if alpha is not None and alpha.min() < 1.0:
        lines.append(f"`{argument}` is transparent in part; only what is visible counts.")
        margins, text = margins_of(alpha), None
        found = found._replace(image=filled(found.image, alpha))
    else:
        margins = find_margins(found.image)
        text = (
            f"`{argument}` has a uniform margin, which is left out: {margins}. `keep_margins` "
            "keeps it."
        )
        found = found._replace(alpha=None)
    if keep_margins or not any(margins):
        return found, lines
    inside = margins.without(found.image)
    if min(inside.shape[1:3]) < smallest:
        return found, lines
    # What was reduced while it was read counts at its reduced size, and is not enlarged again.
    seen = None if found.alpha is None else margins.without(found.alpha)
    return reading.Picture(inside, seen), [*lines, *([text] if text else [])]


def _read_init(path: str) -> reading.Picture:
    try:
        return reading.read_picture(path, argument="init")
    except FileNotFoundError as error:
        choices = ", ".join(repr(name) for name in INITS)
        raise FileNotFoundError(
            f"`init` must be one of {choices} or an existing picture. Received: init={path!r}."
        ) from error
