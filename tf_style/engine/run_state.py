"""How far a run has come, and the part of it that a checkpoint stores besides the optimizer's."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from tf_style._checks import check_number
from tf_style.objective.loss import LossWeights
from tf_style.objective.objective import Objective
from tf_style.objective.targets import Targets
from tf_style.optimizers.solution import Kind, State, Status, restored


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunState:
    """How far a run has come.

    Attributes:
        step: steps made, in all stages.
        num_steps: steps planned, in all stages; with a deadline at least the steps made.
        num_evaluations: evaluations made, in all stages.
        image: float32 `[1, h, w, 3]`, RGB, nominally 0..1, of the stage's size.
        targets: of the stage.
        objective: measures the image against the targets.
        loss: the minimized value, at the stage's size.
        status: why the stage ended; None while it runs.
        weights: replace those of the objective's config; or None.
        state: returns what `stages.run` takes as `resume_from`; call it while `on_slice` runs.
    """

    step: int
    num_steps: int
    num_evaluations: int
    image: tf.Tensor
    targets: Targets
    objective: Objective
    loss: float
    status: Status | None = None
    weights: LossWeights | None = None
    state: Callable[[], State] = dict


class FinishedStages(NamedTuple):
    """What the finished stages of a run add up to.

    Attributes:
        stages: number of finished stages.
        step: steps made in them.
        num_evaluations: evaluations made in them.
        limit: bytes of memory that the run is planned with, 0 if unknown. It is saved so that a
            resumed run is computed in the same way.
    """

    stages: int = 0
    step: int = 0
    num_evaluations: int = 0
    limit: int = 0

    def added_to(self, state: Callable[[], State]) -> State:
        """Returns an optimizer's state with these numbers."""
        return {**state(), **{f"before_{name}": value for name, value in self._asdict().items()}}


NOTHING_FINISHED = FinishedStages()


def restored_stages(resume_from: State, num_stages: int) -> FinishedStages:
    """Returns the numbers that `FinishedStages.added_to` has saved.

    Raises:
        ValueError: if they are not those of a run with `num_stages` stages.
    """
    kinds: dict[str, Kind] = {f"before_{name}": ([], tf.int64) for name in FinishedStages._fields}
    finished = FinishedStages(*map(int, restored(resume_from, kinds).values()))
    check_number("before_stages", finished.stages, minimum=0, maximum=num_stages - 1)
    return finished
