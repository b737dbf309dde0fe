"""The state of several L-BFGS minimizations between two steps, and the state of one in it.

Tensors only, so that it passes through graphs. Knows nothing about images.
"""

from typing import NamedTuple

import tensorflow as tf

from tf_style.optimizers.lbfgs_state import LbfgsState
from tf_style.optimizers.ring_buffers import with_rows_in_place
from tf_style.optimizers.solution import MAX_RESTARTS_WITHOUT_GAIN


class BatchState(NamedTuple):
    """Several minimizations between two steps.

    Attributes:
        each: the state of each, with one more dimension in front, `[b, ...]`; but pairs are float
            `[b * m, 2, n]`, with the m pairs of each function together.
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


def pairs_of(each: LbfgsState) -> tf.Tensor:
    """Returns the pairs as float `[b, m, 2, n]`."""
    shape = [*tf.unstack(tf.shape(each.inner)[:2]), 2, tf.shape(each.position)[1]]
    return tf.reshape(each.pairs, shape)


def with_pairs(ring: tf.Tensor, places: tf.Tensor, pairs: tf.Tensor) -> tf.Tensor:
    """Returns the ring with some pairs replaced, one by one and in place."""
    return tf.while_loop(
        lambda index, _: index < tf.size(places),
        lambda index, rest: (
            index + 1,
            tf.ensure_shape(
                with_rows_in_place(rest, places[index], pairs[index : index + 1]), ring.shape
            ),
        ),
        (tf.constant(0), ring),
        parallel_iterations=1,
    )[1]


def state_of(each: LbfgsState, row: tf.Tensor) -> LbfgsState:
    """Returns the state of one function."""
    history = tf.shape(each.inner)[1]
    pairs = each.pairs[row * history : (row + 1) * history]
    parts = (part if part is each.pairs else part[row] for part in each)
    return LbfgsState(*parts)._replace(pairs=pairs)


def with_state(each: LbfgsState, row: tf.Tensor, one: LbfgsState) -> LbfgsState:
    """Returns the states with that of one function replaced."""
    history = tf.shape(each.inner)[1]
    parts = {
        name: with_entry(getattr(each, name), row, part)
        for name, part in one._asdict().items()
        if name != "pairs"
    }
    pairs = with_rows_in_place(each.pairs, row * history, one.pairs)
    return LbfgsState(**parts, pairs=tf.ensure_shape(pairs, each.pairs.shape))


def with_entry(values: tf.Tensor, row: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
    """Returns values, `[b, ...]`, with one replaced."""
    return tf.tensor_scatter_nd_update(values, [[row]], value[tf.newaxis])
