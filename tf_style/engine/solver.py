"""The minimization at one size of a run: whole or in tiles, as memory allows."""

import dataclasses
import functools
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_style._checks import check_number
from tf_style.config.optimizer import OptimizerConfig
from tf_style.config.style_config import StyleConfig
from tf_style.engine.memory_plan import SizePlan
from tf_style.engine.pictures import Pictures
from tf_style.engine.problem import Problem, Scene, scene
from tf_style.objective.objective import Objective
from tf_style.objective.targets import Targets
from tf_style.objective.terms import LossTerms, by_name
from tf_style.optimizers.adam import minimize_adam
from tf_style.optimizers.lbfgs import minimize_lbfgs
from tf_style.optimizers.solution import NotFiniteError, Solution, State, Status, Step, taken_up
from tf_style.optimizers.tfp_lbfgs import minimize_tfp_lbfgs

MINIMIZERS: dict[str, Callable[[OptimizerConfig, SizePlan], Callable[..., Solution]]] = {
    "lbfgs": lambda _, plan: functools.partial(
        minimize_lbfgs, history=plan.history, bfloat16_history=plan.bfloat16_history
    ),
    "tfp_lbfgs": lambda _, plan: functools.partial(minimize_tfp_lbfgs, history=plan.history),
    "adam": lambda config, _: functools.partial(minimize_adam, learning_rate=config.learning_rate),
}
"""The minimizer that each of `options.OPTIMIZER_NAMES` stands for, with the memory it may take."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stand:
    """Where a run stands.

    Attributes:
        step: steps done, of all stages.
        num_steps: steps planned, of all stages; with a deadline, not fewer than are done.
        num_evaluations: evaluations done, of all stages.
        image: float32 `[1, h, w, 3]`, RGB, nominally 0..1, of the stage's size.
        targets: of the stage.
        objective: what the image is compared with the targets by, at this size.
        loss: the value that is minimized, at the stage's size.
        status: why the stage ended; None while it runs.
        state: gives what `run` takes as `resume_from`, while `on_slice` runs.
    """

    step: int
    num_steps: int
    num_evaluations: int
    image: tf.Tensor
    targets: Targets
    objective: Objective
    loss: float
    status: Status | None = None
    state: Callable[[], State] = dict


class Before(NamedTuple):
    """What the stages before have done, and with what memory; all but the image is in a `State`.

    Attributes:
        stages: done.
        step: steps done.
        num_evaluations: done.
        limit: bytes of memory that plans are made for, so that a run that is gone on with is
            computed in the same way; 0 for none.
        image: float32 `[1, h, w, 3]`, of the last one.
    """

    stages: int = 0
    step: int = 0
    num_evaluations: int = 0
    limit: int = 0
    image: tf.Tensor | None = None


@dataclasses.dataclass(frozen=True)
class Solver:
    """What is the same at every size, and how it is computed at one.

    Attributes:
        problem: what is minimized.
        config: the optimizer, and how it is compiled.
        size_plan: how memory is used.
        num_steps: planned, of all stages.
        pause_every: slices also end at every multiple of so many steps.
        on_slice: called between slices of steps.
    """

    problem: Problem
    config: StyleConfig
    size_plan: SizePlan
    num_steps: int
    pause_every: int | None = None
    on_slice: Callable[[Stand], bool | None] | None = None

    @property
    def problem_here(self) -> Problem:
        """The problem, in tiles if they are planned."""
        tiling = self.size_plan.tiling
        return self.problem if tiling is None else self.problem.tiled(tiling)

    def scene(self, pictures: Pictures, exponent: float) -> Scene:
        """Returns the problem at one size: `scene.scene`."""
        return scene(self.problem_here, pictures, exponent=exponent)

    def solve(
        self,
        here: Scene,
        before: Before,
        num_steps: int,
        *,
        deadline: float | None = None,
        resume_from: State | None = None,
    ) -> Stand:
        """Minimizes at one size; counts on from where the coarser one ended."""
        problem = self.problem_here
        optimizer, compute = self.config.optimizer, self.config.compute
        # What calls back into Python cannot be compiled.
        compiled = compute.jit_compile == "loop" and self.size_plan.tiling is None
        minimize = MINIMIZERS[optimizer.optimizer](optimizer, self.size_plan)

        def image(position: tf.Tensor) -> tf.Tensor:
            return problem.picture(position, here.given)

        def stand(step: Step | Solution) -> Stand:
            done = before.step + step.num_steps
            return Stand(
                num_steps=max(self.num_steps, done),
                image=image(step.position),
                targets=here.given.targets,
                objective=problem.objective,
                loss=step.loss,
                step=done,
                num_evaluations=before.num_evaluations + step.num_evaluations,
                status=getattr(step, "status", None),
                state=functools.partial(_saved, before, getattr(step, "state", dict)),
            )

        on_slice = self.on_slice
        try:
            with problem.objective.keeping_memory():
                solution = minimize(
                    problem.value_and_gradient,
                    here.start,
                    jit_compile=compiled,
                    arguments=(here.given,),
                    num_steps=num_steps,
                    pause_every=self.pause_every,
                    deadline=deadline,
                    on_slice=(lambda step: on_slice(stand(step))) if on_slice else None,
                    resume_from=resume_from,
                )
        except NotFiniteError as error:
            terms = problem.objective.terms(image(error.position), here.given.targets)
            raise FloatingPointError(_not_finite(terms, before.step + error.num_steps)) from error
        return stand(solution)

    def seconds_an_evaluation(self, here: Scene) -> float:
        """Returns how long one takes, once the graph is traced."""
        pilot = dataclasses.replace(self, on_slice=None)
        pilot.solve(here, Before(), 0)
        began = time.perf_counter()
        pilot.solve(here, Before(), 0)
        return time.perf_counter() - began


_BEFORE = ("stages", "step", "num_evaluations", "limit")


def _saved(before: Before, state: Callable[[], State]) -> State:
    return {**state(), **{f"before_{name}": getattr(before, name) for name in _BEFORE}}


def resumed(resume_from: State, num_stages: int) -> Before:
    """Returns what `_saved` has kept, without the image: the stage that uses it has begun."""
    numbers = taken_up(resume_from, {f"before_{name}": ([], tf.int64) for name in _BEFORE})
    before = Before(*map(int, numbers.values()))
    check_number("before_stages", before.stages, minimum=0, maximum=num_stages - 1)
    return before


def _not_finite(terms: LossTerms, num_steps: int) -> str:
    values = by_name(terms)
    names = [name for name in values if "/" in name] + ["content", "style", "variation", "total"]
    bad = [name for name in names if not np.isfinite(values[name])]
    term = bad[0] if bad else "gradient"
    return (
        f"The loss term '{term}' is not finite after {num_steps} steps. "
        "Use smaller weights, or the normalized network."
    )
