"""Minimisers of a function of one tensor: TFP's L-BFGS run in slices, and Adam.

They take `value_and_gradient(position, *arguments) -> (value, gradient)` and a start
tensor of any shape, and know nothing about images. Each slice of steps is one graph,
traced once for each shape; progress, cancelling and restarts happen between slices, and
slicing does not change the path.
"""

import enum
import functools
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

ValueAndGradient = Callable[..., tuple[tf.Tensor, tf.Tensor]]

_MAX_SLICE_STEPS = 20
_MAX_RESTARTS_WITHOUT_GAIN = 3


class Status(enum.Enum):
    """Why a minimisation ended; the value says it in a sentence."""

    CONVERGED = "The loss no longer changes."
    STEPS_USED = "All steps were used; more steps may improve the result."
    LINE_SEARCH_FAILED = (
        "No step lowered the loss any more, after restarts; the best position is kept. "
        "Try Adam to go on."
    )
    CANCELLED = "Stopped on request; the last position is kept."


class Step(NamedTuple):
    """Where a minimisation stands, given to `on_slice` between slices.

    Attributes:
        position: the present position, of the start's shape.
        loss: the value there.
        num_steps: steps done.
        num_evaluations: evaluations of value and gradient done.
    """

    position: tf.Tensor
    loss: float
    num_steps: int
    num_evaluations: int


class Solution(NamedTuple):
    """The result of a minimisation.

    Attributes:
        position: the last accepted position, of the start's shape.
        loss: the value there.
        num_steps: steps done.
        num_evaluations: evaluations of value and gradient done.
        status: why it ended.
    """

    position: tf.Tensor
    loss: float
    num_steps: int
    num_evaluations: int
    status: Status


OnSlice = Callable[[Step], bool | None]
"""Called between slices; a true result stops the minimisation with `Status.CANCELLED`."""


class NotFiniteError(ArithmeticError):
    """The value or the gradient became NaN or infinite.

    Attributes:
        position: where it did, of the start's shape.
        num_steps: steps done before.
    """

    def __init__(self, position: tf.Tensor, num_steps: int) -> None:
        super().__init__(f"The loss or its gradient is not finite after {num_steps} steps.")
        self.position = position
        self.num_steps = num_steps


def minimize_lbfgs(
    value_and_gradient: ValueAndGradient,
    start: tf.Tensor,
    *,
    arguments: tuple = (),
    num_steps: int,
    history: int = 10,
    first_step: float = 0.01,
    slice_seconds: float = 5.0,
    on_slice: OnSlice | None = None,
) -> Solution:
    """Minimises with `tfp.optimizer.lbfgs_minimize`, scaled, sliced and restarted.

    TFP's first trial step is one times the gradient, so the objective is multiplied by a
    constant that makes this step `first_step` long. When TFP's line search fails, it is
    started again from the position reached, without history and with a shorter first step;
    after three restarts that gain nothing the status is `LINE_SEARCH_FAILED`.

    Args:
        value_and_gradient: maps (float tensor of the start's shape, *arguments) to (scalar,
            gradient of the same shape). Kept alive in a small cache of graphs.
        start: float tensor of any shape.
        arguments: tensors, or nests of tensors, handed through to `value_and_gradient`.
        num_steps: L-BFGS iterations at most. One costs 2 to 3 evaluations.
        history: curvature pairs kept; memory is 2 * history times the start's.
        first_step: root-mean-square length of the first trial step, in the position's units.
        slice_seconds: time after which a slice ends, roughly.
        on_slice: called between slices.

    Returns:
        The solution. Its loss does not exceed the start's.

    Raises:
        NotFiniteError: if value or gradient become NaN or infinite.

    References:
        Nocedal & Wright (2006), section 7.2; Hager & Zhang (2005) for the line search.
    """
    start = tf.convert_to_tensor(start)
    run_slice = functools.partial(
        _lbfgs_slice(value_and_gradient, history),
        shape=tuple(start.shape),
        arguments=arguments,
    )
    step = Step(start, float("nan"), 0, 0)
    restarts = 0
    while True:
        loss, gradient = value_and_gradient(step.position, *arguments)
        step = step._replace(loss=float(loss), num_evaluations=step.num_evaluations + 1)
        length = float(tf.norm(gradient)) / np.sqrt(gradient.shape.num_elements())
        _check_finite(step.loss + length, step)
        if length == 0.0:
            return Solution(*step, status=Status.CONVERGED)
        scale = tf.constant(first_step * 0.1**restarts / length, start.dtype)
        state = _lbfgs_state(step.position, loss * scale, gradient * scale, history)
        found, status = _run_slices(
            run_slice, scale, state, step, num_steps, slice_seconds, on_slice
        )
        if status is not Status.LINE_SEARCH_FAILED:
            return Solution(*found, status=status)
        if found.loss < step.loss:
            step, restarts = found, 0
        else:
            step = step._replace(num_evaluations=found.num_evaluations)
            restarts += 1
        if restarts >= _MAX_RESTARTS_WITHOUT_GAIN:
            return Solution(*step, status=status)


