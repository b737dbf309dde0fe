"""The driver of all optimizers: slices of steps, with progress and cancellation between them.

An optimizer is a `Method`: it knows how to make steps, but nothing of time, progress or limits.
"""

import contextlib
from typing import Protocol, TypeVar

from tf_style.graphs import slots
from tf_style.optimizers.pace import Pace, Pacing
from tf_style.optimizers.solution import Solution, State, Status, Step

S = TypeVar("S")
"""What a method carries from slice to slice."""


class Method(Protocol[S]):
    """A minimization by one optimizer, of one function from one start."""

    def begin(self, pace: Pace) -> S:
        """Evaluates the function at the start; may trace the graph that makes steps.

        Args:
            pace: to be started and stopped around the evaluation if the graph that makes steps
                does it: then the first slice may know how long a step takes.

        Raises:
            NotFiniteError: if value or gradient is NaN or infinite.
        """

    def resume(self, saved: State) -> S:
        """Restores what `Step.state` gave.

        Raises:
            ValueError: if it comes from another minimization.
        """

    def advance(self, state: S, last_step: int, pace: Pace, *, may_trace: bool) -> S:
        """Makes steps up to number `last_step`, or up to one that fails.

        Args:
            state: where to start; it may be changed in place.
            last_step: number of the last step.
            pace: started; to be stopped after the steps, before work that only some slices need.
                Its flag ends the slice after the current step, except under XLA.
            may_trace: whether there is time to trace a graph that only a failed step needs.

        Raises:
            NotFiniteError: if value or gradient is NaN or infinite.
        """

    def step(self, state: S) -> Step:
        """Returns the position, loss and counts that have been reached."""

    def status(self, state: S) -> Status | None:
        """Returns why no further step can be made; None if one can."""


def run(
    method: Method[S], *, num_steps: int, pacing: Pacing, resume_from: State | None = None
) -> Solution:
    """Returns where a minimization ends.

    Args:
        method: the optimizer with its function, its start and its options.
        num_steps: maximum number of steps.
        pacing: slices, deadline and callback. Slicing does not change the path.
        resume_from: what `Step.state` gave; None to begin.

    Raises:
        NotFiniteError: if value or gradient is NaN or infinite.
        ValueError: if `resume_from` comes from another minimization.
    """
    stop = slots.flag()
    pace = Pace(pacing, stop)
    with contextlib.ExitStack() as stack:
        if pacing.cancellation is not None:
            stack.enter_context(pacing.cancellation.calling(lambda: slots.set_flag(stop)))
        state = method.begin(pace) if resume_from is None else method.resume(resume_from)
        step = method.step(state)
        while (status := _status(method, state, step, num_steps, pacing, pace)) is None:
            last_step = min(num_steps, step.num_steps + pace.start(step.num_steps))
            state = method.advance(state, last_step, pace, may_trace=pacing.deadline is None)
            step = method.step(state)
    return Solution(step.position, step.loss, step.num_steps, step.num_evaluations, status)


def _status(
    method: Method[S], state: S, step: Step, num_steps: int, pacing: Pacing, pace: Pace
) -> Status | None:
    """Reports progress; returns why the minimization ends here, or None."""
    has_begun = step.num_evaluations > 1
    is_cancelled = has_begun and pacing.on_slice is not None and pacing.on_slice(step)
    if is_cancelled or pacing.is_cancelled:
        return Status.CANCELLED
    if (status := method.status(state)) is not None:
        return status
    if step.num_steps >= num_steps:
        return Status.STEPS_USED
    return Status.TIME_USED if pace.is_over else None
