"""The steps of L-BFGS as graph operations: little more than one evaluation each.

Pure functions from state to state. They know nothing about images and are part of the surrounding
graph.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import tensorflow as tf

from tf_style.optimizers.rings import combined, times, with_column, with_row, with_row_in_place
from tf_style.optimizers.solution import Kind

_SUFFICIENT_DECREASE = 1e-4  # Nocedal & Wright (2006), eq. 3.4.
_LEAST_CURVATURE = 1e-6  # Smallest cosine between a step and its change of gradient.
_SHORTEST = 0.1  # Share of the unit step. If so short a step fails, a line search takes over.

Function: TypeAlias = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
"""Maps a position `[n]` to its value and gradient `[n]`."""


class LbfgsState(NamedTuple):
    """A minimization between two steps.

    Attributes:
        position: float `[n]`.
        value: scalar, the value there.
        gradient: float `[n]`, the gradient there.
        position_deltas: float `[m, n]`, a ring buffer: row k mod m holds the k-th pair. Of the
            position's type, or bfloat16.
        gradient_deltas: the same for gradients.
        inner: float64 `[m, m]`, position_deltas times gradient_deltas transposed.
        square: float64 `[m, m]`, gradient_deltas times gradient_deltas transposed.
        num_pairs: int32, pairs stored since the history was last cleared.
        num_steps: int32, steps made.
        num_evaluations: int32, evaluations made.
        length: scalar, share of the direction to try next; 1 except after a failed trial.
        failed: bool, whether even a short step did not lower the value enough.
    """

    position: tf.Tensor
    value: tf.Tensor
    gradient: tf.Tensor
    position_deltas: tf.Tensor
    gradient_deltas: tf.Tensor
    inner: tf.Tensor
    square: tf.Tensor
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
        stored_as: type of the rings; the position's type if omitted.
    """

    def ring() -> tf.Tensor:  # Each call makes its own buffer, to be changed in place.
        return tf.zeros([history, tf.size(position)], stored_as or position.dtype)

    products = tf.zeros([history, history], tf.float64)
    return LbfgsState(
        position=position,
        value=tf.constant(float("inf"), position.dtype),
        gradient=tf.zeros_like(position),
        position_deltas=ring(),
        gradient_deltas=ring(),
        inner=products,
        square=products,
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
    ring, products = [history, num_values], [history, history]
    return LbfgsState(
        position=([num_values], dtype),
        value=([], dtype),
        gradient=([num_values], dtype),
        position_deltas=(ring, stored_as or dtype),
        gradient_deltas=(ring, stored_as or dtype),
        inner=(products, tf.float64),
        square=(products, tf.float64),
        num_pairs=([], tf.int32),
        num_steps=([], tf.int32),
        num_evaluations=([], tf.int32),
        length=([], dtype),
        failed=([], tf.bool),
    )._asdict()


def search_direction(state: LbfgsState) -> tf.Tensor:
    """Returns L-BFGS's direction -H g in compact form: two passes over the history, no loop.

    References:
        Byrd, Nocedal & Schnabel (1994), eq. 3.1 and 3.13 (`inner` above its diagonal is R).
    """
    history = tf.shape(state.inner)[0]
    is_filled = tf.range(history) < state.num_pairs
    order = (state.num_pairs + tf.range(history)) % history  # Oldest first, empty rows before them.
    is_filled = tf.gather(is_filled, order)
    both = is_filled[:, None] & is_filled[None]

    def ordered(products: tf.Tensor) -> tf.Tensor:
        products = tf.gather(tf.gather(products, order), order, axis=1)
        return tf.where(both, products, tf.zeros_like(products))

    def along(deltas: tf.Tensor) -> tf.Tensor:
        products = tf.cast(times(deltas, state.gradient), tf.float64)
        return tf.where(is_filled, tf.gather(products, order), 0.0)

    inner, square = ordered(state.inner), ordered(state.square)
    diagonal = tf.linalg.diag_part(inner)
    upper = tf.linalg.set_diag(
        tf.linalg.band_part(inner, 0, -1), tf.where(is_filled, diagonal, tf.ones_like(diagonal))
    )
    scale = diagonal[-1] / square[-1, -1]
    first = tf.linalg.triangular_solve(upper, along(state.position_deltas)[:, None], lower=False)
    right = diagonal[:, None] * first + scale * (
        square @ first - along(state.gradient_deltas)[:, None]
    )
    second = tf.linalg.triangular_solve(upper, right, lower=False, adjoint=True)

    def by_row(weights: tf.Tensor) -> tf.Tensor:
        weights = tf.scatter_nd(order[:, None], weights[:, 0], history[None])
        return tf.cast(weights, state.gradient.dtype)

    return -(
        tf.cast(scale, state.gradient.dtype) * state.gradient
        + combined(by_row(second), state.position_deltas)
        - combined(by_row(scale * first), state.gradient_deltas)
    )


def advanced(
    state: LbfgsState,
    position: tf.Tensor,
    value: tf.Tensor,
    gradient: tf.Tensor,
    *,
    in_place: bool = True,
) -> LbfgsState:
    """Returns the state after a step; stores the pair if its curvature is positive."""
    ring, dtype = state.position_deltas.dtype, position.dtype
    # Rounded as they are stored, so that the products below match the rings.
    position_delta = tf.cast(tf.cast(position - state.position, ring), dtype)
    gradient_delta = tf.cast(tf.cast(gradient - state.gradient, ring), dtype)
    curvature = tf.reduce_sum(position_delta * gradient_delta)
    is_stored = curvature > _LEAST_CURVATURE * tf.norm(position_delta) * tf.norm(gradient_delta)
    row = state.num_pairs % tf.shape(state.inner)[0]
    position_delta = tf.where(is_stored, position_delta, tf.cast(state.position_deltas[row], dtype))
    gradient_delta = tf.where(is_stored, gradient_delta, tf.cast(state.gradient_deltas[row], dtype))
    put = with_row_in_place if in_place else with_row
    position_deltas = put(state.position_deltas, row, position_delta)
    gradient_deltas = put(state.gradient_deltas, row, gradient_delta)

    def products(deltas: tf.Tensor, delta: tf.Tensor) -> tf.Tensor:
        return tf.cast(times(deltas, delta), tf.float64)

    inner = with_row(state.inner, row, products(gradient_deltas, position_delta))
    inner = with_column(inner, row, products(position_deltas, gradient_delta))
    squares = products(gradient_deltas, gradient_delta)
    square = with_column(with_row(state.square, row, squares), row, squares)
    return state._replace(
        position=position,
        value=value,
        gradient=gradient,
        position_deltas=position_deltas,
        gradient_deltas=gradient_deltas,
        inner=inner,
        square=square,
        num_pairs=state.num_pairs + tf.cast(is_stored, tf.int32),
        num_steps=state.num_steps + 1,
    )


def advance(
    function: Function,
    state: LbfgsState,
    *,
    first_step: tf.Tensor,
    last_step: tf.Tensor,
    in_place: bool = True,
) -> LbfgsState:
    """Returns the state after more steps: up to `last_step`, a failed step, or a zero gradient.

    Args:
        function: maps a position `[n]` to its value and gradient.
        state: where to start.
        first_step: root-mean-square length of a step without history.
        last_step: int32, number of the last step.
        in_place: change the rings in place; False under XLA.
    """

    def step(state: LbfgsState) -> LbfgsState:
        direction = step_direction(state, first_step)
        position = state.position + state.length * direction
        value, gradient = function(position)
        slope = state.length * dot(state.gradient, direction)
        # Rounding may turn a direction uphill. Even then the value must not rise.
        lowered = value <= state.value + _SUFFICIENT_DECREASE * tf.minimum(slope, 0.0)
        lowered &= tf.reduce_all(tf.math.is_finite(gradient))
        # Nocedal & Wright (2006), eq. 3.57: the minimum of the interpolating parabola.
        parabola = -slope / (2.0 * (value - state.value - slope))
        shorter = state.length * tf.clip_by_value(parabola, 0.1, 0.5)
        shorter = tf.where(tf.math.is_finite(parabola), shorter, 0.1 * state.length)
        after = advanced(
            state,
            tf.where(lowered, position, state.position),
            tf.where(lowered, value, state.value),
            tf.where(lowered, gradient, state.gradient),
            in_place=in_place,
        )
        return after._replace(
            num_steps=state.num_steps + tf.cast(lowered, tf.int32),
            num_evaluations=state.num_evaluations + 1,
            length=tf.where(lowered, tf.ones_like(shorter), shorter),
            failed=~lowered & (shorter < _SHORTEST),
        )

    def continues(state: LbfgsState) -> tf.Tensor:
        is_flat = (state.num_steps >= 0) & tf.reduce_all(tf.equal(state.gradient, 0.0))
        return (state.num_steps < last_step) & ~state.failed & ~is_flat

    return tf.while_loop(
        continues,
        lambda state: (step(state),),
        (state,),
        parallel_iterations=1,
    )[0]


def step_direction(state: LbfgsState, first_step: tf.Tensor) -> tf.Tensor:
    """Returns the next unit step: that of L-BFGS, or steepest descent if there is no history."""

    def steepest() -> tf.Tensor:
        size = tf.cast(tf.size(state.gradient), state.gradient.dtype)
        length = tf.cast(first_step, size.dtype) * tf.sqrt(size)
        return -state.gradient * tf.math.divide_no_nan(length, tf.norm(state.gradient))

    return tf.cond(state.num_pairs > 0, lambda: search_direction(state), steepest)


def dot(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """Returns the scalar product of two vectors."""
    return tf.reduce_sum(left * right)


def without_history(state: LbfgsState) -> LbfgsState:
    """Returns the state with its history cleared, ready for another step."""
    return state._replace(
        num_pairs=tf.zeros_like(state.num_pairs),
        length=tf.ones_like(state.length),
        failed=tf.constant(False),
    )
