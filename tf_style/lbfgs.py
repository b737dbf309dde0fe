"""L-BFGS that tries the unit step first: hardly more than one evaluation a step.

Knows nothing about images. Steps run in one graph, traced once for all shapes; only a step
that fails leaves it, for the line search of TensorFlow Probability (TFP). States convert to
and from TFP's, so that a run can move between the two.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tf_style.config import OptimizerConfig
from tf_style.solution import (
    NotFiniteError,
    OnSlice,
    Pace,
    Solution,
    Status,
    Step,
    ValueAndGradient,
    norm,
)

_SUFFICIENT_DECREASE = 1e-4  # Nocedal & Wright (2006), eq. 3.4.
_LEAST_CURVATURE = 1e-6  # Cosine between a step and its change of gradient, at least.
_MAX_RESTARTS_WITHOUT_GAIN = 3
_MAX_SEARCH_ITERATIONS = 10


class LbfgsState(NamedTuple):
    """A minimisation between two steps.

    Attributes:
        position: float `[n]`.
        value: scalar, the value there.
        gradient: float `[n]`, the gradient there.
        position_deltas: float `[m, n]`, a ring: the k-th pair kept lies in row k mod m.
        gradient_deltas: likewise.
        inner: float64 `[m, m]`, position_deltas times gradient_deltas transposed.
        square: float64 `[m, m]`, gradient_deltas times gradient_deltas transposed.
        num_pairs: int32, pairs kept since the memory was empty.
        num_steps: int32, steps done.
        num_evaluations: int32, evaluations done.
        failed: bool, whether the unit step did not lower the value enough.
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
    failed: tf.Tensor


def minimize_lbfgs(
    value_and_gradient: ValueAndGradient,
    start: tf.Tensor,
    *,
    arguments: tuple = (),
    num_steps: int,
    history: int = OptimizerConfig.history,
    first_step: float = 0.01,
    slice_seconds: float = 5.0,
    pause_every: int | None = None,
    on_slice: OnSlice | None = None,
) -> Solution:
    """Minimises with L-BFGS, the unit step first, Hager and Zhang's search where that fails.

    Near a minimum the unit step is the best one (Nocedal & Wright (2006), section 7.2), and on
    style transfer it lowers the loss almost always. When neither it nor the search does, the
    memory is emptied and a shorter step tried along the gradient; after three that gain
    nothing the status is `LINE_SEARCH_FAILED`.

    Args:
        value_and_gradient: maps (float tensor of the start's shape, *arguments) to (scalar,
            gradient of the same shape), for any size along each axis. Kept alive in a small
            cache of graphs.
        start: float tensor of any shape.
        arguments: tensors, or nests of tensors, handed through to `value_and_gradient`.
        num_steps: steps at most. One costs one evaluation, seldom more.
        history: curvature pairs kept; each takes twice the start's size.
        first_step: root-mean-square length of the first step, in the position's units.
        slice_seconds: time after which a slice ends, roughly.
        pause_every: slices also end at every multiple of so many steps.
        on_slice: called between slices.

    Returns:
        The solution. Its loss does not exceed the start's.

    Raises:
        NotFiniteError: if value or gradient are NaN or infinite at the start.

    References:
        Liu & Nocedal (1989); Hager & Zhang (2005) for the line search.
    """
    start = tf.convert_to_tensor(start)
    graphs = _graphs(value_and_gradient, history)
    state = graphs.start(start, arguments)
    if not np.isfinite(float(state.value) + norm(state.gradient)):
        raise NotFiniteError(start, 0)
    pace = Pace(slice_seconds, pause_every)
    restarts = 0
    while True:
        done = int(state.num_steps)
        if done and on_slice is not None and on_slice(_step(state, start)):
            status = Status.CANCELLED
        elif done >= num_steps:
            status = Status.STEPS_USED
        elif norm(state.gradient) == 0.0:
            status = Status.CONVERGED
        elif restarts > _MAX_RESTARTS_WITHOUT_GAIN:
            status = Status.LINE_SEARCH_FAILED
        else:
            limit = min(num_steps, done + pace.start(done))
            length = first_step * 0.1**restarts
            state = graphs.advance(state, start, arguments, length, limit)
            pace.stop(int(state.num_steps) - done)
            if bool(state.failed):
                state = graphs.search(state, start, arguments, length)
            if bool(state.failed):
                state = forgotten(state)
                restarts += 1
            elif int(state.num_steps) > done:
                restarts = 0
            continue
        return Solution(*_step(state, start), status=status)


def _step(state: LbfgsState, start: tf.Tensor) -> Step:
    return Step(
        tf.reshape(state.position, start.shape),
        float(state.value),
        int(state.num_steps),
        int(state.num_evaluations),
    )


class _Graphs(NamedTuple):
    """The graphs of a minimisation, each traced once for all sizes."""

    start: Callable[..., LbfgsState]
    advance: Callable[..., LbfgsState]
    search: Callable[..., LbfgsState]


