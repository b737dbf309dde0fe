"""Pictures that control a run: masks of regions, the content map, what to keep, a fine style.

Takes them as the caller gives them, checks them against the options, and gives regions and maps at
the sizes of the run. No TensorFlow here.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tf_style.config.control import ControlConfig, numbers
from tf_style.config.loss import LossConfig
from tf_style.config.style_config import StyleConfig
from tf_style.inputs.masks import Regions, gray_mask, keep_mask, read_mask, read_regions
from tf_style.inputs.notes import Notes
from tf_style.inputs.sizes import Sizes


class ControlPictures(NamedTuple):
    """Pictures besides content and style, each as `reading.read_picture` accepts it.

    Attributes:
        content_masks: masks of the content's regions, or one label picture; see
            `masks.read_regions`.
        style_masks: likewise for the styles.
        content_map: white where the content counts `content_map_gain` times as much; or None.
        fine_style: picture whose fine texture the styles take on first; or None.
        keep: white where the content stays as it is; or None.
    """

    content_masks: Sequence[Any] = ()
    style_masks: Sequence[Any] = ()
    content_map: Any = None
    fine_style: Any = None
    keep: Any = None


NO_CONTROLS = ControlPictures()


def given_controls(controls: ControlPictures) -> tuple[str, ...]:
    """Returns the names of the control pictures that were given."""
    return tuple(
        name
        for name, value in controls._asdict().items()
        if value is not None and len(several(value))
    )


def check_controls(controls: ControlPictures, config: StyleConfig) -> None:
    """Raises ValueError if control pictures and options contradict each other."""
    control = config.control
    masks = bool(several(controls.content_masks))
    if masks and control.regions:
        raise ValueError(
            "Cannot use `content_masks` with `regions`. This is because both define the "
            f"regions. Received: regions={control.regions!r}. Leave one out."
        )
    for name, used in (
        ("style_masks", bool(several(controls.style_masks))),
        ("region_strengths", bool(control.region_strengths)),
    ):
        if used and not masks:
            raise ValueError(
                f"Cannot use `{name}` without `content_masks`. This is because the masks define "
                "the regions. Received: no `content_masks`. Give one mask for each region."
            )
    for name, value, default, used, owner in (
        (
            "content_map_gain",
            control.content_map_gain,
            ControlConfig.content_map_gain,
            controls.content_map is not None,
            "content_map",
        ),
        (
            "mask_mode",
            config.loss.mask_mode,
            LossConfig.mask_mode,
            masks or control.finds_regions or controls.keep is not None,
            "content_masks",
        ),
    ):
        if value != default and not used:
            raise ValueError(
                f"Cannot use `{name}` without `{owner}`. This is because nothing else uses it. "
                f"Received: {name}={value!r}. Leave it out, or give `{owner}`."
            )
    if len(config.colors) > 1:
        for name, used in (
            ("fine_style", controls.fine_style is not None),
            ("init='style'", config.init == "style"),
        ):
            if used:
                raise ValueError(
                    f"Cannot use `{name}` with a `color` for each region. This is because that "
                    f"picture has no regions. Received: color={config.color!r}. Use one rule."
                )


def regions_of(
    controls: ControlPictures, content: Sizes, styles: Sequence[Sizes], config: StyleConfig
) -> tuple[Regions | None, tuple[str, ...]]:
    """Returns the regions, or None if there are no masks, and notes on the masks.

    Args:
        controls: the masks of content and styles.
        content: sizes of the content.
        styles: sizes of each style at the first scale of `style_scales`, then at the next one.
        config: `style_blend`, `style_scales` and `region_strengths`.

    Raises:
        OSError: if a file cannot be read.
        ValueError: as in `read_regions`.
    """
    content_masks, style_masks = map(several, controls[:2])
    if not content_masks:
        return None, ()
    return read_regions(
        content_masks,
        style_masks,
        content=content,
        styles=styles,
        config=config,
        num_scales=len(style_scales(config)),
    )


def content_map_of(
    controls: ControlPictures, sizes: Sizes, config: StyleConfig
) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Returns weights of the content, float32 `[1, H, W, 1]`, or None, and notes on the map.

    Args:
        controls: `content_map`, or None.
        sizes: sizes of the content.
        config: `content_map_gain`.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if the map is colored, or black everywhere.
    """
    if controls.content_map is None:
        return None, ()
    white, notes = _mask_of(
        controls.content_map,
        "content_map",
        sizes,
        gray_mask,
        if_constant="the content counts equally everywhere",
    )
    gain = np.float32(config.control.content_map_gain)
    return 1.0 + (gain - 1.0) * white, notes


def keep_of(controls: ControlPictures, sizes: Sizes) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Returns what stays as it is, float32 `[1, H, W, 1]`, 0..1, or None, and notes on the mask.

    Args:
        controls: `keep`, or None.
        sizes: sizes of the content.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if the mask is colored, or white everywhere.
    """
    if controls.keep is None:
        return None, ()
    constant = "no part is kept more than another"
    return _mask_of(controls.keep, "keep", sizes, keep_mask, if_constant=constant)


def _mask_of(
    picture: Any,
    argument: str,
    sizes: Sizes,
    scaled: Callable[[np.ndarray, tuple[int, int], str], np.ndarray],
    *,
    if_constant: str,
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Returns a mask at the content's size, float32 `[1, H, W, 1]`, 0..1, and notes on it.

    Args:
        picture: the mask.
        argument: its name in notes and errors.
        sizes: sizes of the content.
        scaled: `masks.gray_mask` or `masks.keep_mask`.
        if_constant: what it means if the mask is the same everywhere.
    """
    notes = Notes()
    mask = read_mask(picture, argument, notes)
    notes.compare(argument, mask, sizes)
    gray = scaled(mask, sizes.used, argument)
    notes.look(argument, gray, if_constant)
    return gray[np.newaxis, ..., np.newaxis], notes.lines


def style_scales(config: StyleConfig) -> tuple[float, ...]:
    """Returns the scales at which each style is used, at least one."""
    return numbers(config.control.style_scales, argument="style_scales") or (1.0,)


def several(pictures: Any) -> Sequence[Any]:
    """Returns the pictures as a sequence, also if there is only one."""
    return pictures if isinstance(pictures, (list, tuple)) else [pictures]
