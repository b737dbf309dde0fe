"""Parts of photographs and of style pictures for each step of a training, read by `tf.data`."""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from tf_style.images.writing import to_pixels
from tf_style.training.photographs import Photographs, crop, style_part

_PARALLEL = 2


def crops(
    photographs: Photographs, *, first: int, batch: int, side: int, seed: int
) -> tf.data.Dataset:
    """Returns a dataset without end of batches of parts of photographs: see `photographs.crop`.

    Args:
        photographs: what to cut from.
        first: number of the step that the first batch is for.
        batch: parts in a batch.
        side: of the square parts, px.
        seed: of everything random.

    Returns:
        Float32 `[batch, side, side, 3]`, RGB 0..1.
    """
    parts = _parts(
        lambda number: crop(photographs, int(number), side=side, seed=seed),
        first=first * batch,
        side=side,
        parallel=_PARALLEL,
    )
    return parts.batch(batch, drop_remainder=True).prefetch(2)


def style_parts(
    photographs: Photographs, styles: Sequence[np.ndarray], *, first: int, side: int, seed: int
) -> tf.data.Dataset:
    """Returns a dataset without end of pictures in whose style to paint, one for each step.

    Args:
        photographs: what to cut from.
        styles: paintings, float32 `[1, h, w, 3]`, RGB 0..1.
        first: number of the first step.
        side: of the square parts, px.
        seed: of everything random.

    Returns:
        Float32 `[1, side, side, 3]`, RGB 0..1: see `photographs.style_part`.
    """
    paintings = [to_pixels(style) for style in styles]
    parts = _parts(
        lambda step: style_part(photographs, paintings, int(step), side=side, seed=seed),
        first=first,
        side=side,
        parallel=1,
    )
    return parts.batch(1).prefetch(2)


def _parts(
    cut: Callable[[np.int64], np.ndarray], *, first: int, side: int, parallel: int
) -> tf.data.Dataset:
    """Returns what a function cuts for the numbers from `first` on."""

    def element(number: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tf.numpy_function(cut, [number], tf.float32), [side, side, 3])

    options = tf.data.Options()
    # Nothing is left to tune. With the tuner, trainings stood still for 20 to 90 s when they let go
    # of an iterator: at changes of size, and at their end.
    options.autotune.enabled = False
    numbers = tf.data.Dataset.counter(first).with_options(options)
    return numbers.map(element, num_parallel_calls=parallel, deterministic=True)
