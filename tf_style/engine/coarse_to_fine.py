"""Coarse to fine: the pictures of each stage, started from the image of the stage before."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol, TypeVar

import tensorflow as tf

from tf_style.config.scales import Stage
from tf_style.engine.pictures import Pictures
from tf_style.images.graph_resizing import resize, size_of


class HasImage(Protocol):
    """What the minimization of a stage returns: something with an image."""

    @property
    def image(self) -> tf.Tensor:
        """Float32 `[1, h, w, 3]`, RGB, nominally 0..1."""


R = TypeVar("R", bound=HasImage)


class StageStart(NamedTuple):
    """What a stage starts with.

    Attributes:
        number: of the stage; 0 is the coarsest.
        stage: its scale and steps.
        pictures: of the stage's size; `start` continues the stage before.
    """

    number: int
    stage: Stage
    pictures: Pictures


def coarse_to_fine(
    stages: Sequence[Stage],
    *,
    pictures_at: Callable[[Stage], Pictures],
    minimize: Callable[[StageStart], R],
    first: int = 0,
) -> Iterator[R]:
    """Yields the result of each stage, from the coarsest to the full size.

    Lazy: a stage begins when the next result is asked for. Sizes must be known; inside a graph
    they may not be, see `graph_stages.stylize_in_graph`.

    Args:
        stages: from coarse to fine.
        pictures_at: returns the pictures at the size of a stage, with the resized start.
        minimize: returns the result of a stage.
        first: number of the first stage to run. Above 0 it starts from the start image, so its
            position must be restored.
    """
    image = coarse = None
    for number, stage in enumerate(stages[first:], first):
        pictures = pictures_at(stage)
        start = pictures.start
        if image is not None:
            pictures = pictures._replace(start=_with_detail(image, coarse, start))
        result = minimize(StageStart(number, stage, pictures))
        yield result
        image, coarse = result.image, start


def refined(image: tf.Tensor, start: tf.Tensor, whole: tf.Tensor) -> tf.Tensor:
    """Returns a coarser stage's image at the next size, with the fine detail of the start.

    Enlarged alone it would be blurred, and the detail of the photograph lost.

    Args:
        image: float32 `[1, h, w, 3]`, of the coarser stage.
        start: float32, the start at the next size.
        whole: float32 `[1, H, W, 3]`, the start at the full size.
    """
    return _with_detail(image, resize(whole, size_of(image)), start)


def _with_detail(image: tf.Tensor, coarse: tf.Tensor, start: tf.Tensor) -> tf.Tensor:
    """Returns `refined`, with the start at the image's size in place of the whole."""
    return resize(image - coarse, size_of(start)) + start
