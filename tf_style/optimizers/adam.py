"""Adam: one evaluation a step, little memory. Knows nothing about images."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from tf_style.config.optimizer import OptimizerConfig
from tf_style.graphs.slots import stopped_by
from tf_style.graphs.tracing import for_all_sizes, kept_by_function
from tf_style.optimizers import slices
from tf_style.optimizers.cancellation import Cancellation
from tf_style.optimizers.pace import Pace, Pacing
from tf_style.optimizers.solution import (
    Kind,
    OnSlice,
    Solution,
    State,
    Step,
    ValueAndGradient,
    check_finite,
    checked_start,
    norm,
    restored,
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
    cancellation: Cancellation | None = None,
    resume_from: State | None = None,
) -> Solution:
    """Minimizes with Adam: one evaluation a step, little memory, a noisier path than L-BFGS.

    Args:
        value_and_gradient: as for `minimize_lbfgs`.
        start: float tensor of any shape.
        arguments: tensors, or nests of tensors, passed on to `value_and_gradient`.
        num_steps: number of steps.
        learning_rate: step size, in the position's units.
        jit_compile: compile the steps with XLA.
        slice_seconds: rough length of a slice, in seconds.
        pause_every: slices also end at every multiple of this many steps.
        deadline: as for `minimize_lbfgs`.
        on_slice: called between slices.
        cancellation: as for `minimize_lbfgs`.
        resume_from: as for `minimize_lbfgs`.

    Returns:
        The solution: the last position, with the loss evaluated there.

    Raises:
        TypeError: if the start is not of floats.
        ValueError: if a number is out of its range, or `resume_from` comes from another
            minimization.
        NotFiniteError: if value or gradient becomes NaN or infinite.

    References:
        Kingma & Ba (2015), algorithm 1, with beta_1 = 0.9, beta_2 = 0.999, epsilon = 1e-8.
    """
    start = checked_start(start, num_steps)
    method = Adam(
        value_and_gradient,
        start,
        arguments=arguments,
        learning_rate=learning_rate,
        jit_compile=jit_compile,
    )
    pacing = Pacing(
        slice_seconds=slice_seconds,
        pause_every=pause_every,
        deadline=deadline,
        on_slice=on_slice,
        cancellation=cancellation,
    )
    return slices.run(method, num_steps=num_steps, pacing=pacing, resume_from=resume_from)


class AdamState(NamedTuple):
    """A minimization between two steps: tensors of the position's shape, and the loss there."""

    position: tf.Tensor
    mean: tf.Tensor
    square: tf.Tensor
    gradient: tf.Tensor
    loss: tf.Tensor


class Adam:
    """Adam as a `slices.Method`, whose state is an `AdamState` and the number of steps made."""

    def __init__(
        self,
        value_and_gradient: ValueAndGradient,
        start: tf.Tensor,
        *,
        arguments: tuple,
        learning_rate: float,
        jit_compile: bool,
    ) -> None:
        """Takes what `minimize_adam` takes; traces nothing yet."""
        self._graphs = _graphs(value_and_gradient, jit_compile)
        self._in_graph = not jit_compile  # XLA would read a flag only once.
        self._start = start
        self._arguments = arguments
        self._rate = tf.constant(learning_rate, start.dtype)

    def begin(self, pace: Pace) -> tuple[AdamState, int]:
        """Evaluates the function at the start; see `slices.Method`."""
        loss, gradient = self._graphs.evaluate(self._start, self._arguments)
        zeros = tf.zeros_like(self._start)
        return self._checked(AdamState(self._start, zeros, zeros, gradient, loss), 0)

    def resume(self, saved: State) -> tuple[AdamState, int]:
        """Restores what `Step.state` gave; see `slices.Method`."""
        dtype = self._start.dtype
        kinds: dict[str, Kind] = dict.fromkeys(AdamState._fields, (self._start.shape, dtype))
        kinds.update(loss=([], dtype), num_steps=([], tf.int64))
        tensors = restored(saved, kinds)
        num_done = int(tensors.pop("num_steps"))
        return self._checked(AdamState(**tensors), num_done)

    def advance(
        self, state: tuple[AdamState, int], last_step: int, pace: Pace, *, may_trace: bool
    ) -> tuple[AdamState, int]:
        """Makes steps; see `slices.Method`."""
        adam, num_done = state
        flags = (pace.stop_flag,) if self._in_graph else ()
        adam, reached = self._graphs.advance(
            adam, self._rate, num_done, last_step, self._arguments, flags
        )
        float(adam.loss)  # Waits for the device, so that the pace is the true one.
        pace.stop(int(reached) - num_done)
        return self._checked(adam, int(reached))

    def step(self, state: tuple[AdamState, int]) -> Step:
        """Returns what has been reached; see `slices.Method`."""
        adam, num_done = state
        saved = functools.partial(_saved, adam, num_done)
        return Step(adam.position, float(adam.loss), num_done, num_done + 1, saved)

    def status(self, state: tuple[AdamState, int]) -> None:
        """Returns None: Adam can always make another step."""

    def _checked(self, adam: AdamState, num_done: int) -> tuple[AdamState, int]:
        state = adam, num_done
        check_finite(float(adam.loss) + norm(adam.gradient), self.step(state))
        return state


