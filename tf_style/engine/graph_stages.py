"""A whole run, from coarse to fine, as one graph that contains no Python.

Takes pictures as tensors, gives the result as tensors. Sizes, steps and numbers are those of
`stages.run` without a deadline.
"""

import functools
import math
import operator
from typing import NamedTuple

import tensorflow as tf

from tf_style.config.scales import parse_scales
from tf_style.config.style_config import GRAPH_INITS, StyleConfig
from tf_style.engine import schedule
from tf_style.engine.coarse_to_fine import StageStart, coarse_to_fine, refined
from tf_style.engine.pictures import Pictures, at_scale, at_size
from tf_style.engine.plan import stages_of
from tf_style.engine.problem import Problem, flat_function
from tf_style.images.graph_color import limited_chroma
from tf_style.images.graph_resizing import Size, cover, size_of
from tf_style.inputs.inputs import NOISE_DEVIATION, NOISE_MEAN
from tf_style.inputs.sizes import smallest_side
from tf_style.objective.loss import LossWeights
from tf_style.optimizers.table import OPTIMIZERS

_HALVINGS = 16  # Of the longer edge: more than any picture allows.


class Stylized(NamedTuple):
    """The result of a run in a graph.

    Attributes:
        image: float32 `[1, H, W, 3]`, RGB, nominally 0..1.
        loss: float32 scalar, the minimized value.
        num_steps: int32 scalar, steps made in all stages.
        num_evaluations: int32 scalar, evaluations made in all stages.
    """

    image: tf.Tensor
    loss: tf.Tensor
    num_steps: tf.Tensor
    num_evaluations: tf.Tensor


class GraphStages(NamedTuple):
    """The stages of a run, from coarse to fine: several `scales.Stage` as tensors.

    Attributes:
        scales: float64 `[k]`, relative to the result's size.
        steps: int32 `[k]`, optimizer steps; `[b, k]` for a batch.
    """

    scales: tf.Tensor
    steps: tf.Tensor


def check_graph(config: StyleConfig) -> None:
    """Raises an error unless a config can be run inside a graph.

    Raises:
        TypeError: if it is not a StyleConfig.
        ValueError: if it uses an option that a graph does not support.
    """
    if not isinstance(config, StyleConfig):
        raise TypeError(f"`config` must be a StyleConfig. Received: {type(config).__name__}.")
    if config.init not in GRAPH_INITS:
        choices = ", ".join(repr(name) for name in GRAPH_INITS)
        raise ValueError(
            f"`init` must be one of {choices} in a graph, which cannot read files. "
            f"Received: init={config.init!r}."
        )
    names = (
        "style_blend",
        "style_scales",
        "region_strengths",
        "regions",
        "photorealistic",
        "protect",
    )
    for name in names:
        if getattr(config.control, name):
            raise ValueError(
                f"Cannot use `{name}` in a graph. This is because a graph has one style and no "
                f"regions. Received: {name}={getattr(config.control, name)!r}. Leave it out."
            )
    if config.color != "style":
        raise ValueError(
            "Cannot use `color` in a graph. This is because it changes the pictures before and "
            f"after the optimization. Received: color={config.color!r}. Leave it out, and change "
            "the pictures outside the graph: with `tf_style.match_colors` ('match'), "
            "`tf_style.with_luminance` ('content'), and `tf_style.shift_luminance` ('luminance')."
        )
    if config.compute.jit_compile not in ("off", "auto"):
        raise ValueError(
            "Cannot use `jit_compile` in a graph. This is because XLA would compile each size "
            "anew; StableHLO programs are always compiled. Received: "
            f"jit_compile={config.compute.jit_compile!r}. Leave it out."
        )
    if config.compute.time_budget:
        raise ValueError(
            "Cannot use `time_budget` in a graph. This is because a graph has no clock. "
            f"Received: time_budget={config.compute.time_budget:g}. Use `steps`."
        )


def start_image(config: StyleConfig, content: tf.Tensor, style: tf.Tensor) -> tf.Tensor:
    """Returns the image to start from, of the content's size.

    Args:
        config: `init`, which must be one of `style_config.GRAPH_INITS`, and `seed`.
        content: float32 `[1, H, W, 3]`, RGB 0..1.
        style: float32 `[1, H', W', 3]`, RGB 0..1.
    """
    if config.init == "content":
        return content
    if config.init == "style":
        return tf.clip_by_value(cover(style, size_of(content)), 0.0, 1.0)
    # Not the values of `prepare_inputs`, which uses NumPy, but the same distribution.
    return tf.random.stateless_normal(
        tf.shape(content), [0, config.seed], NOISE_MEAN, NOISE_DEVIATION
    )


