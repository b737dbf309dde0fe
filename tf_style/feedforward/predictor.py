"""From a painting to a style at once: a small network over the painting's statistics.

Takes VGG-19's features of a painting; gives the scales and shifts that `painting.paint` takes.

References:
    Ghiasi et al. (2017), Exploring the structure of a real-time, arbitrary neural artistic
    stylization network. Differs: their predictor reads the painting with Inception v3; this
    one reads means and deviations of the filters that the style loss compares.
"""

from collections.abc import Mapping

import tensorflow as tf

from tf_style.feedforward.architecture import PAINTING_LAYERS

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
