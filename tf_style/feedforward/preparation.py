"""Prepares the pictures of one pass: a photograph with its masks, and paintings.

Takes pictures and options; gives `Inputs`, in which each style is a placeholder of one pixel. No
TensorFlow here.
"""

import dataclasses
from typing import Any

import numpy as np

from tf_style import vgg19
from tf_style._checks import one_line
from tf_style.config.fast import FastConfig
from tf_style.config.network import NetworkConfig
from tf_style.config.style_config import StyleConfig
from tf_style.config.training import TrainingConfig
from tf_style.feedforward.architecture import LEAST_SIDE, PAINTING_LAYERS
from tf_style.feedforward.network_file import NetworkFileError, StyleNetwork
from tf_style.images import reading
from tf_style.images.color import gray, luminance
from tf_style.images.resizing import fit, resize
from tf_style.inputs.appearance import notes_on_content, notes_on_style
from tf_style.inputs.control_pictures import (
    ControlPictures,
    given_controls,
    keep_of,
    regions_of,
    several,
)
from tf_style.inputs.inputs import Inputs
from tf_style.inputs.preparation import check_touched, read_content, read_style
from tf_style.inputs.sizes import Sizes, check_sides

OF_PAINTINGS = ("style_edge", *(field.name for field in dataclasses.fields(NetworkConfig)))
"""The options of a training that tell how its predictor saw paintings."""

_PLACEHOLDER = np.zeros([1, 1, 1, 3], np.float32)


def prepare_photograph(
    content: Any,
    config: FastConfig,
    controls: ControlPictures,
    *,
    num_styles: int,
) -> Inputs:
    """Returns the inputs of a picture that is painted in one pass.

    Args:
        content: whatever `reading.read_picture` takes.
        config: `size` and `color`.
        controls: `content_masks` and `keep`.
        num_styles: number of styles: one, or one for each mask.

    Raises:
        OSError: if a file is missing or cannot be read.
        ValueError: if a picture is damaged or too small, or masks and styles do not match.
    """
    num_masks = len(several(controls.content_masks))
    if num_styles not in (1, num_masks):
        raise ValueError(
            "`style` must be one style, a blend with weights, or one style for each of "
            f"`content_masks`. Received: {num_styles} styles and {num_masks} masks. Write a blend "
            "as in 'one:0.7,other:0.3'."
        )
    picture, size, alpha_notes = read_content(content, config.size, 1)
    if min(size) < LEAST_SIDE:
        height, width = picture.size
        raise ValueError(
            f"`content` must have at least {LEAST_SIDE} px on each side. Received: a picture of "
            f"{width}x{height} px, which becomes {size[1]}x{size[0]} px. Crop it, or use a larger "
            "`size`."
        )
    sizes, placeholders = Sizes(picture.size, size), [Sizes((1, 1), (1, 1))] * num_styles
    regions, notes = regions_of(controls, sizes, placeholders, StyleConfig())
    keep, keep_notes = keep_of(controls, sizes)
    image, alpha = reading.resize_picture(picture, size)[:2]
    is_gray = config.color == "luminance"
    inputs = Inputs(
        content=gray(luminance(image)) if is_gray else image,
        styles=(_PLACEHOLDER,) * num_styles,
        start=image,
        alpha=alpha,
        blend=np.full(num_styles, 1.0 / num_styles, np.float32),
        regions=regions,
        keep=keep,
        notes=(
            *picture.notes,
            *alpha_notes,
            *notes_on_content(image, alpha),
            *notes,
            *keep_notes,
        ),
        color=image if config.color in ("content", "luminance") else None,
        controls=given_controls(controls),
    )
    check_touched(inputs)
    return inputs


def training_of(network: StyleNetwork) -> TrainingConfig:
    """Returns a training that sees paintings as that of the network did: the same `OF_PAINTINGS`.

    What the network's file does not tell has its default, and so have all other options.

    Raises:
        NetworkFileError: if the file tells something that is no such option.
    """
    record = network.about.get("config", {})
    try:
        return TrainingConfig(**{name: record[name] for name in OF_PAINTINGS if name in record})
    except (TypeError, ValueError) as error:
        raise NetworkFileError(
            "`network` must tell how it was trained, in options of this version of tf_style. "
            f"Received: {one_line(error)}. Use the version that wrote it, or train it anew."
        ) from error


def smallest_painting(config: TrainingConfig) -> int:
    """Returns the px that each side of a painting must have for a training's layers."""
    return vgg19.minimum_side({*PAINTING_LAYERS, *config.loss.layers}, config.network.padding)


def read_painting(
    picture: Any, config: TrainingConfig, *, argument: str = "style"
) -> tuple[np.ndarray, list[str]]:
    """Returns a painting at the size that a network is trained with, and notes on it.

    Args:
        picture: whatever `reading.read_picture` takes.
        config: the longer edge, beyond which paintings are reduced, margins, and layers.
        argument: the picture's name in error messages.

    Returns:
        Float32 `[1, h, w, 3]`, RGB 0..1.

    Raises:
        OSError: if a file is missing or cannot be read.
        ValueError: if it is damaged, or too small.
    """
    edge, smallest = config.style_edge, smallest_painting(config)
    found, notes = read_style(picture, argument, smallest, edge, keep_margins=config.keep_margins)
    painting = reduced(found.image, edge)
    check_sides(argument, painting.shape[1:3], smallest, received=found.size)
    return painting, [*notes, *notes_on_style(found.image, argument)]


def reduced(painting: np.ndarray, edge: int) -> np.ndarray:
    """Returns a painting, float32 `[1, h, w, 3]`, with a longer edge of at most `edge` px."""
    size = painting.shape[1:3]
    return resize(painting, fit(size, min(edge, max(size))))