def graph_plan_stages(
    size: Size, *, scales: str, steps: int | tf.Tensor, smallest_side: int
) -> GraphStages:
    """Returns `schedule.plan_stages` for a size that is known only when the graph runs."""
    edge = tf.cast(tf.maximum(*size), tf.float64)
    if scales == "auto":
        halvings = tf.range(_HALVINGS - 1, -1, -1, dtype=tf.float64)
        factors = 0.5**halvings
        first = tf.clip_by_value(schedule.FULL_EDGE / edge, 1.0, schedule.MOST_TIMES)
        times = tf.where(halvings == 0.0, first, tf.minimum(halvings, 2.0))
        each = tf.cast(steps, tf.float64)[..., tf.newaxis]  # Of the batch, if there is one.
        counts = tf.cast(tf.round(each * times), tf.int32)
        used = (halvings == 0.0) | (edge * factors >= schedule.SMALLEST_EDGE)
    else:
        fixed = parse_scales(scales)
        factors = tf.constant([stage.scale for stage in fixed] or [1.0], tf.float64)
        counts = tf.constant([stage.steps for stage in fixed] or [1], tf.int32)
        steps = tf.ones_like(steps) if fixed else steps
        counts = tf.convert_to_tensor(steps)[..., tf.newaxis] * counts
        used = tf.ones_like(factors, tf.bool)
    shorter = tf.minimum(*graph_scaled_size(size, factors))
    used &= (factors == 1.0) | (shorter >= smallest_side)
    numbers = tf.where(used)[:, 0]
    return GraphStages(tf.gather(factors, numbers), tf.gather(counts, numbers, axis=-1))


