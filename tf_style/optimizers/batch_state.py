"""The state of several L-BFGS minimizations between two steps, and the state of one in it.

Tensors only, so that it passes through graphs. Knows nothing about images.
"""

from typing import NamedTuple

import tensorflow as tf

from tf_style.optimizers.lbfgs_state import LbfgsState
from tf_style.optimizers.ring_buffers import with_row_in_place
from tf_style.optimizers.solution import MAX_RESTARTS_WITHOUT_GAIN


class BatchState(NamedTuple):
    """Several minimizations between two steps.

    Attributes:
        each: the state of each, with one more dimension in front, `[b, ...]`; but rings are float
            `[b * m, n]`, with the m rows of each function together.
        scale: float64 `[b]`, factor of each value and gradient.
        restarts: int32 `[b]`, number of times that a history was cleared without a step since.
        since: int32 `[b]`, steps made when the unit step last failed.
    """

    each: LbfgsState
    scale: tf.Tensor
    restarts: tf.Tensor
    since: tf.Tensor


def values(state: BatchState) -> tf.Tensor:
    """Returns the value of each function at its position, float `[b]`."""
    return tf.cast(tf.cast(state.each.value, tf.float64) / state.scale, state.each.value.dtype)


def is_unfinished(state: BatchState, num_steps: tf.Tensor) -> tf.Tensor:
    """Returns whether each function's minimization goes on, bool `[b]`.

    Args:
        state: where it is.
        num_steps: int32 `[b]`, the maximum number of steps of each.
    """
    return ~(is_flat(state) | has_failed(state)) & (state.each.num_steps < num_steps)


def is_flat(state: BatchState) -> tf.Tensor:
    """Returns where the gradient is 0, bool `[b]`."""
    return tf.reduce_all(tf.equal(state.each.gradient, 0.0), 1)


def has_failed(state: BatchState) -> tf.Tensor:
    """Returns where too many restarts gained nothing, bool `[b]`."""
    return state.restarts > MAX_RESTARTS_WITHOUT_GAIN


def rings(each: LbfgsState) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns both rings as float `[b, m, n]`."""
    shape = [*tf.unstack(tf.shape(each.inner)[:2]), tf.shape(each.position)[1]]
    return tf.reshape(each.position_deltas, shape), tf.reshape(each.gradient_deltas, shape)


def with_rows(ring: tf.Tensor, places: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """Returns the ring with some rows replaced, one by one and in place."""
    return tf.while_loop(
        lambda index, _: index < tf.size(places),
        lambda index, rest: (
            index + 1,
            tf.ensure_shape(with_row_in_place(rest, places[index], rows[index]), ring.shape),
        ),
        (tf.constant(0), ring),
        parallel_iterations=1,
    )[1]


_RINGS = ("position_deltas", "gradient_deltas")


def state_of(each: LbfgsState, row: tf.Tensor) -> LbfgsState:
    """Returns the state of one function."""
    history = tf.shape(each.inner)[1]
    rows = {ring: getattr(each, ring)[row * history : (row + 1) * history] for ring in _RINGS}
    return LbfgsState(*(part[row] for part in each))._replace(**rows)


def with_state(each: LbfgsState, row: tf.Tensor, one: LbfgsState) -> LbfgsState:
    """Returns the states with that of one function replaced."""
    history = tf.shape(each.inner)[1]
    places = row * history + tf.range(history)
    rings = {ring: with_rows(getattr(each, ring), places, getattr(one, ring)) for ring in _RINGS}
    parts = {
        name: with_entry(getattr(each, name), row, part)
        for name, part in one._asdict().items()
        if name not in _RINGS
    }
    return LbfgsState(**parts, **rings)


def with_entry(values: tf.Tensor, row: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
    """Returns values, `[b, ...]`, with one replaced."""
    return tf.tensor_scatter_nd_update(values, [[row]], value[tf.newaxis])
