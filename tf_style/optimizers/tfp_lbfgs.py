"""TensorFlow Probability's L-BFGS, run in slices, scaled and restarted.

Knows nothing about images. Each slice of steps is one graph, traced once for all sizes; slicing
does not change the path.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tf_style._checks import check_number
from tf_style.config.optimizer import OptimizerConfig
from tf_style.graphs.tracing import for_all_sizes, kept_by_function
from tf_style.optimizers.pace import Pace
from tf_style.optimizers.solution import (
    MAX_RESTARTS_WITHOUT_GAIN,
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
from tf_style.optimizers.tfp_state import named_tfp_state, tfp_state, tfp_state_kinds


def minimize_tfp_lbfgs(
    value_and_gradient: ValueAndGradient,
    start: tf.Tensor,
    *,
    arguments: tuple = (),
    num_steps: int,
    history: int = OptimizerConfig.history,
    jit_compile: bool = False,
    first_step: float = 0.01,
    slice_seconds: float = 5.0,
    pause_every: int | None = None,
    deadline: float | None = None,
    on_slice: OnSlice | None = None,
    resume_from: State | None = None,
) -> Solution:
    """Minimizes with `tfp.optimizer.lbfgs_minimize`, scaled, sliced and restarted.

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
        history: curvature pairs kept. TFP copies them: 4 to 7 * history times the start's size.
        jit_compile: let XLA compile the steps.
        first_step: root-mean-square length of the first trial step, in the position's units.
        slice_seconds: time after which a slice ends, roughly.
        pause_every: slices also end at every multiple of so many steps.
        deadline: as for `lbfgs.minimize_lbfgs`.
        on_slice: called between slices.
        resume_from: as for `lbfgs.minimize_lbfgs`.

    Returns:
        The solution. Its loss does not exceed the start's, but for rounding.

    Raises:
        TypeError: if the start is not of floats.
        ValueError: if a number is out of its range, or `resume_from` of another minimization.
        NotFiniteError: if value or gradient become NaN or infinite.

    References:
        Nocedal & Wright (2006), section 7.2; Hager & Zhang (2005) for the line search.
    """
    check_number("history", history, minimum=1)
    start = checked_start(start, num_steps)
    graphs = _graphs(value_and_gradient, history, jit_compile)

    def run_slice(state: Any, scale: tf.Tensor, limit: tf.Tensor) -> Any:
        return graphs.advance(state, scale, limit, start, arguments)

    step = Step(start, float("nan"), 0, 0)
    restarts = 0
    begun = None if resume_from is None else _resumed(resume_from, start, history)
    while True:
        if begun is not None:
            state, step, restarts, scale = begun
        else:
            loss, gradient = graphs.evaluate(step.position, arguments)
            step = step._replace(loss=float(loss), num_evaluations=step.num_evaluations + 1)
            length = norm(gradient) / np.sqrt(gradient.shape.num_elements())
            check_finite(step.loss + length, step)
            if length == 0.0:
                return ended(step, Status.CONVERGED)
            scale = tf.constant(first_step * 0.1**restarts / length, start.dtype)
            state = tfp_state(step.position, loss * scale, gradient * scale, history)
        found, status = _run_slices(
            run_slice,
            _Begun(state, step, restarts, scale),
            num_steps,
            Pace(slice_seconds, pause_every, deadline),
            on_slice,
            resumed=begun is not None,
        )
        begun = None
        if status is not Status.LINE_SEARCH_FAILED:
            return ended(found, status)
        if found.loss < step.loss and found.num_steps > step.num_steps:
            step, restarts = found._replace(state=dict), 0  # Its memory is not needed.
        else:
            step = step._replace(num_evaluations=found.num_evaluations)
            restarts += 1
        if restarts > MAX_RESTARTS_WITHOUT_GAIN:
            return ended(step, status)


class _Begun(NamedTuple):
    """TFP's L-BFGS since it was last started.

    Attributes:
        state: TFP's.
        start: where it was started.
        restarts: that gained nothing, before.
        scale: of value and gradient.
    """

    state: Any
    start: Step
    restarts: int
    scale: tf.Tensor


def _saved(begun: _Begun) -> State:
    """Returns all of it by name; the start's parts with a prefix."""
    start = begun.start
    return {
        **begun.state._asdict(),
        "start_position": start.position,
        "start_loss": start.loss,
        "start_num_steps": start.num_steps,
        "start_num_evaluations": start.num_evaluations,
        "restarts": begun.restarts,
        "scale": begun.scale,
    }


