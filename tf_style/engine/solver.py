"""The minimization of one stage: whole or in tiles, as its memory plan says."""

import dataclasses
import functools
import time
from collections.abc import Callable

import numpy as np

from tf_style.config.style_config import StyleConfig
from tf_style.engine.compilation import compiled_part
from tf_style.engine.memory_plan import SizePlan
from tf_style.engine.problem import Problem, StageProblem
from tf_style.engine.run_state import NOTHING_FINISHED, FinishedStages, RunState
from tf_style.objective.loss import LossTerms, LossWeights, by_name
from tf_style.optimizers import slices
from tf_style.optimizers.cancellation import Cancellation
from tf_style.optimizers.pace import Pacing
from tf_style.optimizers.solution import NotFiniteError, Solution, State, Step
from tf_style.optimizers.table import OPTIMIZERS, Storage

XLA_SECONDS = 0.2
"""Rough length of a slice that cancellation must wait for, because XLA cannot end it early."""


@dataclasses.dataclass(frozen=True)
class Solver:
    """What is the same for all stages of a run.

    Attributes:
        problem: what is minimized.
        config: the optimizer, and what XLA compiles.
        num_steps: steps planned, in all stages.
        pause_every: slices also end at every multiple of this many steps.
        on_slice: called between slices of steps; a true result ends the stage.
        cancellation: ends the stage at the next step; under XLA within `XLA_SECONDS`, or a step.
    """

    problem: Problem
    config: StyleConfig
    num_steps: int
    pause_every: int | None = None
    on_slice: Callable[[RunState], bool | None] | None = None
    cancellation: Cancellation | None = None

    def problem_for(self, plan: SizePlan) -> Problem:
        """Returns the problem as it is evaluated: in tiles if they are planned."""
        return self.problem if plan.tiling is None else self.problem.tiled(plan.tiling)

    def minimize(
        self,
        stage: StageProblem,
        plan: SizePlan,
        num_steps: int,
        *,
        finished: FinishedStages = NOTHING_FINISHED,
        deadline: float | None = None,
        resume_from: State | None = None,
    ) -> RunState:
        """Returns the end of a stage.

        Args:
            stage: the problem at the stage's size.
            plan: how memory is used.
            num_steps: maximum number of steps of this stage.
            finished: the stages before, whose steps are added.
            deadline: latest end, on the clock of `time.perf_counter`.
            resume_from: what `RunState.state` gave in this stage.

        Raises:
            FloatingPointError: if value or gradient is not finite; names the term.
            ValueError: if `resume_from` comes from another run.
        """
        problem, data = self.problem_for(plan), stage.data
        optimizer = self.config.optimizer

        def run_state(step: Step | Solution) -> RunState:
            num_made = finished.step + step.num_steps
            state = functools.partial(finished.added_to, getattr(step, "state", dict))
            return RunState(
                num_steps=max(self.num_steps, num_made),
                image=problem.picture(step.position, data),
                targets=data.targets,
                objective=problem.objective,
                loss=step.loss,
                step=num_made,
                num_evaluations=finished.num_evaluations + step.num_evaluations,
                status=getattr(step, "status", None),
                state=state,
            )

        on_slice, is_cancellable = self.on_slice, self.cancellation is not None
        # A graph that calls back into Python cannot be compiled.
        jit_compile = plan.tiling is None and compiled_part(self.config.compute) == "loop"
        pacing = Pacing(
            slice_seconds=XLA_SECONDS if jit_compile and is_cancellable else Pacing.slice_seconds,
            pause_every=self.pause_every,
            steps_before=finished.step,
            deadline=deadline,
            on_slice=(lambda step: on_slice(run_state(step))) if on_slice else None,
            cancellation=self.cancellation,
        )
        method = OPTIMIZERS[optimizer.optimizer].make(
            problem.value_and_gradient,
            stage.start,
            optimizer,
            Storage(history=plan.history, bfloat16_history=plan.bfloat16_history),
            arguments=(data,),
            jit_compile=jit_compile,
        )
        try:
            with problem.objective.keeping_memory():
                solution = slices.run(
                    method, num_steps=num_steps, pacing=pacing, resume_from=resume_from
                )
        except NotFiniteError as error:
            image = problem.picture(error.position, data)
            terms = problem.objective.terms(image, data.targets)
            raise FloatingPointError(not_finite(terms, finished.step + error.num_steps)) from error
        return run_state(solution)

    def time_evaluation(self, stage: StageProblem, plan: SizePlan) -> float:
        """Returns the seconds of one evaluation, without tracing."""
        pilot = dataclasses.replace(self, on_slice=None, cancellation=None)
        pilot.minimize(stage, plan, 0)
        start = time.perf_counter()
        pilot.minimize(stage, plan, 0)
        return time.perf_counter() - start


def not_finite(terms: LossTerms, num_steps: int) -> str:
    """Returns the message of a FloatingPointError after so many steps; names the term."""
    values = by_name(terms)
    names = [name for name in values if "/" in name] + [*LossWeights._fields, "total"]
    bad = [name for name in names if not np.isfinite(values[name])]
    term = bad[0] if bad else "gradient"
    return (
        f"The loss term '{term}' is not finite after {num_steps} steps. "
        "Use smaller weights, or the normalized network."
    )
