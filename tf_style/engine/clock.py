"""The clock of a run with a deadline: each stage gets its share of the time."""

import time
from collections.abc import Callable, Sequence

from tf_style.config.scales import Stage
from tf_style.engine import schedule
from tf_style.engine.run_state import RunState


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

    def minimize(
        self,
        stages: Sequence[Stage],
        minimize: Callable[[float | None], RunState],
        *,
        num_evaluations: int,
        time_evaluation: Callable[[], float],
    ) -> RunState:
        """Minimizes at the first of these stages, within its share of the time.

        Args:
            stages: this one and those to come.
            minimize: maps a deadline, or None, to the stage's end.
            num_evaluations: made before.
            time_evaluation: returns the seconds of one evaluation.
        """
        if self.deadline is None:
            return minimize(None)
        cost = schedule.cost(stages[0].scale, self._num_pixels)
        if self._seconds_per_pixel is None:
            self._seconds_per_pixel = time_evaluation() / cost if len(stages) > 1 else 0.0
        start = time.perf_counter()
        share = schedule.first_share(
            stages,
            self._num_pixels,
            left=self.deadline - start,
            seconds_per_pixel=self._seconds_per_pixel,
        )
        state = minimize(start + share)
        num_made = max(state.num_evaluations - num_evaluations, 1)
        self._seconds_per_pixel = (time.perf_counter() - start) / num_made / cost
        return state