def _saved(adam: AdamState, num_done: int) -> State:
    return {**adam._asdict(), "num_steps": num_done}


class _Graphs(NamedTuple):
    """The graphs of a minimization, each traced once for all sizes."""

    evaluate: Callable[..., tuple[tf.Tensor, tf.Tensor]]
    advance: Callable[..., tuple[AdamState, tf.Tensor]]


@kept_by_function
def _graphs(value_and_gradient: ValueAndGradient, jit_compile: bool) -> _Graphs:
    def evaluate(position: tf.Tensor, arguments: tuple) -> tuple[tf.Tensor, tf.Tensor]:
        return value_and_gradient(position, *arguments)

    def advance(
        state: AdamState,
        rate: tf.Tensor,
        num_done: tf.Tensor,
        last_step: tf.Tensor,
        arguments: tuple,
        flags: tuple[tf.Tensor, ...],
    ) -> tuple[AdamState, tf.Tensor]:
        def function(position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return value_and_gradient(position, *arguments)

        return advance_adam(
            function,
            state,
            rate=rate,
            num_done=num_done,
            last_step=last_step,
            is_stopped=stopped_by(flags),
        )

    compiled = functools.partial(for_all_sizes, jit_compile=jit_compile)
    return _Graphs(compiled(evaluate), compiled(advance))


def advance_adam(
    function: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]],
    state: AdamState,
    *,
    rate: float | tf.Tensor,
    num_done: int | tf.Tensor,
    last_step: int | tf.Tensor,
    is_stopped: Callable[[], tf.Tensor] | None = None,
) -> tuple[AdamState, tf.Tensor]:
    """Returns the state after more steps and the last one's number, as operations of a graph.

    Args:
        function: maps a position to its value and gradient.
        state: where to start.
        rate: step size, in the position's units.
        num_done: int32, steps made before.
        last_step: int32, number of the last step.
        is_stopped: returns whether to end before the next step.
    """

    def continues(count: tf.Tensor, _: AdamState) -> tf.Tensor:
        continues = count < last_step
        return continues if is_stopped is None else continues & ~is_stopped()

    def step(count: tf.Tensor, state: AdamState) -> tuple[tf.Tensor, AdamState]:
        number = tf.cast(count + 1, state.position.dtype)
        mean = 0.9 * state.mean + 0.1 * state.gradient
        square = 0.999 * state.square + 0.001 * tf.square(state.gradient)
        unbiased_mean = mean / (1.0 - 0.9**number)
        unbiased_square = square / (1.0 - 0.999**number)
        position = state.position - rate * unbiased_mean / (tf.sqrt(unbiased_square) + 1e-8)
        loss, gradient = function(position)
        return count + 1, AdamState(position, mean, square, gradient, loss)

    count, state = tf.while_loop(continues, step, [num_done, state], parallel_iterations=1)
    return state, count
