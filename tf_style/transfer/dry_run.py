"""The dry run: the sizes, memory, evaluations and time that a run would need, as lines of text."""

import time

import numpy as np
import tensorflow as tf

from tf_style.config.style_config import StyleConfig
from tf_style.engine import schedule
from tf_style.engine.assembly import load_problem
from tf_style.engine.memory_plan import GB, described, excess, limit_of, peak
from tf_style.engine.plan import plan_run
from tf_style.images import resizing
from tf_style.inputs.inputs import Inputs

_EDGE = 256  # px, of the picture that is timed.
_IN_TILES = 1.3  # Factor for the time in tiles, measured: docs/notes/tiling.md.
_BESIDES = 2.0  # Evaluations of a stage besides its steps: targets and start.


def report(inputs: Inputs, config: StyleConfig) -> list[str]:
    """Returns a line for each stage of a run, one for the whole run, and a warning if any.

    Times three evaluations of a small picture.

    Args:
        inputs: the pictures of the run.
        config: everything but the pictures.
    """
    height, width = inputs.content.shape[1:3]
    limit = limit_of(config) or 0.0
    seconds_per_pixel = _seconds_per_pixel(inputs, config)
    lines, seconds = [], 0.0
    planned = plan_run((height, width), config, limit)
    for stage, size, plan in planned:
        times = _IN_TILES if plan.tiling else 1.0
        cost = schedule.cost(stage.scale, height * width)
        seconds += (stage.steps + _BESIDES) * times * seconds_per_pixel * cost
        lines.append(f"{size[1]}x{size[0]} px: {stage.steps} steps, {described(plan)}")
    steps = sum(stage.steps for stage, _, _ in planned)
    plans = [each.size_plan for each in planned]
    most, warning = peak(plans), excess(plans, config, limit)
    if config.compute.time_budget:
        seconds = config.compute.time_budget
    total = f"{steps} steps, about {steps + len(planned)} evaluations, {most / GB:.1f} GB"
    if limit:
        total += f" of {limit / GB:.1f} GB"
    lines.append(f"Total: {total}, about {_duration(seconds)}")
    return [*lines, warning] if warning else lines


def _seconds_per_pixel(inputs: Inputs, config: StyleConfig) -> float:
    problem = load_problem(config).problem
    size = resizing.fit(inputs.content.shape[1:3], _EDGE)
    content = tf.constant(np.clip(resizing.resize(inputs.content, size), 0.0, 1.0))
    targets = problem.objective.targets(content, content)
    times = []
    for _ in range(3):  # The first evaluation traces.
        began = time.perf_counter()
        float(problem.objective.value_and_gradient(content, targets)[0])
        times.append(time.perf_counter() - began)
    return min(times) / (size[0] * size[1] + schedule.OVERHEAD)


def _duration(seconds: float) -> str:
    minutes = seconds / 60.0
    if minutes < 2.0:
        return f"{seconds:.0f} s"
    return f"{minutes:.0f} min" if minutes < 120.0 else f"{minutes / 60.0:.1f} h"
