"""The clock of a run with a deadline: each stage gets its share of the time."""

import time
from collections.abc import Callable, Sequence

from tf_style.config.scales import Stage
from tf_style.engine import schedule


class Clock:
    """Shares the time between the stages, from the measured cost of an evaluation.

    Attributes:
        deadline: latest end, on the clock of `time.perf_counter`; None for no limit.
    """

    def __init__(self, deadline: float | None, num_pixels: int) -> None:
        """Starts without a measurement.

        Args:
            deadline: see the attribute.
            num_pixels: of the result.
        """
        self.deadline = deadline
        self._num_pixels = num_pixels
        self._seconds_per_pixel: float | None = None

    def has_time_for(self, stage: Stage) -> bool:
        """Returns whether the next stage is worth starting."""
        if self.deadline is None or self._seconds_per_pixel is None:
            return True
        cost = schedule.cost(stage.scale, self._num_pixels)
        needed = schedule.FEWEST * self._seconds_per_pixel * cost
        return self.deadline - time.perf_counter() >= needed

    def start(
        self, stages: Sequence[Stage], *, time_evaluation: Callable[[], float]
    ) -> float | None:
        """Starts the first of these stages; returns its own deadline, or None.

        Args:
            stages: this one and those to come.
            time_evaluation: returns the seconds of one evaluation; called before the first stage.
        """
        if self.deadline is None:
            return None
        if self._seconds_per_pixel is None:
            cost = schedule.cost(stages[0].scale, self._num_pixels)
            self._seconds_per_pixel = time_evaluation() / cost if len(stages) > 1 else 0.0
        self._start = time.perf_counter()
        return self._start + schedule.first_share(
            stages,
            self._num_pixels,
            left=self.deadline - self._start,
            seconds_per_pixel=self._seconds_per_pixel,
        )

    def stop(self, stage: Stage, num_evaluations: int) -> None:
        """Ends a stage of so many evaluations, whose time says how long the next ones take."""
        if self.deadline is not None:
            seconds = (time.perf_counter() - self._start) / max(num_evaluations, 1)
            self._seconds_per_pixel = seconds / schedule.cost(stage.scale, self._num_pixels)
