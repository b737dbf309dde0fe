"""What is done to a painted image before it is shown or saved. No TensorFlow here."""

import numpy as np

from tf_style.config.style_config import StyleConfig
from tf_style.images.screened_poisson import screened_poisson
from tf_style.inputs.coloring import merged
from tf_style.inputs.inputs import Inputs


def finished(image: np.ndarray, inputs: Inputs, config: StyleConfig) -> np.ndarray:
    """Returns the picture of a painted image: with the chroma and the edges that it is to have.

    What is to stay as it is in the content does so.

    Args:
        image: float32 `[1, H, W, 3]`, RGB, nominally 0..1, of the content's size.
        inputs: the pictures of the run.
        config: `photorealistic` and `fidelity`, and `gamut` which clips.
    """
    image = merged(image, inputs.color, inputs.color_share)
    if config.control.photorealistic:
        image = screened_poisson(image, inputs.photograph, fidelity=config.control.fidelity)
        if config.optimizer.gamut:
            image = np.clip(image, 0.0, 1.0)
    return kept(image, inputs.photograph, inputs.touched)


def kept(image: np.ndarray, content: np.ndarray, touched: np.ndarray | None) -> np.ndarray:
    """Returns the image with the content where it is untouched: there to the bit.

    Args:
        image: float32 `[1, H, W, 3]`.
        content: likewise.
        touched: float32 `[1, H, W, 1]`, 0..1, of which 0 counts; None leaves the image as it is.
    """
    return image if touched is None else np.where(touched > 0.0, image, content)