def graph_scaled_size(size: Size, scale: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns `schedule.scaled_size` for a scale that is a float64 tensor of any shape."""
    height, width = (
        tf.maximum(1, tf.cast(tf.floor(tf.cast(side, tf.float64) * scale + 0.5), tf.int32))
        for side in size
    )
    return height, width


def stylize_in_graph(
    problem: Problem,
    pictures: Pictures,
    config: StyleConfig,
    *,
    num_steps: tf.Tensor | None = None,
    weights: LossWeights | None = None,
    is_checked: bool = True,
) -> Stylized:
    """Returns the result of a run for pictures whose sizes are known only when the graph runs.

    Args:
        problem: what is minimized.
        pictures: of the result's size; each style has a size of its own.
        config: scales, steps, optimizer.
        num_steps: int32 scalar, replaces the config's `steps`.
        weights: replace the config's.
        is_checked: whether to raise an error if something is not finite; otherwise the loss is NaN.

    Raises:
        tf.errors.InvalidArgumentError: when the graph runs, if the loss or its gradient is not
            finite.
    """
    size = tf.unstack(tf.shape(pictures.content)[1:3])
    style_sizes = [tf.unstack(tf.shape(style)[1:3]) for style in pictures.styles]
    smallest = smallest_side(config)
    stages = graph_plan_stages(
        size,
        scales=config.optimizer.scales,
        steps=config.optimizer.steps if num_steps is None else num_steps,
        smallest_side=smallest,
    )
    least = [smallest / tf.cast(tf.minimum(*each), tf.float64) for each in style_sizes]
    style_scales = [
        tf.maximum(stages.scales, tf.minimum(tf.ones_like(each), each)) for each in least
    ]

    def stage(index: tf.Tensor, before: Stylized) -> tuple[tf.Tensor, Stylized]:
        here = at_size(
            pictures,
            graph_scaled_size(size, stages.scales[index]),
            [
                graph_scaled_size(each, scales[index])
                for each, scales in zip(style_sizes, style_scales, strict=True)
            ],
        )
        start = tf.cond(
            index == 0,
            lambda: here.start,
            lambda: refined(before.image, here.start, pictures.start),
        )
        after = minimize_stage(
            problem,
            here._replace(start=tf.ensure_shape(start, [1, None, None, 3])),
            config,
            exponent=tf.where(index == 0, *config.optimizer.spectrum_exponents),
            num_steps=stages.steps[index],
            weights=weights,
        )
        return index + 1, _added(before, after)

    nothing = Stylized(tf.zeros([1, 1, 1, 3]), tf.zeros([]), tf.constant(0), tf.constant(0))
    shapes = Stylized(tf.TensorShape([1, None, None, 3]), *3 * [tf.TensorShape([])])
    end = tf.while_loop(
        lambda index, _: index < tf.size(stages.scales),
        stage,
        (tf.constant(0), nothing),
        shape_invariants=(tf.TensorShape([]), shapes),
        parallel_iterations=1,
    )[1]
    if not is_checked:
        loss = tf.where(is_finite(end), end.loss, math.nan)
        return _finished(end._replace(loss=loss), pictures, config)
    with tf.control_dependencies([check_finite(end)]):
        return _finished(end, pictures, config)


def is_finite(end: Stylized) -> tf.Tensor:
    """Returns whether the loss and the image of a run, or of a batch, are finite; bool scalar."""
    finite = (tf.reduce_all(tf.math.is_finite(part)) for part in (end.loss, end.image))
    return functools.reduce(operator.and_, finite) & tf.reduce_all(end.num_evaluations > 0)


def check_finite(end: Stylized) -> tf.Operation:
    """Returns an assertion of `is_finite`."""
    return tf.debugging.Assert(
        is_finite(end),
        ["The loss or its gradient is not finite. Use smaller weights, or the normalized "
         "network. Received: loss", end.loss],
    )  # fmt: skip


def stylize_at_size(problem: Problem, pictures: Pictures, config: StyleConfig) -> Stylized:
    """Returns the result of a run for pictures of known sizes, in a form that XLA can compile.

    Args:
        problem: what is minimized.
        pictures: of known shapes.
        config: scales, steps, optimizer.
    """
    smallest = smallest_side(config)
    ends = coarse_to_fine(
        stages_of(tuple(pictures.content.shape[1:3]), config),
        pictures_at=lambda stage: at_scale(pictures, stage.scale, smallest_side=smallest),
        minimize=lambda start: _minimize_start(problem, start, config),
    )
    return _finished(functools.reduce(_added, ends), pictures, config)


def _finished(end: Stylized, pictures: Pictures, config: StyleConfig) -> Stylized:
    """Returns the end of a run with the chroma that the styles allow."""
    if not config.limit_chroma:
        return end._replace(image=tf.identity(end.image))
    strength = config.loss.style_strength
    image = limited_chroma(end.image, pictures.content, pictures.styles, strength)
    return end._replace(image=image)


def _minimize_start(problem: Problem, start: StageStart, config: StyleConfig) -> Stylized:
    pictures = start.pictures
    end = minimize_stage(
        problem,
        pictures,
        config,
        exponent=config.optimizer.exponent_at(start.number),
        num_steps=start.stage.steps,
        in_place=False,
    )
    return end._replace(image=tf.ensure_shape(end.image, pictures.start.shape))


def _added(before: Stylized, after: Stylized) -> Stylized:
    """Returns the result of a stage, with the counts of all stages so far."""
    return after._replace(
        num_steps=before.num_steps + after.num_steps,
        num_evaluations=before.num_evaluations + after.num_evaluations,
    )


def minimize_stage(
    problem: Problem,
    pictures: Pictures,
    config: StyleConfig,
    *,
    exponent: float | tf.Tensor,
    num_steps: int | tf.Tensor,
    weights: LossWeights | None = None,
    in_place: bool = True,
) -> Stylized:
    """Returns the result of one stage.

    Args:
        problem: what is minimized.
        pictures: of the stage's size; each style has a size of its own.
        config: the optimizer.
        exponent: of the parametrization.
        num_steps: number of optimizer steps.
        weights: replace the config's.
        in_place: as for `graph_minimizers.minimize_lbfgs_in_graph`.
    """
    stage = problem.at(pictures, exponent=exponent, weights=weights)
    solution = OPTIMIZERS[config.optimizer.optimizer].in_graph(
        flat_function(problem, stage.start, stage.data),
        tf.reshape(stage.start, [-1]),
        config.optimizer,
        num_steps=num_steps,
        in_place=in_place,
    )
    position = tf.reshape(solution.position, tf.shape(stage.start))
    image = tf.ensure_shape(problem.picture(position, stage.data), [1, None, None, 3])
    return Stylized(image, solution.value, solution.num_steps, solution.num_evaluations)
