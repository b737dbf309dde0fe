"""Style losses based on sorted values: the sliced Wasserstein distance, and channel histograms.

The Wasserstein distance of two distributions on a line is the distance of their quantile functions.
A quantile function is stored as a table: the sorted values are divided into `NUM_BINS` equal
shares, and the table holds the mean of each. Tables have the same length for pictures of any size,
and a weighted sum of tables is the Wasserstein barycenter.

Features are float `[batch, h, w, channels]`; batch, `per_sample` and `guide` work as in `moments`.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_style.graphs.gradients import custom_gradient
from tf_style.losses.moments import rows_of
from tf_style.losses.per_sample import sample_axes

NUM_BINS = 256
"""Number of equal shares of the sorted values; a table holds the mean of each."""

_SEED = 20210620  # Seed of the directions; the choice does not matter.


@functools.cache
def directions(channels: int) -> np.ndarray:
    """Returns fixed orthogonal directions, float64 `[c, c]`, one unit vector in each row.

    They are the rows of a random rotation: each is uniformly distributed, and together they span
    the space.
    """
    noise = np.random.RandomState(_SEED).standard_normal((channels, channels))
    # NumPy's QR took 3 s for 512 channels, because its threads compete with TensorFlow's.
    with tf.init_scope(), tf.device("CPU:0"):
        turned, triangle = (part.numpy() for part in tf.linalg.qr(tf.constant(noise)))
    return (turned * np.sign(np.diag(triangle))).T


def channel_quantiles(features: tf.Tensor, *, guide: tf.Tensor | None = None) -> tf.Tensor:
    """Returns the quantile table of each channel, float `[b, c, NUM_BINS]`, largest first.

    Args:
        features: float `[b, h, w, c]`.
        guide: float `[b or 1, h, w, 1]`, weights of the positions with mean 1; None for all ones.
    """
    return _tables(tf.linalg.matrix_transpose(rows_of(features)), guide)


def sliced_quantiles(features: tf.Tensor, *, guide: tf.Tensor | None = None) -> tf.Tensor:
    """Returns the quantile table along each direction, float `[b, c, NUM_BINS]`, largest first.

    Args:
        features: float `[b, h, w, c]`.
        guide: float `[b or 1, h, w, 1]`, weights of the positions with mean 1; None for all ones.
    """
    turned = tf.constant(directions(features.shape[-1]), features.dtype)
    return _tables(tf.matmul(turned, rows_of(features), transpose_b=True), guide)


def quantile_loss(table: tf.Tensor, target: tf.Tensor, *, per_sample: bool = False) -> tf.Tensor:
    """Returns the mean squared difference of two tables: the squared Wasserstein-2 distance.

    With tables of channels, it is the histogram loss of Risser et al. (2017). Differs: it is the
    distance that their histogram matching minimizes, without bins of values, and its gradient
    passes through the sorting.

    With tables of directions, it is the sliced Wasserstein distance of Heitz et al. (2021).
    Differs: the directions are fixed and orthogonal, one for each channel, not drawn again at each
    step, so that the loss is one fixed function, as L-BFGS needs; and it compares means over
    shares of the sorted values, so that pictures of any size can be compared and styles blended.

    Args:
        table: float `[b, c, NUM_BINS]`, from `channel_quantiles` or `sliced_quantiles`.
        target: float `[b or 1, c, NUM_BINS]`, the table of the style.
        per_sample: give `[b]` losses, not one.

    Returns:
        Scalar, at least 0. Grows with the square of the features, as `wasserstein_loss` does. It
        is a little below the exact distance, because differences within a share do not count.

    References:
        Risser, Wilmot & Barnes (2017), Stable and controllable neural texture synthesis and
        style transfer using histogram losses; Heitz, Vanhoey, Chambon & Belcour (2021), A sliced
        Wasserstein loss for neural texture synthesis.
    """
    squares = tf.math.squared_difference(table, target)
    count = tf.cast(tf.size(squares[0]), squares.dtype)
    return tf.reduce_sum(squares, sample_axes(squares, per_sample)) / count


def quantile_scale(target: tf.Tensor) -> tf.Tensor:
    """Returns `quantile_loss` of features of 0, float `[b]`, for a table `[b, c, NUM_BINS]`."""
    return tf.reduce_mean(tf.square(target), [-2, -1])


def _tables(values: tf.Tensor, guide: tf.Tensor | None) -> tf.Tensor:
    """Returns the tables of values, float `[b, n, m]`, whose m positions a guide may weight."""
    if guide is None:
        return _even_table(values)
    weights = tf.stop_gradient(tf.reshape(guide, [tf.shape(guide)[0], -1]))
    return _weighted_table(values, tf.broadcast_to(weights, tf.shape(values)[::2]))


@custom_gradient
def _even_table(values: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """Returns the tables of values, float `[b, n, m]`; its gradient does not sort again."""
    count, bins = tf.shape(values)[-1], tf.constant(NUM_BINS)
    ordered, order = tf.math.top_k(values, count)
    whole = tf.cast(count, values.dtype)

    def gradient(upstream: tf.Tensor) -> tf.Tensor:
        return _unsorted(_over_even_cells(upstream, bins, count) / whole, order)

    return _over_even_cells(ordered, count, bins) / whole, gradient


def _over_even_cells(values: tf.Tensor, old: tf.Tensor, new: tf.Tensor) -> tf.Tensor:
    """Returns the integrals of a step function over equal cells, float `[b, n, new]`.

    Cell edges are integers, and each cell is summed separately: a running sum of a million
    float32 values would be wrong in the third digit.

    Args:
        values: values of the step function in `old` equal cells, float `[b, n, old]`.
        old: int, number of the old cells, each `new` wide.
        new: int, number of the new cells, each `old` wide.
    """
    old, new = tf.cast(old, tf.int64), tf.cast(new, tf.int64)
    begin = tf.range(new)[:, tf.newaxis] * old
    first = begin // new
    most = (old + 2 * new - 2) // new  # Old cells that a new cell can touch.
    places = first + tf.range(most)
    overlap = tf.minimum((places + 1) * new, begin + old) - tf.maximum(places * new, begin)
    overlap = tf.cast(tf.maximum(overlap, 0), values.dtype)
    touched = tf.gather(values, tf.minimum(places, old - 1), axis=-1)
    return tf.reduce_sum(touched * overlap, -1)


@custom_gradient
def _weighted_table(values: tf.Tensor, weights: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """Returns the tables of values, float `[b, n, m]`, with weights, float `[b, m]`.

    Here the shares begin and end at different positions in each row; running sums are float64.
    """
    ordered, order = tf.math.top_k(values, tf.shape(values)[-1])
    shares = tf.gather(tf.cast(weights, tf.float64), order, axis=-1, batch_dims=1)
    whole = tf.reduce_sum(shares, -1, keepdims=True)
    # A region without positions has weights of 0. Its loss counts for nothing: any table will do.
    shares = tf.where(whole > 0.0, shares / whole, 1.0 / tf.cast(tf.shape(order)[-1], tf.float64))
    ends = tf.cumsum(shares, -1)
    edges = _from_0(ends)
    marks = tf.linspace(tf.constant(0.0, tf.float64), 1.0, NUM_BINS + 1) * ends[..., -1:]
    begin, end = marks[..., :-1], marks[..., 1:]
    first = tf.searchsorted(ends, begin, side="right")
    last = tf.searchsorted(ends, end, side="left")
    over = _overlaps(begin, end, first, last, lambda cell: _taken(edges, cell))
    table = NUM_BINS * _integrals(tf.cast(ordered, tf.float64), shares, over)

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, None]:
        begin, end = edges[..., :-1] * NUM_BINS, ends * NUM_BINS
        first = tf.clip_by_value(tf.floor(begin), 0.0, NUM_BINS - 1.0)
        last = tf.clip_by_value(tf.math.ceil(end) - 1.0, 0.0, NUM_BINS - 1.0)
        cells = tf.cast(first, tf.int32), tf.cast(last, tf.int32)
        over = _overlaps(begin, end, *cells, lambda cell: tf.cast(cell, tf.float64))
        upstream = tf.cast(upstream, tf.float64)
        slopes = _integrals(upstream, tf.ones_like(upstream), over)
        return _unsorted(tf.cast(slopes, values.dtype), order), None

    return tf.cast(table, values.dtype), gradient


class _Overlaps(NamedTuple):
    """How the intervals of one partition of a line overlap the cells of another.

    Attributes:
        first: int `[b, n, intervals]`, the cell in which each interval begins.
        last: int `[b, n, intervals]`, the cell in which it ends.
        head: float `[b, n, intervals]`, its length within the first cell.
        tail: float `[b, n, intervals]`, its length within the last cell; 0 if that is the first.
    """

    first: tf.Tensor
    last: tf.Tensor
    head: tf.Tensor
    tail: tf.Tensor


def _overlaps(
    begin: tf.Tensor,
    end: tf.Tensor,
    first: tf.Tensor,
    last: tf.Tensor,
    edge: Callable[[tf.Tensor], tf.Tensor],
) -> _Overlaps:
    """Returns the overlaps of intervals `begin`..`end`; `edge` maps a cell to its beginning."""
    several = last > first
    head = tf.where(several, edge(first + 1), end) - begin
    tail = tf.where(several, end - edge(last), tf.zeros_like(end))
    return _Overlaps(first, last, head, tail)


def _integrals(values: tf.Tensor, widths: tf.Tensor, over: _Overlaps) -> tf.Tensor:
    """Returns the integral of a step function over each interval, given cell values and widths."""
    sums = _from_0(tf.cumsum(values * widths, -1))
    after = over.first + 1
    inner = _taken(sums, tf.maximum(over.last, after)) - _taken(sums, after)
    ends = over.head * _taken(values, over.first) + over.tail * _taken(values, over.last)
    return ends + inner


def _from_0(ends: tf.Tensor) -> tf.Tensor:
    return tf.pad(ends, [[0, 0], [0, 0], [1, 0]])


def _taken(values: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
    return tf.gather(values, places, axis=-1, batch_dims=2)


def _unsorted(values: tf.Tensor, order: tf.Tensor) -> tf.Tensor:
    """Returns sorted values, float `[b, n, m]`, moved back to the places that `order` names."""
    shape = tf.shape(values)
    rows = tf.range(shape[0] * shape[1])[:, tf.newaxis] * shape[2]
    places = tf.reshape(tf.reshape(order, [-1, shape[2]]) + rows, [-1])
    # Each place occurs once; a segment sum is five times as fast as a scatter on CPUs.
    flat = tf.math.unsorted_segment_sum(tf.reshape(values, [-1]), places, tf.size(values))
    return tf.reshape(flat, shape)
