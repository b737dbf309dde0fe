"""The state of L-BFGS between two steps: position, gradient and history.

Tensors only, so that it passes through graphs. Knows nothing about images.
"""

from typing import NamedTuple

import tensorflow as tf

from tf_style.optimizers.solution import Kind


class LbfgsState(NamedTuple):
    """A minimization between two steps.

    Attributes:
        position: float `[n]`.
        value: scalar, the value there.
        gradient: float `[n]`, the gradient there.
        pairs: float `[m, 2, n]`, a ring buffer: row k mod m holds the k-th pair of a position
            delta and a gradient delta. Of the position's type, or bfloat16.
        inner: float64 `[m, m]`, position deltas times gradient deltas transposed.
        square: float64 `[m, m]`, gradient deltas times gradient deltas transposed.
        along: float64 `[m, 2]`, the pairs times the gradient.
        num_pairs: int32, pairs stored since the history was last cleared.
        num_steps: int32, steps made.
        num_evaluations: int32, evaluations made.
        length: scalar, share of the direction to try next; 1 except after a failed trial.
        failed: bool, whether even a short step did not lower the value enough.
    """

    position: tf.Tensor
    value: tf.Tensor
    gradient: tf.Tensor
    pairs: tf.Tensor
    inner: tf.Tensor
    square: tf.Tensor
    along: tf.Tensor
    num_pairs: tf.Tensor
    num_steps: tf.Tensor
    num_evaluations: tf.Tensor
    length: tf.Tensor
    failed: tf.Tensor


def initial_state(
    position: tf.Tensor, history: int, *, stored_as: tf.DType | None = None
) -> LbfgsState:
    """Returns the state before the evaluation at the start, as step -1.

    The first step of `advance` does not move; it only evaluates value and gradient. So a graph
    contains the function only once.

    Args:
        position: float `[n]`, the start.
        history: number of pairs, m.
        stored_as: type of the pairs; the position's type if omitted.
    """
    products = tf.zeros([history, history], tf.float64)
    return LbfgsState(
        position=position,
        value=tf.constant(float("inf"), position.dtype),
        gradient=tf.zeros_like(position),
        pairs=tf.zeros([history, 2, tf.size(position)], stored_as or position.dtype),
        inner=products,
        square=products,
        along=tf.zeros([history, 2], tf.float64),
        num_pairs=tf.constant(0),
        num_steps=tf.constant(-1),
        num_evaluations=tf.constant(0),
        length=tf.ones([], position.dtype),
        failed=tf.constant(False),
    )


def state_kinds(
    num_values: int, history: int, dtype: tf.DType, *, stored_as: tf.DType | None = None
) -> dict[str, Kind]:
    """Returns the shapes and types of a state for a position `[n]`, by name."""
    products = [history, history]
    return LbfgsState(
        position=([num_values], dtype),
        value=([], dtype),
        gradient=([num_values], dtype),
        pairs=([history, 2, num_values], stored_as or dtype),
        inner=(products, tf.float64),
        square=(products, tf.float64),
        along=([history, 2], tf.float64),
        num_pairs=([], tf.int32),
        num_steps=([], tf.int32),
        num_evaluations=([], tf.int32),
        length=([], dtype),
        failed=([], tf.bool),
    )._asdict()


def without_history(state: LbfgsState) -> LbfgsState:
    """Returns the state with its history cleared, ready for another step."""
    return state._replace(
        num_pairs=tf.zeros_like(state.num_pairs),
        length=tf.ones_like(state.length),
        failed=tf.constant(False),
    )