def _run_slices(
    run_slice: Callable,
    scale: tf.Tensor,
    state: Any,
    start: Step,
    num_steps: int,
    slice_seconds: float,
    on_slice: OnSlice | None,
) -> tuple[Step, Status]:
    """Runs TFP's L-BFGS from a fresh state to an end or a failed line search."""
    pace = _Pace(slice_seconds)
    while True:
        done = int(state.num_iterations)
        limit = min(num_steps - start.num_steps, done + pace.steps)
        pace.start()
        state = run_slice(state, scale, tf.constant(limit))
        pace.stop(int(state.num_iterations) - done)
        failed = bool(state.failed)
        step = Step(
            tf.reshape(state.position, start.position.shape),
            float(state.objective_value / scale),
            # TFP counts a failed search as an iteration, but it made no step.
            start.num_steps + int(state.num_iterations) - int(failed),
            start.num_evaluations + int(state.num_objective_evaluations),
        )
        _check_finite(step.loss, step)
        if failed:
            return step, Status.LINE_SEARCH_FAILED
        if on_slice is not None and on_slice(step):
            return step, Status.CANCELLED
        if bool(state.converged):
            return step, Status.CONVERGED
        if step.num_steps >= num_steps:
            return step, Status.STEPS_USED


def minimize_adam(
    value_and_gradient: ValueAndGradient,
    start: tf.Tensor,
    *,
    arguments: tuple = (),
    num_steps: int,
    learning_rate: float = 0.02,
    slice_seconds: float = 5.0,
    on_slice: OnSlice | None = None,
) -> Solution:
    """Minimises with Adam: one evaluation a step, little memory, a noisier path.

    Args:
        value_and_gradient: as for `minimize_lbfgs`.
        start: float tensor of any shape.
        arguments: tensors, or nests of tensors, handed through to `value_and_gradient`.
        num_steps: steps.
        learning_rate: step size, in the position's units.
        slice_seconds: time after which a slice ends, roughly.
        on_slice: called between slices.

    Returns:
        The solution: the last position, with the loss evaluated there.

    Raises:
        NotFiniteError: if value or gradient become NaN or infinite.

    References:
        Kingma & Ba (2015), algorithm 1, with beta_1 = 0.9, beta_2 = 0.999, epsilon = 1e-8.
    """
    run_slice = _adam_slice(value_and_gradient)
    start = tf.convert_to_tensor(start)
    zeros = tf.zeros_like(start)
    loss, gradient = value_and_gradient(start, *arguments)
    state = _AdamState(start, zeros, zeros, gradient, loss)
    rate = tf.constant(learning_rate, start.dtype)
    pace = _Pace(slice_seconds)
    done = 0
    while True:
        step = Step(state.position, float(state.loss), done, done + 1)
        _check_finite(step.loss + float(tf.norm(state.gradient)), step)
        if done and on_slice is not None and on_slice(step):
            return Solution(*step, status=Status.CANCELLED)
        if done >= num_steps:
            return Solution(*step, status=Status.STEPS_USED)
        slice_steps = min(pace.steps, num_steps - done)
        pace.start()
        state = run_slice(state, rate, tf.constant(done), tf.constant(slice_steps), arguments)
        float(state.loss)  # Waits for the device, so that the pace is the true one.
        pace.stop(slice_steps)
        done += slice_steps


