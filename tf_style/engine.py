"""From pictures to the solution: the stages from coarse to fine, within the time there is."""

import contextlib
import dataclasses
import functools
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_style import schedule
from tf_style.adam import minimize_adam
from tf_style.config import StyleConfig
from tf_style.inputs import Inputs, smallest_side
from tf_style.lbfgs import minimize_lbfgs
from tf_style.objective import LossTerms, Targets, by_name
from tf_style.options import OptimizerConfig
from tf_style.parametrization import COARSEST, FINER
from tf_style.problem import Given, Problem
from tf_style.region_targets import Controls
from tf_style.scene import Pictures, Scene, at_scale, refined, scene
from tf_style.solution import NotFiniteError, Solution, Status, Step
from tf_style.tfp_lbfgs import minimize_tfp_lbfgs

_MOST_STEPS = 1_000_000  # Where time decides.

MINIMIZERS: dict[str, Callable[[OptimizerConfig], Callable[..., Solution]]] = {
    "lbfgs": lambda config: functools.partial(minimize_lbfgs, history=config.history),
    "tfp_lbfgs": lambda config: functools.partial(minimize_tfp_lbfgs, history=config.history),
    "adam": lambda config: functools.partial(minimize_adam, learning_rate=config.learning_rate),
}
"""The minimiser that each of `options.OPTIMIZER_NAMES` stands for."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stand:
    """Where a run stands.

    Attributes:
        step: steps done, of all stages.
        num_steps: steps planned, of all stages; with a deadline, not fewer than are done.
        num_evaluations: evaluations done, of all stages.
        image: float32 `[1, h, w, 3]`, RGB, nominally 0..1, of the stage's size.
        targets: of the stage.
        loss: the value that is minimised, at the stage's size.
        status: why the stage ended; None while it runs.
    """

    step: int
    num_steps: int
    num_evaluations: int
    image: tf.Tensor
    targets: Targets
    loss: float
    status: Status | None = None


class _Before(NamedTuple):
    """What the stages before have done."""

    step: int = 0
    num_evaluations: int = 0
    image: tf.Tensor | None = None


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
            a size for which too little time is left is not begun. The coarser ones take no
            more than their steps, the full size all the time that is left.
        pause_every: slices also end at every multiple of so many steps.
        on_slice: called between slices of steps; a true result ends the run.

    Raises:
        FloatingPointError: if value or gradient are not finite; names the term.
    """
    whole = pictures_of(inputs)
    height, width = whole.content.shape[1:3]
    num_pixels = height * width
    stages = plan((height, width), config)
    solver = _Solver(
        problem=problem,
        minimize=_minimizer(config),
        num_steps=sum(stage.steps for stage in stages),
        pause_every=pause_every,
        on_slice=on_slice,
    )
    before, seconds_per_pixel = _Before(), 0.0
    for index, stage in enumerate(stages):
        cost = schedule.cost(stage.scale, num_pixels)
        if deadline is not None and index > 0:
            needed = schedule.FEWEST * seconds_per_pixel * cost
            if deadline - time.perf_counter() < needed:
                break
        pictures = at_scale(whole, stage.scale, smallest_side=smallest_side(config))
        exponent = COARSEST
        if before.image is not None:
            start = refined(before.image, pictures.start, whole.start)
            pictures, exponent = pictures._replace(start=start), FINER
        here = scene(problem, pictures, exponent=exponent)
        if deadline is None:
            stand = solver.solve(here, before, stage.steps)
        else:
            if index == 0 and len(stages) > 1:
                seconds_per_pixel = solver.seconds_an_evaluation(here) / cost
            began = time.perf_counter()
            share = schedule.first_share(
                stages[index:],
                num_pixels,
                left=deadline - began,
                seconds_per_pixel=seconds_per_pixel,
            )
            num_steps = _MOST_STEPS if index == len(stages) - 1 else stage.steps
            stand = solver.solve(here, before, num_steps, deadline=began + share)
            num_evaluations = max(stand.num_evaluations - before.num_evaluations, 1)
            seconds_per_pixel = (time.perf_counter() - began) / num_evaluations / cost
        if stand.status is Status.CANCELLED:
            break
        before = _Before(stand.step, stand.num_evaluations, stand.image)
    return stand


def go_on(
    problem: Problem, image: tf.Tensor, given: Given, config: StyleConfig, *, num_steps: int
) -> Stand:
    """Returns where a minimisation ends that begins at an image, at its size.

    Args:
        problem: what is minimised.
        image: float32 `[1, H, W, 3]`, RGB, nominally 0..1.
        given: what the problem is about, at that size.
        config: the optimiser.
        num_steps: at most.

    Raises:
        FloatingPointError: if value or gradient are not finite; names the term.
    """
    solver = _Solver(problem, _minimizer(config), num_steps, None, None)
    start = problem.parametrization.to_position(problem.start(image), given.basis)
    return solver.solve(Scene(given, start), _Before(), num_steps)


