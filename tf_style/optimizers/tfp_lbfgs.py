"""TensorFlow Probability's L-BFGS, run in slices, scaled and restarted.

Knows nothing about images. Each slice of steps is one graph, traced once for all sizes.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tf_style.graphs.slots import flag, stopped_by
from tf_style.graphs.tracing import for_all_sizes, kept_by_function
from tf_style.optimizers.pace import Pace
from tf_style.optimizers.solution import (
    MAX_RESTARTS_WITHOUT_GAIN,
    State,
    Status,
    Step,
    ValueAndGradient,
    check_finite,
    norm,
    restored,
)
from tf_style.optimizers.tfp_state import (
    advance_tfp,
    named_tfp_state,
    num_steps_of,
    tfp_state,
    tfp_state_kinds,
)


class TfpRun(NamedTuple):
    """TFP's L-BFGS since it was last started.

    Attributes:
        state: TFP's.
        start: where it was started.
        restarts: restarts without gain before that.
        scale: factor of value and gradient.
    """

    state: Any
    start: Step
    restarts: int
    scale: tf.Tensor


class TfpLbfgs:
    """`tfp.optimizer.lbfgs_minimize` as a `slices.Method`, whose state is a `TfpRun`.

    TFP's first trial step is one times the gradient. So the objective is multiplied by a constant
    that makes this step `first_step` long. When TFP's line search fails, it starts again from the
    position it has reached, without history and with a shorter first step. After three restarts
    without gain the status is `LINE_SEARCH_FAILED`. A step costs 2 to 3 evaluations.

    References:
        Nocedal & Wright (2006), section 7.2; Hager & Zhang (2005) for the line search.
    """

    def __init__(
        self,
        value_and_gradient: ValueAndGradient,
        start: tf.Tensor,
        *,
        arguments: tuple,
        history: int,
        jit_compile: bool,
        first_step: float = 0.01,
    ) -> None:
        """Prepares the minimization; traces nothing yet.

        Args:
            value_and_gradient: as for `lbfgs.minimize_lbfgs`.
            start: float tensor of any shape.
            arguments: as for `lbfgs.minimize_lbfgs`.
            history: number of curvature pairs. TFP copies them: they take 4 to 7 times `history`
                times the start's memory.
            jit_compile: compile the steps with XLA.
            first_step: root-mean-square length of the first trial step, in the position's units.
        """
        self._graphs = _graphs(value_and_gradient, history, jit_compile)
        self._in_graph = not jit_compile  # XLA would read a flag only once.
        self._start = start
        self._arguments = arguments
        self._history = history
        self._first_step = first_step

    def begin(self, pace: Pace) -> TfpRun:
        """Evaluates the function at the start; see `slices.Method`."""
        run = self._started(Step(self._start, float("nan"), 0, 0), restarts=0)
        # Makes no step, but traces the graph, so that no slice has to.
        tfp = self._graphs.advance(
            run.state, run.scale, 0, self._start, self._arguments, self._flags(flag())
        )
        return run._replace(state=tfp)

    def resume(self, saved: State) -> TfpRun:
        """Restores what `Step.state` gave; see `slices.Method`."""
        start = self._start
        kinds = tfp_state_kinds(int(tf.size(start)), self._history, start.dtype)
        state = named_tfp_state(restored(saved, kinds))
        kinds = {
            "start_position": (start.shape, start.dtype),
            "start_loss": ([], tf.float64),
            "start_num_steps": ([], tf.int64),
            "start_num_evaluations": ([], tf.int64),
            "restarts": ([], tf.int64),
            "scale": ([], start.dtype),
        }
        position, *numbers, scale = restored(saved, kinds).values()
        loss, num_steps, num_evaluations, restarts = (each.numpy().item() for each in numbers)
        run = TfpRun(state, Step(position, loss, num_steps, num_evaluations), restarts, scale)
        return self._restarted_if_failed(run)

    def advance(self, state: TfpRun, last_step: int, pace: Pace, *, may_trace: bool) -> TfpRun:
        """Makes steps; see `slices.Method`."""
        limit = last_step - state.start.num_steps
        arguments = self._start, self._arguments, self._flags(pace.stop_flag)
        tfp = self._graphs.advance(state.state, state.scale, limit, *arguments)
        pace.stop(int(tfp.num_iterations) - int(state.state.num_iterations))
        return self._restarted_if_failed(state._replace(state=tfp))

    def step(self, state: TfpRun) -> Step:
        """Returns what has been reached; see `slices.Method`."""
        tfp, start = state.state, state.start
        saved = functools.partial(_saved, state)
        if state.restarts > MAX_RESTARTS_WITHOUT_GAIN:
            return start._replace(state=saved)
        num_steps = int(num_steps_of(tfp))
        return Step(
            tf.reshape(tfp.position, start.position.shape),
            float(tfp.objective_value / state.scale) if num_steps else start.loss,
            start.num_steps + num_steps,
            start.num_evaluations + int(tfp.num_objective_evaluations),
            saved,
        )

    def status(self, state: TfpRun) -> Status | None:
        """Returns why no further step can be made; see `slices.Method`."""
        if state.restarts > MAX_RESTARTS_WITHOUT_GAIN:
            return Status.LINE_SEARCH_FAILED
        is_flat = norm(state.state.objective_gradient) == 0.0
        return Status.CONVERGED if is_flat or bool(state.state.converged) else None

    def _flags(self, stop: tf.Tensor) -> tuple[tf.Tensor, ...]:
        return (stop,) if self._in_graph else ()

    def _started(self, start: Step, *, restarts: int) -> TfpRun:
        """Returns TFP's L-BFGS at a position, without history."""
        loss, gradient = self._graphs.evaluate(start.position, self._arguments)
        start = start._replace(
            loss=float(loss), num_evaluations=start.num_evaluations + 1, state=dict
        )
        length = norm(gradient) / np.sqrt(gradient.shape.num_elements())
        check_finite(start.loss + length, start)
        scale = self._first_step * 0.1**restarts / length if length else 1.0
        scale = tf.constant(scale, start.position.dtype)
        state = tfp_state(start.position, loss * scale, gradient * scale, self._history)
        return TfpRun(state, start, restarts, scale)

    def _restarted_if_failed(self, run: TfpRun) -> TfpRun:
        """Returns the run; if its line search has failed, one that is started again."""
        step = self.step(run)
        check_finite(step.loss, step)
        if not bool(run.state.failed):
            return run
        if step.loss < run.start.loss and step.num_steps > run.start.num_steps:
            return self._started(step, restarts=0)
        start = run.start._replace(num_evaluations=step.num_evaluations)
        if run.restarts >= MAX_RESTARTS_WITHOUT_GAIN:
            return run._replace(start=start, restarts=run.restarts + 1)
        return self._started(start, restarts=run.restarts + 1)


