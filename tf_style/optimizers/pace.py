"""Pacing: when a slice of steps ends, and how many steps fit into the next one."""

import dataclasses
import time

import tensorflow as tf

from tf_style.optimizers.cancellation import Cancellation
from tf_style.optimizers.solution import OnSlice


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pacing:
    """When a minimization pauses, and when it must end.

    Attributes:
        slice_seconds: rough length of a slice, in seconds.
        pause_every: slices also end at every multiple of this many steps; None for no pauses.
        steps_before: steps that count for these multiples, made before the minimization.
        deadline: latest end, on the clock of `time.perf_counter`; None for no limit. No step starts
            that would end later, judging by the time of the previous steps.
        on_slice: called between slices; a true result cancels the minimization.
        cancellation: cancels the minimization during a slice.
    """

    slice_seconds: float = 5.0
    pause_every: int | None = None
    steps_before: int = 0
    deadline: float | None = None
    on_slice: OnSlice | None = None
    cancellation: Cancellation | None = None

    @property
    def is_cancelled(self) -> bool:
        """Whether the minimization is to end."""
        return self.cancellation is not None and self.cancellation.is_cancelled


class Pace:
    """Chooses the number of steps in each slice from the time that the last steps took.

    Attributes:
        stop_flag: handle of the flag (`graphs.slots`) that ends a slice after its current step.
    """

    def __init__(self, pacing: Pacing, stop_flag: tf.Tensor) -> None:
        """Starts without a measurement; until there is one, a slice has one step."""
        self._pacing = pacing
        self.stop_flag = stop_flag
        self._seconds_per_step: float | None = None
        # The first slice may include tracing. With a deadline, a high estimate beats none.
        self._measures = pacing.deadline is not None

    @property
    def is_over(self) -> bool:
        """Whether another step would end after the deadline."""
        if self._pacing.deadline is None:
            return False
        return time.perf_counter() + (self._seconds_per_step or 0.0) > self._pacing.deadline

    def start(self, num_done: int) -> int:
        """Starts a slice after `num_done` steps; returns how many steps it may have."""
        self._start = time.perf_counter()
        if self._seconds_per_step is None:
            return 1
        seconds = self._pacing.slice_seconds
        if self._pacing.deadline is not None:
            seconds = min(seconds, self._pacing.deadline - self._start)
        num_steps = min(max(int(seconds / max(self._seconds_per_step, 1e-9)), 1), 1_000_000)
        pause_every = self._pacing.pause_every
        if not pause_every:
            return num_steps
        return min(num_steps, pause_every - (self._pacing.steps_before + num_done) % pause_every)

    def stop(self, num_steps: int) -> None:
        """Ends a slice of `num_steps` steps, or as many evaluations; none counts as one."""
        if self._measures:
            self._seconds_per_step = (time.perf_counter() - self._start) / max(num_steps, 1)
        self._measures = True