@contextlib.contextmanager
def enough_memory(size: tuple[int, int]) -> Iterator[None]:
    """Raises MemoryError, with ways out, where TensorFlow has none left for pictures of a size."""
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        height, width = size
        raise MemoryError(
            f"There is not enough memory for {width}x{height} px. Use a smaller `size`, a shorter "
            "`history`, or the optimizer 'adam'."
        ) from error


def _minimizer(config: StyleConfig) -> Callable[..., Solution]:
    return functools.partial(
        MINIMIZERS[config.optimizer.optimizer](config.optimizer),
        jit_compile=config.compute.jit_compile == "loop",
    )


@dataclasses.dataclass(frozen=True)
class _Solver:
    """What is the same at every size.

    Attributes:
        problem: what is minimised.
        minimize: the minimiser.
        num_steps: planned, of all stages.
        pause_every: slices also end at every multiple of so many steps.
        on_slice: called between slices of steps.
    """

    problem: Problem
    minimize: Callable[..., Solution]
    num_steps: int
    pause_every: int | None
    on_slice: Callable[[Stand], bool | None] | None

    def solve(
        self, here: Scene, before: _Before, num_steps: int, *, deadline: float | None = None
    ) -> Stand:
        """Minimises at one size; counts on from where the coarser one ended."""
        problem = self.problem

        def image(position: tf.Tensor) -> tf.Tensor:
            return problem.picture(position, here.given)

        def stand(step: Step | Solution) -> Stand:
            done = before.step + step.num_steps
            return Stand(
                num_steps=max(self.num_steps, done),
                image=image(step.position),
                targets=here.given.targets,
                loss=step.loss,
                step=done,
                num_evaluations=before.num_evaluations + step.num_evaluations,
                status=getattr(step, "status", None),
            )

        on_slice = self.on_slice
        try:
            solution = self.minimize(
                problem.value_and_gradient,
                here.start,
                arguments=(here.given,),
                num_steps=num_steps,
                pause_every=self.pause_every,
                deadline=deadline,
                on_slice=(lambda step: on_slice(stand(step))) if on_slice else None,
            )
        except NotFiniteError as error:
            terms = problem.objective.terms(image(error.position), here.given.targets)
            raise FloatingPointError(_not_finite(terms, before.step + error.num_steps)) from error
        return stand(solution)

    def seconds_an_evaluation(self, here: Scene) -> float:
        """Returns how long one takes, once the graph is traced."""
        pilot = dataclasses.replace(self, on_slice=None)
        pilot.solve(here, _Before(), 0)
        began = time.perf_counter()
        pilot.solve(here, _Before(), 0)
        return time.perf_counter() - began


def pictures_of(inputs: Inputs) -> Pictures:
    """Returns the pictures of a run, and what counts where, as tensors."""
    regions, controls = inputs.regions, Controls()
    if regions is not None:
        # What stays as it is takes no part.
        used = regions.strengths > 0.0
        masks = regions.content[..., used]
        controls = Controls(
            blend=tf.constant(regions.blend[used]),
            strengths=tf.constant(regions.strengths[used]),
            content_masks=tf.constant(masks),
            style_masks=tuple(tf.constant(style[..., used]) for style in regions.styles),
            touched=tf.constant(inputs.touched),
        )
    elif len(inputs.styles) > 1:
        controls = Controls(blend=tf.constant(inputs.blend[np.newaxis]))
    if inputs.content_map is not None:
        controls = controls._replace(content_map=tf.constant(inputs.content_map))
    return Pictures(
        tf.constant(inputs.content),
        tuple(map(tf.constant, inputs.styles)),
        tf.constant(inputs.start),
        controls,
    )


def plan(size: tuple[int, int], config: StyleConfig) -> tuple[schedule.Stage, ...]:
    """Returns the stages that a config means for a result of this size."""
    return schedule.plan(
        size,
        scales=config.optimizer.scales,
        steps=config.optimizer.steps,
        smallest_side=smallest_side(config),
    )


def _not_finite(terms: LossTerms, num_steps: int) -> str:
    values = by_name(terms)
    names = [name for name in values if "/" in name] + ["content", "style", "variation", "total"]
    bad = [name for name in names if not np.isfinite(values[name])]
    term = bad[0] if bad else "gradient"
    return (
        f"The loss term '{term}' is not finite after {num_steps} steps. "
        "Use smaller weights, or the normalized network."
    )
