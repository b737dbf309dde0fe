"""Whole runs of several pictures of one size, as one graph that contains no Python.

The counterpart of `graph_stages.stylize_in_graph`: each picture takes the same steps as there, but
one evaluation serves all of them.
"""

from typing import Any, NamedTuple

import tensorflow as tf

from tf_style.config.style_config import StyleConfig
from tf_style.engine.batch import batch_function
from tf_style.engine.coarse_to_fine import refined
from tf_style.engine.graph_stages import (
    Stylized,
    check_finite,
    graph_plan_stages,
    graph_scaled_size,
)
from tf_style.engine.problem import Problem, ProblemData
from tf_style.images.graph_color import less_chroma, most_chroma
from tf_style.images.graph_resizing import Size, resize, size_of
from tf_style.inputs.sizes import smallest_side
from tf_style.objective.loss import LossWeights
from tf_style.objective.targets import Targets
from tf_style.optimizers import batch_lbfgs, batch_state

_IMAGE = [1, None, None, 3]


class Packed(NamedTuple):
    """Images of different sizes, one after the other.

    Attributes:
        pixels: float32 `[n, 3]`, of all images.
        sizes: int32 `[b, 2]`, height and width of each.
    """

    pixels: tf.Tensor
    sizes: tf.Tensor


def packed(images: tf.Tensor) -> Packed:
    """Returns images, float32 `[b, H, W, 3]`, packed."""
    shape = tf.shape(images)
    return Packed(tf.reshape(images, [-1, 3]), tf.repeat(shape[tf.newaxis, 1:3], shape[0], 0))


def joined(one: Packed, other: Packed) -> Packed:
    """Returns the images of both."""
    return Packed(*(tf.concat(parts, 0) for parts in zip(one, other, strict=True)))


def unpacked(images: Packed, index: tf.Tensor) -> tf.Tensor:
    """Returns one of the images, float32 `[1, H, W, 3]`."""
    ends = tf.cumsum(tf.reduce_prod(images.sizes, 1))
    size = images.sizes[index]
    begin = ends[index] - tf.reduce_prod(size)
    image = tf.reshape(images.pixels[begin : ends[index]], [1, size[0], size[1], 3])
    return tf.ensure_shape(image, _IMAGE)


def _for_each(count: tf.Tensor, function: Any, specs: Any) -> Any:
    """Returns what a function gives for each of `count` rows, joined along the batch.

    Args:
        count: int32 scalar.
        function: maps a row to a nest of tensors with a batch of 1.
        specs: the nest of their shapes and types.
    """
    return tf.map_fn(
        lambda row: tf.nest.map_structure(lambda part: part[0], function(row)),
        tf.range(count),
        fn_output_signature=tf.nest.map_structure(
            lambda spec: tf.TensorSpec(spec.shape[1:], spec.dtype), specs
        ),
        parallel_iterations=1,
    )


class BatchPictures(NamedTuple):
    """The pictures of several runs.

    Attributes:
        contents: float32 `[b, H, W, 3]`, RGB 0..1.
        styles: 0..1, one for each content.
        starts: float32 `[b, H, W, 3]`, RGB, nominally 0..1.
    """

    contents: tf.Tensor
    styles: Packed
    starts: tf.Tensor


def stylize_batch_in_graph(
    problem: Problem,
    pictures: BatchPictures,
    config: StyleConfig,
    *,
    num_steps: tf.Tensor,
    weights: LossWeights,
) -> Stylized:
    """Returns the results of several runs, each field with a batch of b.

    Args:
        problem: what is minimized, with L-BFGS.
        pictures: of the results' size.
        config: scales, steps, optimizer.
        num_steps: int32 `[b]`, replaces the config's `steps`.
        weights: float32 `[b]` each, replace the config's.

    Raises:
        tf.errors.InvalidArgumentError: when the graph runs, if a loss or its gradient is not
            finite.
    """
    contents, styles, starts = pictures
    count = tf.shape(contents)[0]
    size, smallest = size_of(contents), smallest_side(config)
    stages = graph_plan_stages(
        size, scales=config.optimizer.scales, steps=num_steps, smallest_side=smallest
    )
    history = tf.minimum(config.optimizer.history, tf.reduce_max(stages.steps))

    def stage(index: tf.Tensor, before: Stylized) -> tuple[tf.Tensor, Stylized]:
        scale = stages.scales[index]
        here = graph_scaled_size(size, scale)
        content = tf.clip_by_value(resize(contents, here), 0.0, 1.0)
        start = resize(starts, here)
        start = tf.cond(
            tf.equal(index, 0), lambda: start, lambda: refined(before.image, start, starts)
        )
        basis = problem.parametrization.basis(
            *here, tf.where(tf.equal(index, 0), *config.optimizer.spectrum_exponents)
        )
        targets = _targets(problem, content, styles, scale, smallest)
        data = ProblemData(targets, basis, (weights,))
        position = problem.position(tf.ensure_shape(start, [None, None, None, 3]), data)
        end = batch_lbfgs.minimize_batch(
            batch_function(problem, data, position),
            tf.reshape(position, [count, -1]),
            num_steps=stages.steps[:, index],
            history=history,
        )
        image = problem.picture(tf.reshape(end.each.position, tf.shape(position)), data)
        return index + 1, Stylized(
            tf.ensure_shape(image, [None, None, None, 3]),
            batch_state.values(end),
            before.num_steps + end.each.num_steps,
            before.num_evaluations + end.each.num_evaluations,
        )

    zeros = tf.zeros([count], tf.int32)
    nothing = Stylized(tf.zeros([count, 1, 1, 3]), tf.zeros([count]), zeros, zeros)
    one = tf.TensorShape([None])
    end = tf.while_loop(
        lambda index, _: index < tf.size(stages.scales),
        stage,
        (tf.constant(0), nothing),
        shape_invariants=(
            tf.TensorShape([]),
            Stylized(tf.TensorShape([None, None, None, 3]), one, one, one),
        ),
        parallel_iterations=1,
    )[1]
    with tf.control_dependencies([check_finite(end)]):
        if not config.limit_chroma:
            return end._replace(image=tf.identity(end.image))
        most = _for_each(
            count,
            lambda row: most_chroma(unpacked(styles, row)),
            tf.TensorSpec([1, 1, 1, 1], tf.float32),
        )
        image = less_chroma(end.image, contents, most, config.loss.style_strength)
        return end._replace(image=image)


def _targets(
    problem: Problem, contents: tf.Tensor, styles: Packed, scale: tf.Tensor, smallest: int
) -> Targets:
    """Returns the targets of each picture at the size of a stage, with a batch of b.

    Args:
        problem: its objective gives the targets.
        contents: float32 `[b, h, w, 3]`, RGB 0..1, of the stage's size.
        styles: of the full size.
        scale: of the stage, float64.
        smallest: px; styles are not made smaller than this.
    """
    of_one = problem.objective.target_specs()

    def targets(row: tf.Tensor) -> list[tf.Tensor]:
        style = unpacked(styles, row)
        sides = size_of(style)
        least = smallest / tf.cast(tf.minimum(*sides), tf.float64)
        own: Size = graph_scaled_size(sides, tf.maximum(scale, tf.minimum(least, 1.0)))
        style = tf.clip_by_value(resize(style, own), 0.0, 1.0)
        return tf.nest.flatten(problem.objective.targets(contents[row][tf.newaxis], style))

    found = _for_each(tf.shape(contents)[0], targets, tf.nest.flatten(of_one))
    return tf.nest.pack_sequence_as(of_one, found)
