"""TensorFlow Probability's L-BFGS, run in slices, scaled and restarted.

Knows nothing about images. Each slice of steps is one graph, traced once for each shape;
slicing does not change the path.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tf_style._checks import check_number
from tf_style.options import OptimizerConfig
from tf_style.solution import (
    MAX_RESTARTS_WITHOUT_GAIN,
    OnSlice,
    Pace,
    Solution,
    Status,
    Step,
    ValueAndGradient,
    check_finite,
    checked_start,
    norm,
)
from tf_style.tfp_state import tfp_state


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
        history: curvature pairs kept. TFP copies them: 4 to 7 * history times the start's size.
        jit_compile: let XLA compile the steps.
        first_step: root-mean-square length of the first trial step, in the position's units.
        slice_seconds: time after which a slice ends, roughly.
        pause_every: slices also end at every multiple of so many steps.
        deadline: as for `lbfgs.minimize_lbfgs`.
        on_slice: called between slices.

    Returns:
        The solution. Its loss does not exceed the start's, but for rounding.

    Raises:
        TypeError: if the start is not of floats.
        ValueError: if a number is out of its range.
        NotFiniteError: if value or gradient become NaN or infinite.

    References:
        Nocedal & Wright (2006), section 7.2; Hager & Zhang (2005) for the line search.
    """
    check_number("history", history, minimum=1)
    start = checked_start(start, num_steps)
    run_slice = functools.partial(
        _lbfgs_slice(value_and_gradient, history, jit_compile),
        shape=tuple(start.shape),
        arguments=arguments,
    )
    step = Step(start, float("nan"), 0, 0)
    restarts = 0
    while True:
        loss, gradient = value_and_gradient(step.position, *arguments)
        step = step._replace(loss=float(loss), num_evaluations=step.num_evaluations + 1)
        length = norm(gradient) / np.sqrt(gradient.shape.num_elements())
        check_finite(step.loss + length, step)
        if length == 0.0:
            return Solution(*step, status=Status.CONVERGED)
        scale = tf.constant(first_step * 0.1**restarts / length, start.dtype)
        state = tfp_state(step.position, loss * scale, gradient * scale, history)
        found, status = _run_slices(
            run_slice,
            scale,
            state,
            step,
            num_steps,
            Pace(slice_seconds, pause_every, deadline),
            on_slice,
        )
        if status is not Status.LINE_SEARCH_FAILED:
            return Solution(*found, status=status)
        if found.loss < step.loss and found.num_steps > step.num_steps:
            step, restarts = found, 0
        else:
            step = step._replace(num_evaluations=found.num_evaluations)
            restarts += 1
        if restarts > MAX_RESTARTS_WITHOUT_GAIN:
            return Solution(*step, status=status)


def _run_slices(
    run_slice: Callable,
    scale: tf.Tensor,
    state: Any,
    start: Step,
    num_steps: int,
    pace: Pace,
    on_slice: OnSlice | None,
) -> tuple[Step, Status]:
    """Runs TFP's L-BFGS from a fresh state to an end or a failed line search."""
    step = start
    while True:
        if pace.over:
            return step, Status.TIME_USED
        done = int(state.num_iterations)
        limit = min(num_steps - start.num_steps, done + pace.start(start.num_steps + done))
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
        check_finite(step.loss, step)
        if on_slice is not None and on_slice(step):
            return step, Status.CANCELLED
        if failed:
            return step, Status.LINE_SEARCH_FAILED
        if bool(state.converged):
            return step, Status.CONVERGED
        if step.num_steps >= num_steps:
            return step, Status.STEPS_USED


@functools.lru_cache(maxsize=2)
def _lbfgs_slice(value_and_gradient: ValueAndGradient, history: int, jit_compile: bool) -> Callable:
    """Returns the graph that continues TFP's L-BFGS up to a total number of iterations."""
    import tensorflow_probability as tfp

    @tf.function(autograph=False, jit_compile=jit_compile)
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
