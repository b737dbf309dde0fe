"""Weak contrasts of photographs raised to those of the rest, as a pure function.

A network normalizes features over a whole picture, so a faint cloud beside a house leaves nothing
to paint, and flat skies stay flat. With its contrast raised first, it gets strokes, which move with
it in a film.

References:
    Jarrett et al. (2009), What is the best multi-stage architecture for object recognition?,
    section 3.1, local contrast normalization. Differs: means and what is finer than a cell stay, so
    that noise is not raised; strong contrasts stay; one gain is for all colors, so that hues stay.
"""

import tensorflow as tf

_CELL = 8  # Px. Contrasts are those between cells.
_WINDOW = 5  # Cells along a side of a mean, which is taken twice: a deviation of 2 cells.
_BEYOND = 4  # Cells that two means reach.
_FLOOR = 0.02  # Deviation of what counts as flat: that of the noise of compression.


def with_local_contrast(images: tf.Tensor, deviation: float) -> tf.Tensor:
    """Returns images whose contrasts within some 32 px have about this deviation, or more.

    Args:
        images: float32 `[b, h, w, 3]`, RGB 0..1.
        deviation: of 1. Contrasts are raised `deviation / 0.02` times at most.

    Returns:
        Float32, of the same shape; values may leave 0..1.
    """
    cells = tf.nn.avg_pool2d(images, _CELL, _CELL, "VALID")
    inner = slice(_BEYOND, -_BEYOND)
    contrast = cells - _mean(_continued(_continued(cells, 1), 2))[:, inner, inner]
    # The largest nearby, so that no halo is raised beside a strong edge.
    variance = tf.reduce_mean(tf.square(contrast), -1, keepdims=True)
    variance = _mean(tf.nn.max_pool2d(variance, _WINDOW, 1, "SAME"))
    gain = tf.maximum(deviation * tf.math.rsqrt(variance + _FLOOR**2), 1.0)
    # The last pixels, which fill no cell, have the change of their neighbors.
    change = tf.pad((gain - 1.0) * contrast, [[0, 0], [0, 1], [0, 1], [0, 0]], "SYMMETRIC")
    height, width = tf.unstack(tf.shape(images)[1:3])
    change = tf.image.resize(change, _CELL * tf.shape(change)[1:3])[:, :height, :width]
    raised = images + change
    raised.set_shape(images.shape)
    return raised


def _mean(cells: tf.Tensor) -> tf.Tensor:
    for _ in range(2):
        cells = tf.nn.avg_pool2d(cells, _WINDOW, 1, "SAME")
    return cells


def _continued(cells: tf.Tensor, axis: int) -> tf.Tensor:
    """Returns cells that go on beyond both ends, turned by 180 degrees about the last ones.

    So a slope goes on as a slope. Mirrored or cut, it would be a contrast at the border.
    """
    last = tf.shape(cells)[axis] - 1
    places = tf.range(-_BEYOND, last + 1 + _BEYOND)
    nearest = tf.clip_by_value(places, 0, last)
    opposite = tf.clip_by_value(2 * nearest - places, 0, last)
    return 2.0 * tf.gather(cells, nearest, axis=axis) - tf.gather(cells, opposite, axis=axis)
