"""What losses take from the image itself, its edges and its total variation, in strips of rows."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_style.config.loss import LossConfig
from tf_style.graphs.tracing import for_all_sizes
from tf_style.losses import content as content_losses
from tf_style.losses.variation import variation_of_rows
from tf_style.objective.targets import EDGES, Targets, guide_of
from tf_style.objective.terms import Measured
from tf_style.tiling.tiles import Span, spans

_CONTEXT = 8  # Rows beyond its own that a strip sees: the Laplacian reaches 6, variations 1.


class Strip(NamedTuple):
    """Rows of an image.

    Attributes:
        own: those that count.
        seen: with those around.
    """

    own: Span
    seen: Span

    @property
    def own_in_seen(self) -> Span:
        """Its own rows, counted from the first that it sees."""
        return self.own.less(self.seen.begin)


class Strips:
    """Edges and total variation of an image, and their gradient."""

    def __init__(self, config: LossConfig, rows: int) -> None:
        """Makes them.

        Args:
            config: `tv_form`.
            rows: of a strip at most, without those around.
        """
        self._config, self._rows = config, rows
        self._measure = for_all_sizes(self._measured)
        self._send_back = for_all_sizes(self._gradient)

    def forth(self, image: np.ndarray, targets: Targets) -> Measured:
        """Returns what is measured of an image, float64.

        Args:
            image: float32 `[1, H, W, 3]`, RGB, nominally 0..1.
            targets: what its edges are to match, as arrays.
        """
        parts = [
            tf.nest.map_structure(np.float64, self._measure(*_given(strip, image, targets)))
            for strip in self._strips(image)
        ]
        return tf.nest.map_structure(lambda *values: sum(values), *parts)

    def back(
        self, image: np.ndarray, targets: Targets, slopes: Measured, gradient: np.ndarray
    ) -> None:
        """Adds the gradient by the image to another.

        Args:
            image: as for `forth`.
            targets: likewise.
            slopes: the loss's by what was measured.
            gradient: float32 `[1, H, W, 3]`.
        """
        for strip in self._strips(image):
            part = self._send_back(*_given(strip, image, targets), slopes)
            gradient[:, strip.seen.slice] += part.numpy()

    def laplacian(self, image: np.ndarray) -> np.ndarray:
        """Returns `losses.laplacian` of an image, float32 `[1, H, W, 3]`."""
        edges = np.empty_like(image)
        for strip in self._strips(image):
            part = content_losses.laplacian(tf.constant(image[:, strip.seen.slice]))
            edges[:, strip.own.slice] = part.numpy()[:, strip.own_in_seen.slice]
        return edges

    def _strips(self, image: np.ndarray) -> Iterator[Strip]:
        height = image.shape[1]
        # None so narrow that the Laplacian's mirror image would reach beyond it.
        for own in spans(height, max(self._rows, 2 * _CONTEXT)):
            yield Strip(own, own.wider(_CONTEXT, height))

    def _measured(
        self,
        part: tf.Tensor,
        own: Span,
        height: tf.Tensor,
        edges: dict[str, tf.Tensor],
        guides: dict[str, tf.Tensor],
    ) -> Measured:
        content = {}
        rows = slice(own[0], own[1])
        for name, target in edges.items():
            loss = content_losses.mean_content_loss(
                content_losses.laplacian(part)[:, rows], target, guide=guide_of(guides, name)
            )
            content[name] = loss * tf.cast((own[1] - own[0]) / height, loss.dtype)
        variation = variation_of_rows(self._config.tv_form, part, own[0], own[1], height)
        return Measured(content, (), (variation,))

    def _gradient(
        self,
        part: tf.Tensor,
        own: Span,
        height: tf.Tensor,
        edges: dict[str, tf.Tensor],
        guides: dict[str, tf.Tensor],
        slopes: Measured,
    ) -> tf.Tensor:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(part)
            found = self._measured(part, own, height, edges, guides)
        return tape.gradient(tf.nest.flatten(found), part, output_gradients=tf.nest.flatten(slopes))


def _given(strip: Strip, image: np.ndarray, targets: Targets) -> tuple:
    """Returns the arguments of a strip's graphs."""

    def own(maps: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {EDGES: maps[EDGES][:, strip.own.slice]} if EDGES in maps else {}

    part = image[:, strip.seen.slice]
    return (
        part,
        strip.own_in_seen,
        image.shape[1],
        own(targets.content),
        own(targets.content_guides),
    )