def _saved(run: TfpRun) -> State:
    """Returns the parts by name; the start's with a prefix."""
    start = run.start
    return {
        **run.state._asdict(),
        "start_position": start.position,
        "start_loss": start.loss,
        "start_num_steps": start.num_steps,
        "start_num_evaluations": start.num_evaluations,
        "restarts": run.restarts,
        "scale": run.scale,
    }


class _Graphs(NamedTuple):
    """The graphs of a minimization, each traced once for all sizes."""

    evaluate: Callable[..., tuple[tf.Tensor, tf.Tensor]]
    advance: Callable[..., Any]


@kept_by_function
def _graphs(value_and_gradient: ValueAndGradient, history: int, jit_compile: bool) -> _Graphs:
    def evaluate(position: tf.Tensor, arguments: tuple) -> tuple[tf.Tensor, tf.Tensor]:
        return value_and_gradient(position, *arguments)

    def advance(
        state: Any,
        scale: tf.Tensor,
        max_iterations: tf.Tensor,
        like: tf.Tensor,
        arguments: tuple,
        flags: tuple[tf.Tensor, ...],
    ) -> Any:
        """Continues TFP's L-BFGS, for positions of the shape of `like`."""

        def function(flat: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            value, gradient = value_and_gradient(tf.reshape(flat, tf.shape(like)), *arguments)
            return value, tf.reshape(gradient, tf.shape(flat))

        return advance_tfp(
            function,
            state,
            scale=scale,
            history=history,
            max_iterations=max_iterations,
            is_stopped=stopped_by(flags),
        )

    compiled = functools.partial(for_all_sizes, jit_compile=jit_compile)
    return _Graphs(compiled(evaluate), compiled(advance))
