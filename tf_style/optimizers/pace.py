"""How many steps fit into a slice of time."""

import time


class Pace:
    """Chooses how many steps fit into a slice, from the time the last ones took."""

    def __init__(
        self, slice_seconds: float, pause_every: int | None, deadline: float | None = None
    ) -> None:
        self._seconds = slice_seconds
        self._pause_every = pause_every
        self._deadline = deadline
        self._seconds_a_step: float | None = None
        # The first slice may trace the graph. Within a deadline, rather too slow than unknown.
        self._measures = deadline is not None

    @property
    def over(self) -> bool:
        """Whether another step would end after the deadline."""
        if self._deadline is None:
            return False
        return time.perf_counter() + (self._seconds_a_step or 0.0) > self._deadline

    def start(self, done: int) -> int:
        """Begins a slice after so many steps; returns how many it may have."""
        self._start = time.perf_counter()
        if self._seconds_a_step is None:
            return 1
        seconds = self._seconds
        if self._deadline is not None:
            seconds = min(seconds, self._deadline - self._start)
        fitting = min(max(int(seconds / max(self._seconds_a_step, 1e-9)), 1), 1_000_000)
        if self._pause_every:
            return min(fitting, self._pause_every - done % self._pause_every)
        return fitting

    def stop(self, steps: int) -> None:
        """Ends a slice of so many steps."""
        if self._measures:
            self._seconds_a_step = (time.perf_counter() - self._start) / max(steps, 1)
        self._measures = True
