"""The whole optimization, from coarse to fine, as one graph without Python in it.

The same sizes, steps and numbers as `engine.run` without a deadline.
"""

from typing import NamedTuple

import tensorflow as tf

from tf_style.config.scales import parse_scales
from tf_style.config.style_config import INITS, StyleConfig
from tf_style.engine import schedule
from tf_style.engine.parametrization import COARSEST, FINER
from tf_style.engine.pictures import Pictures, at_scale, at_size, refined
from tf_style.engine.problem import Problem, scene
from tf_style.images.graph_resizing import Size, cover, size_of
from tf_style.inputs.inputs import NOISE_DEVIATION, NOISE_MEAN
from tf_style.inputs.sizes import smallest_side
from tf_style.objective.terms import LossWeights
from tf_style.optimizers.graph_minimizers import graph_minimizer

_HALVINGS = 16  # Of the longer edge, more than any picture has.


class Stylized(NamedTuple):
    """Where a run in a graph ended.

    Attributes:
        image: float32 `[1, H, W, 3]`, RGB, nominally 0..1.
        loss: float32 scalar, the value that was minimized.
        num_steps: int32 scalar, steps done, at all sizes.
        num_evaluations: int32 scalar, evaluations done, at all sizes.
    """

    image: tf.Tensor
    loss: tf.Tensor
    num_steps: tf.Tensor
    num_evaluations: tf.Tensor


class Stages(NamedTuple):
    """The sizes of a run, from coarse to fine; `schedule.Stage`s as tensors.

    Attributes:
        scales: float64 `[k]`, relative to the result's size.
        steps: int32 `[k]`, of the optimizer.
    """

    scales: tf.Tensor
    steps: tf.Tensor


def check_graph(config: StyleConfig) -> None:
    """Raises ValueError if a config needs what a graph has not.

    Raises:
        TypeError: if it is no StyleConfig.
    """
    if not isinstance(config, StyleConfig):
        raise TypeError(f"`config` must be a StyleConfig. Received: {type(config).__name__}.")
    if config.init not in INITS:
        choices = ", ".join(repr(name) for name in INITS)
        raise ValueError(
            f"`init` must be one of {choices} in a graph, which holds no pictures. "
            f"Received: init={config.init!r}."
        )
    for name in ("style_blend", "style_scales", "region_strengths", "regions", "photorealistic"):
        if getattr(config.control, name):
            raise ValueError(
                f"Cannot use `{name}` in a graph. This is because it has one style and no regions. "
                f"Received: {name}={getattr(config.control, name)!r}. Leave it out."
            )
    if config.color != "style":
        raise ValueError(
            "Cannot use `color` in a graph. This is because it changes the pictures before and "
            f"after the optimization. Received: color={config.color!r}. Leave it out, and change "
            "them around the graph: with `tf_style.match_colors` ('match'), "
            "`tf_style.with_luminance` ('content'), and `tf_style.shift_luminance` ('luminance')."
        )
    if config.compute.jit_compile != "off":
        raise ValueError(
            "Cannot use `jit_compile` in a graph. This is because XLA compiles for each size, and "
            f"programs of StableHLO anyway. Received: jit_compile={config.compute.jit_compile!r}. "
            "Leave it out."
        )
    if config.compute.time_budget:
        raise ValueError(
            "Cannot use `time_budget` in a graph. This is because it does not plan by the clock. "
            f"Received: time_budget={config.compute.time_budget:g}. Use `steps`."
        )


def start_image(config: StyleConfig, content: tf.Tensor, style: tf.Tensor) -> tf.Tensor:
    """Returns the image to start from, of the content's size, as `init` names it.

    Args:
        config: `init`, which must be one of `config.INITS`, and `seed`.
        content: float32 `[1, H, W, 3]`, RGB 0..1.
        style: float32 `[1, H', W', 3]`, RGB 0..1.
    """
    if config.init == "content":
        return content
    if config.init == "style":
        return tf.clip_by_value(cover(style, size_of(content)), 0.0, 1.0)
    # Not the noise of `prepare_inputs`, which is NumPy's; of the same distribution.
    return tf.random.stateless_normal(
        tf.shape(content), [0, config.seed], NOISE_MEAN, NOISE_DEVIATION
    )


def plan(size: Size, *, scales: str, steps: int | tf.Tensor, smallest_side: int) -> Stages:
    """Returns the stages of `schedule.plan`, for a size and steps known when the graph runs."""
    edge = tf.cast(tf.maximum(*size), tf.float64)
    if scales == "auto":
        halvings = tf.range(_HALVINGS - 1, -1, -1, dtype=tf.float64)
        factors = 0.5**halvings
        first = tf.clip_by_value(schedule.FULL_EDGE / edge, 1.0, schedule.MOST_TIMES)
        times = tf.where(halvings == 0.0, first, tf.minimum(halvings, 2.0))
        counts = tf.cast(tf.round(tf.cast(steps, tf.float64) * times), tf.int32)
        used = (halvings == 0.0) | (edge * factors >= schedule.SMALLEST_EDGE)
    else:
        fixed = parse_scales(scales)
        factors = tf.constant([stage.scale for stage in fixed] or [1.0], tf.float64)
        counts = tf.stack([stage.steps for stage in fixed] or [steps])
        used = tf.ones_like(factors, tf.bool)
    shorter = tf.minimum(*scaled(size, factors))
    used &= (factors == 1.0) | (shorter >= smallest_side)
    return Stages(tf.boolean_mask(factors, used), tf.boolean_mask(counts, used))