class _Pace:
    """Chooses how many steps fit into a slice, from the time the last ones took."""

    def __init__(self, slice_seconds: float) -> None:
        self.steps = 1
        self._seconds = slice_seconds
        self._traced = False

    def start(self) -> None:
        self._start = time.perf_counter()

    def stop(self, steps: int) -> None:
        seconds_a_step = (time.perf_counter() - self._start) / max(steps, 1)
        if self._traced:  # The first slice also traces the graph: no measure of the pace.
            fitting = int(self._seconds / max(seconds_a_step, 1e-9))
            self.steps = min(max(fitting, 1), _MAX_SLICE_STEPS)
        self._traced = True


def _check_finite(value: float, step: Step) -> None:
    if not np.isfinite(value):
        raise NotFiniteError(step.position, step.num_steps)


def _lbfgs_state(position: tf.Tensor, value: tf.Tensor, gradient: tf.Tensor, history: int) -> Any:
    """Returns TFP's state at a position whose value and gradient are known."""
    from tensorflow_probability.python.optimizer.lbfgs import LBfgsOptimizerResults

    position = tf.reshape(position, [-1])
    queue = tf.zeros([history, position.shape[0]], position.dtype)
    return LBfgsOptimizerResults(
        converged=tf.constant(False),
        failed=tf.constant(False),
        num_iterations=tf.constant(0),
        num_objective_evaluations=tf.constant(0),
        position=position,
        objective_value=value,
        objective_gradient=tf.reshape(gradient, [-1]),
        position_deltas=queue,
        gradient_deltas=queue,
    )


@functools.lru_cache(maxsize=4)
def _lbfgs_slice(value_and_gradient: ValueAndGradient, history: int) -> Callable:
    """Returns the graph that continues TFP's L-BFGS up to a total number of iterations."""
    import tensorflow_probability as tfp

    @tf.function
    def run(
        state: Any, scale: tf.Tensor, limit: tf.Tensor, shape: tuple[int, ...], arguments: tuple
    ) -> Any:
        def scaled(flat: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            value, gradient = value_and_gradient(tf.reshape(flat, shape), *arguments)
            return value * scale, tf.reshape(gradient, [-1]) * scale

        return tfp.optimizer.lbfgs_minimize(
            scaled,
            initial_position=None,
            previous_optimizer_results=state,
            num_correction_pairs=history,
            tolerance=0.0,
            x_tolerance=0.0,
            f_relative_tolerance=0.0,
            max_iterations=limit,
        )

    return run


class _AdamState(NamedTuple):
    position: tf.Tensor
    mean: tf.Tensor
    square: tf.Tensor
    gradient: tf.Tensor
    loss: tf.Tensor


@functools.lru_cache(maxsize=4)
def _adam_slice(value_and_gradient: ValueAndGradient) -> Callable:
    """Returns the graph that makes a number of Adam steps."""

    @tf.function
    def run(
        state: _AdamState, rate: tf.Tensor, done: tf.Tensor, steps: tf.Tensor, arguments: tuple
    ) -> _AdamState:
        def step(count: tf.Tensor, state: _AdamState) -> tuple[tf.Tensor, _AdamState]:
            number = tf.cast(count + 1, state.position.dtype)
            mean = 0.9 * state.mean + 0.1 * state.gradient
            square = 0.999 * state.square + 0.001 * tf.square(state.gradient)
            unbiased_mean = mean / (1.0 - 0.9**number)
            unbiased_square = square / (1.0 - 0.999**number)
            position = state.position - rate * unbiased_mean / (tf.sqrt(unbiased_square) + 1e-8)
            loss, gradient = value_and_gradient(position, *arguments)
            return count + 1, _AdamState(position, mean, square, gradient, loss)

        return tf.while_loop(
            lambda count, _: count < done + steps, step, [done, state], parallel_iterations=1
        )[1]

    return run
