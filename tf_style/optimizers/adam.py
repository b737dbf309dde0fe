"""Adam, run in slices of steps. Knows nothing about images."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from tf_style.config.optimizer import OptimizerConfig
from tf_style.graphs.tracing import for_all_sizes, kept_by_function
from tf_style.optimizers.pace import Pace
from tf_style.optimizers.solution import (
    Kind,
    OnSlice,
    Solution,
    State,
    Status,
    Step,
    ValueAndGradient,
    check_finite,
    checked_start,
    ended,
    norm,
    taken_up,
)


def minimize_adam(
    value_and_gradient: ValueAndGradient,
    start: tf.Tensor,
    *,
    arguments: tuple = (),
    num_steps: int,
    learning_rate: float = OptimizerConfig.learning_rate,
    jit_compile: bool = False,
    slice_seconds: float = 5.0,
    pause_every: int | None = None,
    deadline: float | None = None,
    on_slice: OnSlice | None = None,
    resume_from: State | None = None,
) -> Solution:
    """Minimizes with Adam: one evaluation a step, little memory, a noisier path.

    Args:
        value_and_gradient: as for `minimize_lbfgs`.
        start: float tensor of any shape.
        arguments: tensors, or nests of tensors, handed through to `value_and_gradient`.
        num_steps: steps.
        learning_rate: step size, in the position's units.
        jit_compile: let XLA compile the steps.
        slice_seconds: time after which a slice ends, roughly.
        pause_every: slices also end at every multiple of so many steps.
        deadline: as for `lbfgs.minimize_lbfgs`.
        on_slice: called between slices.
        resume_from: as for `lbfgs.minimize_lbfgs`.

    Returns:
        The solution: the last position, with the loss evaluated there.

    Raises:
        TypeError: if the start is not of floats.
        ValueError: if a number is out of its range, or `resume_from` of another minimization.
        NotFiniteError: if value or gradient become NaN or infinite.

    References:
        Kingma & Ba (2015), algorithm 1, with beta_1 = 0.9, beta_2 = 0.999, epsilon = 1e-8.
    """
    graphs = _graphs(value_and_gradient, jit_compile)
    start = checked_start(start, num_steps)
    if resume_from is None:
        zeros = tf.zeros_like(start)
        loss, gradient = graphs.evaluate(start, arguments)
        state, done = AdamState(start, zeros, zeros, gradient, loss), 0
    else:
        kinds: dict[str, Kind] = dict.fromkeys(AdamState._fields, (start.shape, start.dtype))
        kinds.update(loss=([], start.dtype), num_steps=([], tf.int64))
        tensors = taken_up(resume_from, kinds)
        done = int(tensors.pop("num_steps"))
        state = AdamState(**tensors)
    rate = tf.constant(learning_rate, start.dtype)
    pace = Pace(slice_seconds, pause_every, deadline)
    while True:
        saved = functools.partial(_saved, state, done)
        step = Step(state.position, float(state.loss), done, done + 1, saved)
        check_finite(step.loss + norm(state.gradient), step)
        if done and on_slice is not None and on_slice(step):
            return ended(step, Status.CANCELLED)
        if done >= num_steps:
            return ended(step, Status.STEPS_USED)
        if pace.over:
            return ended(step, Status.TIME_USED)
        slice_steps = min(pace.start(done), num_steps - done)
        state = graphs.advance(state, rate, tf.constant(done), tf.constant(slice_steps), arguments)
        float(state.loss)  # Waits for the device, so that the pace is the true one.
        pace.stop(slice_steps)
        done += slice_steps


class AdamState(NamedTuple):
    """A minimization between two steps: tensors of the position's shape, and the loss there."""

    position: tf.Tensor
    mean: tf.Tensor
    square: tf.Tensor
    gradient: tf.Tensor
    loss: tf.Tensor


def _saved(state: AdamState, done: int) -> State:
    return {**state._asdict(), "num_steps": done}


class _Graphs(NamedTuple):
    """The graphs of a minimization, each traced once for all sizes."""

    evaluate: Callable[..., tuple[tf.Tensor, tf.Tensor]]
    advance: Callable[..., AdamState]


@kept_by_function
def _graphs(value_and_gradient: ValueAndGradient, jit_compile: bool) -> _Graphs:
    def evaluate(position: tf.Tensor, arguments: tuple) -> tuple[tf.Tensor, tf.Tensor]:
        return value_and_gradient(position, *arguments)

    def run(
        state: AdamState, rate: tf.Tensor, done: tf.Tensor, steps: tf.Tensor, arguments: tuple
    ) -> AdamState:
        return advance_adam(
            lambda position: value_and_gradient(position, *arguments),
            state,
            rate=rate,
            done=done,
            steps=steps,
        )

    compiled = functools.partial(for_all_sizes, jit_compile=jit_compile)
    return _Graphs(compiled(evaluate), compiled(run))


def advance_adam(
    function: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]],
    state: AdamState,
    *,
    rate: float | tf.Tensor,
    done: int | tf.Tensor,
    steps: int | tf.Tensor,
) -> AdamState:
    """Returns the state after more steps; operations of whatever graph it is called in.

    Args:
        function: maps a position to its value and gradient.
        state: where to start.
        rate: step size, in the position's units.
        done: int32, steps made before.
        steps: int32, steps to make.
    """

    def step(count: tf.Tensor, state: AdamState) -> tuple[tf.Tensor, AdamState]:
        number = tf.cast(count + 1, state.position.dtype)
        mean = 0.9 * state.mean + 0.1 * state.gradient
        square = 0.999 * state.square + 0.001 * tf.square(state.gradient)
        unbiased_mean = mean / (1.0 - 0.9**number)
        unbiased_square = square / (1.0 - 0.999**number)
        position = state.position - rate * unbiased_mean / (tf.sqrt(unbiased_square) + 1e-8)
        loss, gradient = function(position)
        return count + 1, AdamState(position, mean, square, gradient, loss)

    return tf.while_loop(
        lambda count, _: count < done + steps, step, [done, state], parallel_iterations=1
    )[1]
