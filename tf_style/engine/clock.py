"""The time that stages may take."""

import time
from collections.abc import Sequence

from tf_style.config import scales
from tf_style.engine import schedule
from tf_style.engine.problem import Scene
from tf_style.engine.solver import Before, Solver, Stand
from tf_style.optimizers.solution import State


class Clock:
    """The time that stages may take.

    Attributes:
        deadline: when to end, on the clock of `time.perf_counter`, or None.
    """

    def __init__(self, deadline: float | None, num_pixels: int) -> None:
        """Makes it, for a result of so many pixels."""
        self.deadline = deadline
        self._num_pixels = num_pixels
        self._seconds_per_pixel: float | None = None

    def has_time_for(self, stage: scales.Stage) -> bool:
        """Returns whether a further stage is worth being begun."""
        if self.deadline is None or self._seconds_per_pixel is None:
            return True
        cost = schedule.cost(stage.scale, self._num_pixels)
        needed = schedule.FEWEST * self._seconds_per_pixel * cost
        return self.deadline - time.perf_counter() >= needed

    def solve(
        self,
        solver: Solver,
        here: Scene,
        before: Before,
        stages: Sequence[scales.Stage],
        num_steps: int,
        resume_from: State | None,
    ) -> Stand:
        """Minimizes at the first of these stages, within its share of the time."""
        if self.deadline is None:
            return solver.solve(here, before, num_steps, resume_from=resume_from)
        cost = schedule.cost(stages[0].scale, self._num_pixels)
        if self._seconds_per_pixel is None:
            self._seconds_per_pixel = 0.0
            if len(stages) > 1:
                self._seconds_per_pixel = solver.seconds_an_evaluation(here) / cost
        began = time.perf_counter()
        share = schedule.first_share(
            stages,
            self._num_pixels,
            left=self.deadline - began,
            seconds_per_pixel=self._seconds_per_pixel,
        )
        stand = solver.solve(
            here, before, num_steps, deadline=began + share, resume_from=resume_from
        )
        num_evaluations = max(stand.num_evaluations - before.num_evaluations, 1)
        self._seconds_per_pixel = (time.perf_counter() - began) / num_evaluations / cost
        return stand
