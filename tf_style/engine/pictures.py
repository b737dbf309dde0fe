"""The pictures of a run as tensors, at the full size and at the size of a stage.

Takes NumPy arrays (`inputs.Inputs`), gives `Pictures`. Sizes are integers, or tensors that are
known only when a graph runs.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_style.engine import schedule
from tf_style.images.graph_resizing import Size, resize, resize_all
from tf_style.inputs.inputs import Inputs
from tf_style.objective.region_targets import Controls


class Pictures(NamedTuple):
    """The pictures of a run, float32 `[1, H, W, 3]`, RGB.

    Attributes:
        content: 0..1, of the result's size.
        styles: 0..1, each of its own size.
        start: nominally 0..1, of the result's size.
        controls: blends, masks and maps, of the pictures' sizes.
    """

    content: tf.Tensor
    styles: tuple[tf.Tensor, ...]
    start: tf.Tensor
    controls: Controls = Controls()


def pictures_of(inputs: Inputs) -> Pictures:
    """Returns the pictures of a run, with their controls, as tensors."""
    regions, controls = inputs.painted_regions, Controls()
    if regions is not None:
        controls = Controls(
            blend=tf.constant(regions.blend),
            strengths=tf.constant(regions.strengths),
            content_masks=tf.constant(regions.content),
            style_masks=tuple(map(tf.constant, regions.styles)),
            touched=None if inputs.touched is None else tf.constant(inputs.touched),
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


def at_size(pictures: Pictures, size: Size, style_sizes: Sequence[Size]) -> Pictures:
    """Returns the pictures at the size of a stage; each style has a size of its own."""
    controls = pictures.controls

    def clipped(image: tf.Tensor, size: Size) -> tf.Tensor:
        return tf.clip_by_value(resize(image, size), 0.0, 1.0)

    def mask(image: tf.Tensor | None) -> tf.Tensor | None:
        return None if image is None else clipped(image, size)

    gains = controls.content_map
    content, start = resize_all((pictures.content, pictures.start), size)
    return Pictures(
        tf.clip_by_value(content, 0.0, 1.0),
        tuple(map(clipped, pictures.styles, style_sizes)),
        start,
        controls._replace(
            content_masks=mask(controls.content_masks),
            style_masks=tuple(map(clipped, controls.style_masks, style_sizes)),
            touched=mask(controls.touched),
            content_map=None if gains is None else tf.maximum(resize(gains, size), 0.0),
        ),
    )


def at_scale(pictures: Pictures, scale: float, *, smallest_side: int = 1) -> Pictures:
    """Returns the pictures at the size of a stage; their sizes must be known.

    Args:
        pictures: of the result's size.
        scale: of the stage, relative to the result's size.
        smallest_side: px; style pictures are not made smaller than this.
    """
    size, *style_sizes = (
        tuple(picture.shape[1:3]) for picture in (pictures.content, *pictures.styles)
    )
    style_scales = (max(scale, min(1.0, smallest_side / min(each))) for each in style_sizes)
    return at_size(
        pictures,
        schedule.scaled_size(size, scale),
        [schedule.scaled_size(*pair) for pair in zip(style_sizes, style_scales, strict=True)],
    )
