"""The styles of paintings that a network was not trained for: read, described, predicted."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tf_style import vgg19
from tf_style.config.network import NetworkConfig
from tf_style.config.training import TrainingConfig
from tf_style.feedforward.architecture import PAINTING_LAYERS
from tf_style.feedforward.network_file import StyleNetwork
from tf_style.feedforward.predictor import painting_statistics, predicted_styles
from tf_style.images.resizing import fit, resize
from tf_style.inputs.preparation import read_style
from tf_style.network.extractor import load_extractor


def read_painting(
    picture: Any, *, argument: str = "style", keep_margins: bool = False
) -> tuple[np.ndarray, list[str]]:
    """Returns a painting at the size that networks are trained with, and notes on it.

    Args:
        picture: whatever `reading.read_picture` takes.
        argument: its name in error messages.
        keep_margins: whether to keep uniform margins.

    Returns:
        Float32 `[1, h, w, 3]`, RGB 0..1, with a longer edge of at most `TrainingConfig.style_edge`.

    Raises:
        OSError: if a file is missing or cannot be read.
        ValueError: if it is damaged, or too small.
    """
    edge = TrainingConfig.style_edge
    smallest = vgg19.minimum_side(PAINTING_LAYERS, NetworkConfig.padding)
    found, notes = read_style(picture, argument, smallest, edge, keep_margins=keep_margins)
    return at_style_edge(found.image), notes


def at_style_edge(painting: np.ndarray) -> np.ndarray:
    """Returns a painting, float32 `[1, h, w, 3]`, reduced to the size of the training."""
    size = painting.shape[1:3]
    return resize(painting, fit(size, min(TrainingConfig.style_edge, max(size))))


def styles_of(
    network: StyleNetwork,
    paintings: Sequence[np.ndarray],
    *,
    notify: Callable[[str], None] | None = None,
) -> list[np.ndarray]:
    """Returns the styles that a network predicts for paintings, float32 `[style_size]` each.

    Args:
        network: with a trained predictor.
        paintings: float32 `[1, h, w, 3]`, RGB 0..1, from `read_painting` or `at_style_edge`.
        notify: called with a line of text before the weights of VGG-19 are downloaded.

    Raises:
        OSError: if the weights cannot be downloaded or read.
    """
    if not paintings:
        return []
    extractor = load_extractor(NetworkConfig(), layers=PAINTING_LAYERS, notify=notify)
    return [
        predicted_styles(
            network.parameters, painting_statistics(extractor(tf.constant(painting)))
        ).numpy()[0]
        for painting in paintings
    ]
