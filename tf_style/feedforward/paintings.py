"""The styles of paintings that a network was not trained for: described, and predicted."""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from tf_style.config.network import NetworkConfig
from tf_style.feedforward.architecture import PAINTING_LAYERS
from tf_style.feedforward.network_file import StyleNetwork
from tf_style.feedforward.predictor import painting_statistics, predicted_styles
from tf_style.feedforward.preparation import training_of
from tf_style.network.extractor import load_extractor


def styles_of(
    network: StyleNetwork,
    paintings: Sequence[np.ndarray],
    *,
    notify: Callable[[str], None] | None = None,
) -> list[np.ndarray]:
    """Returns the styles that a network predicts for paintings, float32 `[style_size]` each.

    Paintings are described as in the network's own training.

    Args:
        network: with a trained predictor.
        paintings: float32 `[1, h, w, 3]`, RGB 0..1, from `preparation.read_painting`.
        notify: called with a line of text before the weights of VGG-19 are downloaded.

    Raises:
        OSError: if the weights cannot be downloaded or read.
        ValueError: if the network does not tell how it was trained.
    """
    return [
        predicted_styles(network.parameters, statistics).numpy()[0]
        for statistics in statistics_of(paintings, training_of(network).network, notify=notify)
    ]


def statistics_of(
    paintings: Sequence[np.ndarray],
    config: NetworkConfig,
    *,
    notify: Callable[[str], None] | None = None,
) -> list[tf.Tensor]:
    """Returns what describes paintings to a predictor, float32 `[1, statistics]` each.

    Args:
        paintings: as for `styles_of`.
        config: the form of VGG-19 that describes them.
        notify: as for `styles_of`.

    Raises:
        OSError: as for `styles_of`.
    """
    if not paintings:
        return []
    extractor = load_extractor(config, layers=PAINTING_LAYERS, notify=notify)
    return [painting_statistics(extractor(tf.constant(painting))) for painting in paintings]