@functools.lru_cache(maxsize=4)
def _graphs(value_and_gradient: ValueAndGradient, history: int) -> _Graphs:
    def flat(like: tf.Tensor, arguments: tuple) -> Callable:
        def function(position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            position = tf.reshape(position, tf.shape(like))
            value, gradient = value_and_gradient(position, *arguments)
            return value, tf.reshape(gradient, [-1])

        return function

    def start(like: tf.Tensor, arguments: tuple) -> LbfgsState:
        position = tf.reshape(like, [-1])
        return initial_state(position, *flat(like, arguments)(position), history)

    def further(
        state: LbfgsState, like: tf.Tensor, arguments: tuple, first_step: tf.Tensor, last: tf.Tensor
    ) -> LbfgsState:
        function = flat(like, arguments)
        return advance(function, state, first_step=first_step, last_step=last)

    def searched(
        state: LbfgsState, like: tf.Tensor, arguments: tuple, first_step: tf.Tensor
    ) -> LbfgsState:
        return search(flat(like, arguments), state, first_step=first_step)

    return _Graphs(*map(_for_all_sizes, (start, further, searched)))


def _for_all_sizes(function: Callable) -> Callable:
    """Returns the function as one graph for each nest and rank of its arguments."""
    graph = tf.function(function, autograph=False)

    def call(*arguments: Any) -> Any:
        arguments = tf.nest.map_structure(tf.convert_to_tensor, arguments)
        specs = tf.nest.map_structure(
            lambda tensor: tf.TensorSpec([None] * len(tensor.shape), tensor.dtype), arguments
        )
        return graph.get_concrete_function(*specs)(*arguments)

    return call


def initial_state(
    position: tf.Tensor, value: tf.Tensor, gradient: tf.Tensor, history: int
) -> LbfgsState:
    """Returns the state at a position `[n]` of known value and gradient, with an empty memory."""
    ring = tf.zeros([history, tf.size(position)], position.dtype)
    products = tf.zeros([history, history], tf.float64)
    return LbfgsState(
        position=position,
        value=value,
        gradient=gradient,
        position_deltas=ring,
        gradient_deltas=ring,
        inner=products,
        square=products,
        num_pairs=tf.constant(0),
        num_steps=tf.constant(0),
        num_evaluations=tf.constant(1),
        failed=tf.constant(False),
    )


def search_direction(state: LbfgsState) -> tf.Tensor:
    """Returns -H g of L-BFGS in its compact form: two passes over the memory, no loop.

    References:
        Byrd, Nocedal & Schnabel (1994), eq. 3.1 and 3.13 (`inner` above its diagonal is R).
    """
    history = tf.shape(state.inner)[0]
    kept = tf.range(history) < state.num_pairs
    order = (state.num_pairs + tf.range(history)) % history  # Oldest first, empty ones before.
    kept = tf.gather(kept, order)
    both = kept[:, None] & kept[None]

    def ordered(products: tf.Tensor) -> tf.Tensor:
        products = tf.gather(tf.gather(products, order), order, axis=1)
        return tf.where(both, products, tf.zeros_like(products))

    def along(deltas: tf.Tensor) -> tf.Tensor:
        products = tf.cast(tf.linalg.matvec(deltas, state.gradient), tf.float64)
        return tf.where(kept, tf.gather(products, order), 0.0)

    inner, square = ordered(state.inner), ordered(state.square)
    diagonal = tf.linalg.diag_part(inner)
    upper = tf.linalg.set_diag(
        tf.linalg.band_part(inner, 0, -1), tf.where(kept, diagonal, tf.ones_like(diagonal))
    )
    scale = diagonal[-1] / square[-1, -1]
    first = tf.linalg.triangular_solve(upper, along(state.position_deltas)[:, None], lower=False)
    right = diagonal[:, None] * first + scale * (
        square @ first - along(state.gradient_deltas)[:, None]
    )
    second = tf.linalg.triangular_solve(upper, right, lower=False, adjoint=True)

    def combined(weights: tf.Tensor, deltas: tf.Tensor) -> tf.Tensor:
        weights = tf.scatter_nd(order[:, None], weights[:, 0], history[None])
        return tf.squeeze(tf.cast(weights, deltas.dtype)[None] @ deltas, 0)

    return -(
        tf.cast(scale, state.gradient.dtype) * state.gradient
        + combined(second, state.position_deltas)
        - combined(scale * first, state.gradient_deltas)
    )


def advanced(
    state: LbfgsState, position: tf.Tensor, value: tf.Tensor, gradient: tf.Tensor
) -> LbfgsState:
    """Returns the state after a step, with the pair in memory if its curvature is positive."""
    position_delta, gradient_delta = position - state.position, gradient - state.gradient
    curvature = tf.reduce_sum(position_delta * gradient_delta)
    kept = curvature > _LEAST_CURVATURE * tf.norm(position_delta) * tf.norm(gradient_delta)
    row = state.num_pairs % tf.shape(state.inner)[0]
    position_delta = tf.where(kept, position_delta, state.position_deltas[row])
    gradient_delta = tf.where(kept, gradient_delta, state.gradient_deltas[row])
    position_deltas = _with_row(state.position_deltas, row, position_delta)
    gradient_deltas = _with_row(state.gradient_deltas, row, gradient_delta)

    def products(deltas: tf.Tensor, delta: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.linalg.matvec(deltas, delta), tf.float64)

    inner = _with_row(state.inner, row, products(gradient_deltas, position_delta))
    inner = _with_column(inner, row, products(position_deltas, gradient_delta))
    squares = products(gradient_deltas, gradient_delta)
    square = _with_column(_with_row(state.square, row, squares), row, squares)
    return state._replace(
        position=position,
        value=value,
        gradient=gradient,
        position_deltas=position_deltas,
        gradient_deltas=gradient_deltas,
        inner=inner,
        square=square,
        num_pairs=state.num_pairs + tf.cast(kept, tf.int32),
        num_steps=state.num_steps + 1,
    )


def _with_row(matrix: tf.Tensor, row: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """Returns the matrix with one row replaced; in place where nothing else needs it."""
    return tf.tensor_scatter_nd_update(matrix, [[row]], [values])


def _with_column(matrix: tf.Tensor, column: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    return tf.transpose(_with_row(tf.transpose(matrix), column, values))


def advance(
    function: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]],
    state: LbfgsState,
    *,
    first_step: tf.Tensor,
    last_step: tf.Tensor,
) -> LbfgsState:
    """Returns the state after more steps: up to `last_step`, or to one that failed.

    Pure TensorFlow operations: part of whatever graph it is called in.

    Args:
        function: maps a position `[n]` to its value and gradient.
        state: where to start.
        first_step: root-mean-square length of the step made with an empty memory.
        last_step: int32, number of the last step.
    """

    def step(state: LbfgsState) -> LbfgsState:
        direction = _direction(state, first_step)
        position = state.position + direction
        value, gradient = function(position)
        enough = state.value + _SUFFICIENT_DECREASE * _dot(state.gradient, direction)
        lowered = (value <= enough) & tf.math.is_finite(_dot(gradient, gradient))
        position = tf.where(lowered, position, state.position)
        after = advanced(
            state,
            tf.where(lowered, position, state.position),
            tf.where(lowered, value, state.value),
            tf.where(lowered, gradient, state.gradient),
        )
        return after._replace(
            num_steps=state.num_steps + tf.cast(lowered, tf.int32),
            num_evaluations=state.num_evaluations + 1,
            failed=~lowered,
        )

    return tf.while_loop(
        lambda state: (state.num_steps < last_step) & ~state.failed,
        lambda state: (step(state),),
        (state,),
        parallel_iterations=1,
    )[0]


def _direction(state: LbfgsState, first_step: tf.Tensor) -> tf.Tensor:
    """Returns the next step: L-BFGS's, or one of a known length along the gradient."""

    def steepest() -> tf.Tensor:
        size = tf.cast(tf.size(state.gradient), state.gradient.dtype)
        length = tf.cast(first_step, size.dtype) * tf.sqrt(size)
        return -state.gradient * (length / tf.norm(state.gradient))

    return tf.cond(state.num_pairs > 0, lambda: search_direction(state), steepest)


def _dot(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(left * right)


def forgotten(state: LbfgsState) -> LbfgsState:
    """Returns the state with an empty memory, ready to go on."""
    return state._replace(num_pairs=tf.zeros_like(state.num_pairs), failed=tf.constant(False))


def search(
    function: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]],
    state: LbfgsState,
    *,
    first_step: tf.Tensor,
) -> LbfgsState:
    """Returns the state after one step of a length that TFP's line search finds.

    Args:
        function: maps a position `[n]` to its value and gradient.
        state: whose unit step failed.
        first_step: as for `advance`.

    References:
        Hager & Zhang (2005).
    """
    from tensorflow_probability.python.optimizer.linesearch import hager_zhang

    direction = _direction(state, first_step)

    class Point(NamedTuple):  # The fields that TFP asks for by name.
        x: tf.Tensor
        f: tf.Tensor
        df: tf.Tensor
        full_gradient: tf.Tensor

    def along(length: tf.Tensor) -> Point:
        value, gradient = function(state.position + length * direction)
        return Point(length, value, _dot(gradient, direction), gradient)

    zero = tf.zeros([], state.value.dtype)
    found = hager_zhang(
        along,
        initial_step_size=zero + 0.3,  # The unit step has just been tried.
        value_at_zero=Point(zero, state.value, _dot(state.gradient, direction), state.gradient),
        max_iterations=_MAX_SEARCH_ITERATIONS,
    )
    point = found.left
    lowered = found.converged & (point.f < state.value)
    after = advanced(
        state,
        tf.where(lowered, state.position + point.x * direction, state.position),
        tf.where(lowered, point.f, state.value),
        tf.where(lowered, point.full_gradient, state.gradient),
    )
    return after._replace(
        num_steps=state.num_steps + tf.cast(lowered, tf.int32),
        num_evaluations=state.num_evaluations + tf.cast(found.func_evals, tf.int32),
        failed=~lowered,
    )
