"""The styles of paintings that a network was not trained for: described, and predicted."""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from tf_style.config.network import NetworkConfig
from tf_style.feedforward.architecture import PAINTING_LAYERS
from tf_style.feedforward.network_file import StyleNetwork
from tf_style.feedforward.predictor import painting_statistics, predicted_styles
from tf_style.network.extractor import load_extractor


def styles_of(
    network: StyleNetwork,
    paintings: Sequence[np.ndarray],
    *,
    notify: Callable[[str], None] | None = None,
) -> list[np.ndarray]:
    """Returns the styles that a network predicts for paintings, float32 `[style_size]` each.

    Args:
        network: with a trained predictor.
        paintings: float32 `[1, h, w, 3]`, RGB 0..1, from `preparation.read_painting`.
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
