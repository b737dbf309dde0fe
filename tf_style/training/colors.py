"""The colors of painted pictures: their mean and contrast, set to the painting's after a training.

A network cannot know where a painting's rare colors belong. A loss that averages over photographs
makes it choose the mean, so pictures are paler than the painting. For each style one gain of the
features before the last convolution, and a change of their shifts, set that right. They are the
same for all photographs, so films stay calm.
"""

import numpy as np
import tensorflow as tf

from tf_style.feedforward.architecture import TRAINING_MARGIN, Architecture
from tf_style.feedforward.painting import Parameters, paint

_ITERATIONS = 6
_LEAST_GAIN, _LARGEST_GAIN = 0.5, 2.0
_SHARE = 0.9  # Of the painting's deviation: more would clip what is black and white already.
_DAMPING = 1e-4
_LAST = "enlarge1"  # The last convolution that is normalized.


def color_deviation(pictures: tf.Tensor) -> tf.Tensor:
    """Returns the standard deviation of colors within pictures, float32 scalar.

    It is the root of the mean over pictures of the sum of the channels' variances.

    Args:
        pictures: float32 `[b, h, w, 3]`, RGB 0..1.
    """
    return tf.sqrt(tf.reduce_mean(tf.reduce_sum(tf.math.reduce_variance(pictures, [1, 2]), -1)))


class ColorMatch:
    """Sets the colors of styles by what a network makes of some photographs."""

    def __init__(self, architecture: Architecture, photographs: np.ndarray) -> None:
        """Takes what is painted.

        Args:
            architecture: of the network.
            photographs: float32 `[b, h, w, 3]`, RGB 0..1.
        """
        self.architecture = architecture
        self._photographs = tf.constant(photographs)
        self._graph = tf.function(self._nearer, autograph=False)

    def matched(self, parameters: Parameters, style: tf.Tensor, painting: tf.Tensor) -> np.ndarray:
        """Returns a style whose painted photographs have the painting's colors.

        Their mean is the painting's, and their `color_deviation` 0.9 of its, with a gain within
        0.5..2.

        Args:
            parameters: of the network.
            style: float32 `[style_size]`.
            painting: float32 `[1, h, w, 3]`, RGB 0..1.
        """
        mean, deviation = tf.reduce_mean(painting, [0, 1, 2]), _SHARE * color_deviation(painting)
        gain, moved = tf.ones([]), tf.zeros([self.architecture.normalized[_LAST]])
        for _ in range(_ITERATIONS):
            gain, moved = self._graph(parameters, style, mean, deviation, gain, moved)
        return self._changed(style, gain, moved).numpy()

    def _changed(self, style: tf.Tensor, gain: tf.Tensor, moved: tf.Tensor) -> tf.Tensor:
        """Returns a style with a gain of the last features, and their shifts moved."""
        filters = self.architecture.normalized[_LAST]
        others, scales, shifts = tf.split(style, [-1, filters, filters])
        return tf.concat([others, gain * (1.0 + scales) - 1.0, gain * shifts + moved], 0)

    def _nearer(
        self,
        parameters: Parameters,
        style: tf.Tensor,
        mean: tf.Tensor,
        deviation: tf.Tensor,
        gain: tf.Tensor,
        moved: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns a gain and moves with which the colors are nearer to their mean and deviation."""
        with tf.GradientTape(watch_accessed_variables=False, persistent=True) as tape:
            tape.watch(moved)
            pictures = paint(
                self.architecture,
                parameters,
                self._photographs,
                self._changed(style, gain, moved)[tf.newaxis],
                margin=TRAINING_MARGIN,
            )
            means = tf.unstack(tf.reduce_mean(pictures, [0, 1, 2]))
        # The smallest change of the shifts that brings the mean where it belongs.
        slopes = tf.stack([tape.gradient(each, moved) for each in means])
        square = tf.matmul(slopes, slopes, transpose_b=True) + _DAMPING * tf.eye(3)
        steps = tf.linalg.solve(square, (mean - tf.stack(means))[:, tf.newaxis])
        moved += tf.matmul(slopes, steps, transpose_a=True)[:, 0]
        gain *= deviation / tf.maximum(color_deviation(pictures), 1e-3)
        return tf.clip_by_value(gain, _LEAST_GAIN, _LARGEST_GAIN), moved