def _resumed(resume_from: State, start: tf.Tensor, history: int) -> _Begun:
    """Returns what `_saved` has given."""
    kinds = tfp_state_kinds(int(tf.size(start)), history, start.dtype)
    state = named_tfp_state(taken_up(resume_from, kinds))
    kinds = {
        "start_position": (start.shape, start.dtype),
        "start_loss": ([], tf.float64),
        "start_num_steps": ([], tf.int64),
        "start_num_evaluations": ([], tf.int64),
        "restarts": ([], tf.int64),
        "scale": ([], start.dtype),
    }
    tensors = taken_up(resume_from, kinds)
    position, *numbers, scale = tensors.values()
    loss, num_steps, num_evaluations, restarts = (number.numpy().item() for number in numbers)
    return _Begun(state, Step(position, loss, num_steps, num_evaluations), restarts, scale)


def _run_slices(
    run_slice: Callable,
    begun: _Begun,
    num_steps: int,
    pace: Pace,
    on_slice: OnSlice | None,
    *,
    resumed: bool,
) -> tuple[Step, Status]:
    """Runs TFP's L-BFGS to an end or a failed line search."""
    state, start, _, scale = begun
    step = start
    while True:
        if not resumed:
            if pace.over:
                return step, Status.TIME_USED
            done = int(state.num_iterations)
            limit = min(num_steps - start.num_steps, done + pace.start(start.num_steps + done))
            state = run_slice(state, scale, tf.constant(limit))
            pace.stop(int(state.num_iterations) - done)
        resumed = False
        failed = bool(state.failed)
        step = Step(
            tf.reshape(state.position, start.position.shape),
            float(state.objective_value / scale),
            # TFP counts a failed search as an iteration, but it made no step.
            start.num_steps + int(state.num_iterations) - int(failed),
            start.num_evaluations + int(state.num_objective_evaluations),
            functools.partial(_saved, begun._replace(state=state)),
        )
        check_finite(step.loss, step)
        if on_slice is not None and on_slice(step):
            return step, Status.CANCELLED
        if failed:
            return step, Status.LINE_SEARCH_FAILED
        if bool(state.converged):
            return step, Status.CONVERGED
        if step.num_steps >= num_steps:
            return step, Status.STEPS_USED


class _Graphs(NamedTuple):
    """The graphs of a minimization, each traced once for all sizes."""

    evaluate: Callable[..., tuple[tf.Tensor, tf.Tensor]]
    advance: Callable[..., Any]


@kept_by_function
def _graphs(value_and_gradient: ValueAndGradient, history: int, jit_compile: bool) -> _Graphs:
    import tensorflow_probability as tfp

    def evaluate(position: tf.Tensor, arguments: tuple) -> tuple[tf.Tensor, tf.Tensor]:
        return value_and_gradient(position, *arguments)

    def advance(
        state: Any, scale: tf.Tensor, limit: tf.Tensor, like: tf.Tensor, arguments: tuple
    ) -> Any:
        """Continues TFP's L-BFGS, for positions of the shape of `like`, up to so many steps."""

        def scaled(flat: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            value, gradient = value_and_gradient(tf.reshape(flat, tf.shape(like)), *arguments)
            return value * scale, tf.reshape(gradient, tf.shape(flat)) * scale

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

    compiled = functools.partial(for_all_sizes, jit_compile=jit_compile)
    return _Graphs(compiled(evaluate), compiled(advance))