def scaled(size: Size, scale: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns height and width at a scale, float64 of any shape: `schedule.scaled`."""
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
) -> Stylized:
    """Returns where the optimization ends, at the pictures' own size.

    Args:
        problem: what is minimized.
        pictures: of the result's size, the styles' but for their own.
        config: scales, steps, the optimizer.
        num_steps: int32 scalar, in the place of the config's `steps`.
        weights: of the loss terms, in the place of the config's.

    Raises:
        tf.errors.InvalidArgumentError: when the graph runs, if the loss or its gradient is not
            finite.
    """
    size = tf.unstack(tf.shape(pictures.content)[1:3])
    style_sizes = [tf.unstack(tf.shape(style)[1:3]) for style in pictures.styles]
    smallest = smallest_side(config)
    stages = plan(
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
            scaled(size, stages.scales[index]),
            [
                scaled(each, scales[index])
                for each, scales in zip(style_sizes, style_scales, strict=True)
            ],
        )
        start = tf.cond(
            index == 0,
            lambda: here.start,
            lambda: refined(before.image, here.start, pictures.start),
        )
        after = solve(
            problem,
            here._replace(start=tf.ensure_shape(start, [1, None, None, 3])),
            config,
            exponent=tf.where(index == 0, COARSEST, FINER),
            num_steps=stages.steps[index],
            weights=weights,
        )
        return index + 1, after._replace(
            num_steps=before.num_steps + after.num_steps,
            num_evaluations=before.num_evaluations + after.num_evaluations,
        )

    nothing = Stylized(tf.zeros([1, 1, 1, 3]), tf.zeros([]), tf.constant(0), tf.constant(0))
    shapes = Stylized(tf.TensorShape([1, None, None, 3]), *3 * [tf.TensorShape([])])
    found = tf.while_loop(
        lambda index, _: index < tf.size(stages.scales),
        stage,
        (tf.constant(0), nothing),
        shape_invariants=(tf.TensorShape([]), shapes),
        parallel_iterations=1,
    )[1]
    finite = tf.math.is_finite(found.loss) & tf.reduce_all(tf.math.is_finite(found.image))
    told = tf.debugging.Assert(
        finite & (found.num_evaluations > 0),
        ["The loss or its gradient is not finite. Use smaller weights, or the normalized "
         "network. Received: loss", found.loss],
    )  # fmt: skip
    with tf.control_dependencies([told]):
        return found._replace(image=tf.identity(found.image))


def stylize_at_size(problem: Problem, pictures: Pictures, config: StyleConfig) -> Stylized:
    """Returns what `stylize_in_graph` does, for sizes that are known: what XLA can compile.

    Args:
        problem: what is minimized.
        pictures: of known shapes.
        config: scales, steps, the optimizer.
    """
    smallest = smallest_side(config)
    stages = schedule.plan(
        tuple(pictures.content.shape[1:3]),
        scales=config.optimizer.scales,
        steps=config.optimizer.steps,
        smallest_side=smallest,
    )
    found: Stylized | None = None
    for stage in stages:
        here = at_scale(pictures, stage.scale, smallest_side=smallest)
        if found is not None:
            here = here._replace(start=refined(found.image, here.start, pictures.start))
        after = solve(
            problem,
            here,
            config,
            exponent=COARSEST if found is None else FINER,
            num_steps=stage.steps,
            in_place=False,
        )
        image = tf.ensure_shape(after.image, here.start.shape)
        steps, evaluations = (found.num_steps, found.num_evaluations) if found else (0, 0)
        found = Stylized(
            image, after.loss, steps + after.num_steps, evaluations + after.num_evaluations
        )
    assert found is not None  # noqa: S101  There is at least one stage.
    return found


def solve(
    problem: Problem,
    pictures: Pictures,
    config: StyleConfig,
    *,
    exponent: float | tf.Tensor,
    num_steps: int | tf.Tensor,
    weights: LossWeights | None = None,
    in_place: bool = True,
) -> Stylized:
    """Returns where the minimization at one size ends.

    Args:
        problem: what is minimized.
        pictures: all of the stage's size, the styles' but for their own.
        config: the optimizer.
        exponent: of the parametrization.
        num_steps: of the optimizer.
        weights: of the loss terms, in the place of the config's.
        in_place: as for `graph_minimizers.graph_minimizer`.
    """
    here = scene(problem, pictures, exponent=exponent, weights=weights)
    shape = tf.shape(here.start)

    def function(position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        value, gradient = problem.value_and_gradient(tf.reshape(position, shape), here.given)
        return value, tf.reshape(gradient, [-1])

    minimize = graph_minimizer(config.optimizer, in_place=in_place)
    found = minimize(function, tf.reshape(here.start, [-1]), num_steps)
    position = tf.reshape(found.position, shape)
    image = tf.ensure_shape(problem.picture(position, here.given), [1, None, None, 3])
    return Stylized(image, found.value, found.num_steps, found.num_evaluations)
