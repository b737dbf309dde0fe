"""From a painting to a style at once: a small network over the painting's statistics.

Takes paintings, or VGG-19's features of them; gives the scales and shifts that `painting.paint`
takes.

References:
    Ghiasi et al. (2017), Exploring the structure of a real-time, arbitrary neural artistic
    stylization network. Differs: their predictor reads the painting with Inception v3; this
    one reads means and deviations of the filters that the style loss compares.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from tf_style.config.network import NetworkConfig
from tf_style.feedforward.architecture import PAINTING_LAYERS
from tf_style.feedforward.network_file import StyleNetwork
from tf_style.feedforward.preparation import training_of
from tf_style.network.extractor import load_extractor

_FLOOR = 0.01  # Of means and deviations, whose mean over photographs is about 1.


def painting_statistics(features: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """Returns what describes a painting to the predictor, float32 `[b, statistics]`.

    Args:
        features: float `[b, h, w, c]` of `PAINTING_LAYERS`, of the normalized network.

    Returns:
        Logarithms of the filters' means and deviations.
    """
    parts = []
    for layer in PAINTING_LAYERS:
        mean, variance = tf.nn.moments(tf.cast(features[layer], tf.float32), [1, 2])
        parts += [tf.math.log(_FLOOR + mean), tf.math.log(_FLOOR + tf.sqrt(variance))]
    return tf.concat(parts, -1)


def predicted_styles(parameters: Mapping[str, tf.Tensor], statistics: tf.Tensor) -> tf.Tensor:
    """Returns the styles of paintings, float32 `[b, style_size]`.

    Args:
        parameters: "predictor1" `[statistics, hidden]`, "predictor2" `[hidden, style_size]` and
            their biases, "predictor1_bias" and "predictor2_bias".
        statistics: float32 `[b, statistics]`.
    """
    hidden = statistics @ parameters["predictor1"] + parameters["predictor1_bias"]
    return tf.nn.relu(hidden) @ parameters["predictor2"] + parameters["predictor2_bias"]


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
