"""From pictures to the solution: the stages from coarse to fine, within the time there is."""

import dataclasses
import functools
import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tf_style import images, schedule, vgg19
from tf_style.adam import minimize_adam
from tf_style.config import OptimizerConfig, StyleConfig
from tf_style.inputs import Inputs
from tf_style.lbfgs import minimize_lbfgs
from tf_style.objective import LossTerms, Targets, by_name
from tf_style.problem import Given, Problem
from tf_style.solution import NotFiniteError, Solution, Status, Step
from tf_style.tfp_lbfgs import minimize_tfp_lbfgs

_MOST_TIMES = 4  # As many steps at a coarse size as planned, however much time there is.
_FEWEST = 5  # Evaluations that make a larger size worth its time.

MINIMIZERS: dict[str, Callable[[OptimizerConfig], Callable[..., Solution]]] = {
    "lbfgs": lambda config: functools.partial(minimize_lbfgs, history=config.history),
    "tfp_lbfgs": lambda config: functools.partial(minimize_tfp_lbfgs, history=config.history),
    "adam": lambda config: functools.partial(minimize_adam, learning_rate=config.learning_rate),
}
"""The minimiser that each of `config.OPTIMIZER_NAMES` stands for."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stand:
    """Where a run stands.

    Attributes:
        image: float32 `[1, h, w, 3]`, RGB, nominally 0..1, of the stage's size.
        targets: of the stage.
        loss: the value that is minimised, at the stage's size.
        step: steps done, of all stages.
        num_steps: steps planned, of all stages.
        num_evaluations: evaluations done, of all stages.
        status: why the last stage ended; None while it runs.
    """

    image: tf.Tensor
    targets: Targets
    loss: float
    step: int
    num_steps: int
    num_evaluations: int
    status: Status | None = None


def run(
    problem: Problem,
    inputs: Inputs,
    config: StyleConfig,
    *,
    deadline: float | None = None,
    pause_every: int | None = None,
    on_slice: Callable[[Stand], bool | None] | None = None,
) -> Stand:
    """Returns where the last stage ended.

    Args:
        problem: what is minimised.
        inputs: the pictures, of the result's size.
        config: `scales`, `steps` and the optimiser.
        deadline: when to end, on the clock of `time.perf_counter`. Each stage gets its share;
            a size for which too little time is left is not begun. The last stage goes on until
            then, whatever its steps.
        pause_every: slices also end at every multiple of so many steps.
        on_slice: called between slices of steps; a true result ends the run.

    Raises:
        FloatingPointError: if value or gradient are not finite; names the term.
    """
    stages = plan(inputs.content.shape[1:3], config)
    minimize = MINIMIZERS[config.optimizer.optimizer](config.optimizer)
    image: np.ndarray | None = None
    steps = evaluations = 0
    seconds_an_evaluation = 0.0  # At the full size.
    stand = None
    for index, stage in enumerate(stages):
        stage_deadline = None
        num_steps = stage.steps
        if deadline is not None:
            left = deadline - time.perf_counter()
            if stand and left < _FEWEST * seconds_an_evaluation * stage.scale**2:
                break
            costs = [other.steps * other.scale**2 for other in stages[index:]]
            stage_deadline = deadline - left * (1.0 - costs[0] / sum(costs))
            num_steps *= _MOST_TIMES if stage is not stages[-1] else 1000
        began = time.perf_counter()
        content, style, start = at_scale(inputs, stage.scale)
        image = start if image is None else refined(image, inputs.start, start)
        image = problem.shown(tf.constant(image))
        targets = problem.objective.targets(tf.constant(content), tf.constant(style))
        basis = problem.parametrization.basis(*content.shape[1:3])

        def stand_at(step: Step | Solution, targets: Targets = targets, basis=basis) -> Stand:
            shown = problem.shown(problem.parametrization.to_image(step.position, basis))
            return Stand(
                image=shown,
                targets=targets,
                loss=step.loss,
                step=steps + step.num_steps,
                num_steps=sum(stage.steps for stage in stages),
                num_evaluations=evaluations + step.num_evaluations,
                status=getattr(step, "status", None),
            )

        solve = functools.partial(
            minimize,
            problem.value_and_gradient,
            problem.parametrization.to_position(image, basis),
            arguments=(Given(targets, basis),),
            num_steps=num_steps,
            pause_every=pause_every,
            deadline=stage_deadline,
            on_slice=(lambda step: on_slice(stand_at(step))) if on_slice else None,
        )
        try:
            solution = solve()
        except NotFiniteError as error:
            bad = problem.parametrization.to_image(error.position, basis)
            terms = problem.objective.terms(bad, targets)
            raise FloatingPointError(_not_finite(terms, steps + error.num_steps)) from error
        stand = stand_at(solution)
        image = stand.image.numpy()
        took = (time.perf_counter() - began) / max(solution.num_evaluations, 1)
        seconds_an_evaluation = took / stage.scale**2
        steps, evaluations = stand.step, stand.num_evaluations
        if solution.status is Status.CANCELLED:
            break
    return stand


def plan(size: tuple[int, int], config: StyleConfig) -> tuple[schedule.Stage, ...]:
    """Returns the stages that a config means for a result of this size."""
    return schedule.plan(
        size,
        scales=config.optimizer.scales,
        steps=config.optimizer.steps,
        smallest_side=vgg19.minimum_side(config.loss.layers),
    )


def at_scale(inputs: Inputs, scale: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns content, style and start of a stage."""
    if scale == 1.0:
        return inputs.content, inputs.style, inputs.start
    content, style, start = (
        images.resize(image, schedule.scaled(image.shape[1:3], scale))
        for image in (inputs.content, inputs.style, inputs.start)
    )
    return content, style, start


def refined(image: np.ndarray, whole: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Returns a coarser stage's image at the next size, with the start's finer detail.

    Enlarged alone it would be blurred, and the detail of the photograph lost.

    Args:
        image: float32 `[1, h, w, 3]` of the coarser stage.
        whole: float32 `[1, H, W, 3]`, the start at the full size.
        start: the start at the size that is asked for.
    """
    size = start.shape[1:3]
    coarse = images.resize(images.resize(whole, image.shape[1:3]), size)
    return images.resize(image, size) + start - coarse


def _not_finite(terms: LossTerms, num_steps: int) -> str:
    values = by_name(terms)
    names = [name for name in values if "/" in name] + ["content", "style", "variation", "total"]
    bad = [name for name in names if not np.isfinite(values[name])]
    term = bad[0] if bad else "gradient"
    return (
        f"The loss term '{term}' is not finite after {num_steps} steps. "
        "Use smaller weights, or the normalized network."
    )
