"""The last steps from the painted image to the finished picture. No TensorFlow here."""

from typing import Any

import numpy as np

from tf_style.config.style_config import StyleConfig
from tf_style.images.color import chroma, within_chroma
from tf_style.images.screened_poisson import screened_poisson
from tf_style.inputs.coloring import merged
from tf_style.inputs.inputs import Inputs


def finished(image: np.ndarray, inputs: Inputs, config: StyleConfig) -> np.ndarray:
    """Returns the finished picture: with the colors and edges that the options ask for.

    Untouched parts are the content, bit for bit.

    Args:
        image: float32 `[1, H, W, 3]`, RGB, nominally 0..1, of the content's size.
        inputs: the pictures of the run.
        config: `style_strength`, `photorealistic` and `fidelity`, and `gamut`, which clips.
    """
    image = merged(image, inputs.color, inputs.color_share)
    if inputs.style_chroma is not None:
        image = within_chroma(image, _allowed_chroma(inputs, config))
    if config.control.photorealistic:
        image = screened_poisson(image, inputs.photograph, fidelity=config.control.fidelity)
        if config.optimizer.gamut:
            image = np.clip(image, 0.0, 1.0)
    return with_untouched_parts(image, inputs.photograph, inputs.touched)


def _allowed_chroma(inputs: Inputs, config: StyleConfig) -> np.ndarray:
    """Returns the most chroma that the result may have, float32 `[1, H, W, 1]`.

    That is the styles', and what a style of less than full strength leaves of the photograph's.
    """
    strength, regions = config.loss.style_strength, inputs.regions
    if regions is not None and (regions.strengths > 0.0).any():
        strength *= float(regions.strengths[regions.strengths > 0.0].min())
    changed: Any = np.float32(min(1.0, strength))
    if inputs.touched is not None:
        changed = changed * inputs.touched
    if inputs.color_share is not None:  # There the photograph's chroma was put back.
        changed = changed * (1.0 - inputs.color_share)
    return np.float32(inputs.style_chroma) + (1.0 - changed) * chroma(inputs.photograph)


def with_untouched_parts(
    image: np.ndarray, content: np.ndarray, touched: np.ndarray | None
) -> np.ndarray:
    """Returns the image with the content in its untouched parts, bit for bit.

    Args:
        image: float32 `[1, H, W, 3]`.
        content: float32 `[1, H, W, 3]`.
        touched: float32 `[1, H, W, 1]`, 0..1; a part is untouched where it is 0. None returns the
            image unchanged.
    """
    return image if touched is None else np.where(touched > 0.0, image, content)
