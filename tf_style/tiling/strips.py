"""The terms of the loss that look at the image itself, measured in strips of rows."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_style.config.loss import LossConfig
from tf_style.graphs.tracing import for_all_sizes
from tf_style.objective.targets import Targets
from tf_style.objective.terms import TERMS, Measures, Rows, image_targets, measured_rows
from tf_style.tiling.tiles import Span, spans

_CONTEXT = 8  # Rows that a strip sees above and below its own, at least.


class Strip(NamedTuple):
    """Rows of an image.

    Attributes:
        own: the rows that are measured.
        seen: the same with the rows around them.
    """

    own: Span
    seen: Span

    @property
    def own_in_seen(self) -> Span:
        """Its own rows, counted from the first row that it sees."""
        return self.own.less(self.seen.begin)


class Strips:
    """Measures of an image, strip by strip, and their gradient with respect to the image."""

    def __init__(self, config: LossConfig, num_rows: int) -> None:
        """Makes the graphs, which are traced when they are used.

        Args:
            config: losses.
            num_rows: largest number of a strip's own rows.
        """
        self._config, self._num_rows = config, num_rows
        self._context = max(_CONTEXT, *(term.reach for term in TERMS.values()))
        self._measure_strip = for_all_sizes(self._measured)
        self._gradient_of_strip = for_all_sizes(self._gradient)

    def measured(self, image: np.ndarray, targets: Targets) -> Measures:
        """Returns the measures of an image, float64.

        Args:
            image: float32 `[1, H, W, 3]`, RGB, nominally 0..1.
            targets: of the whole image, as arrays.
        """
        parts = [
            tf.nest.map_structure(
                np.float64, self._measure_strip(*self._arguments(strip, image, targets))
            )
            for strip in self._strips(image)
        ]
        return tf.nest.map_structure(lambda *values: sum(values), *parts)

    def add_gradient(
        self, image: np.ndarray, targets: Targets, slopes: Measures, gradient: np.ndarray
    ) -> None:
        """Adds the gradient with respect to the image to `gradient`.

        Args:
            image: as for `measured`.
            targets: as for `measured`.
            slopes: gradient of the loss with respect to the measures.
            gradient: float32 `[1, H, W, 3]`, changed in place.
        """
        for strip in self._strips(image):
            part = self._gradient_of_strip(*self._arguments(strip, image, targets), slopes)
            gradient[:, strip.seen.slice] += part.numpy()

    def image_targets(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """Returns `terms.image_targets` of an image, float32 `[1, H, W, 3]` by name."""
        targets = {}
        for name, of_image in image_targets(self._config).items():
            targets[name] = np.empty_like(image)
            for strip in self._strips(image):
                part = of_image(tf.constant(image[:, strip.seen.slice]))
                targets[name][:, strip.own.slice] = part.numpy()[:, strip.own_in_seen.slice]
        return targets

    def _strips(self, image: np.ndarray) -> Iterator[Strip]:
        height = image.shape[1]
        # Narrower strips would not hold the mirrored rows that the Laplacian needs.
        for own in spans(height, max(self._num_rows, 2 * self._context)):
            yield Strip(own, own.wider(self._context, height))

    def _arguments(self, strip: Strip, image: np.ndarray, targets: Targets) -> tuple[Rows, Targets]:
        """Returns what a strip's graphs take: its rows, and the targets of its own rows."""

        def own_rows(maps: dict[str, np.ndarray] | tuple[()]) -> dict[str, np.ndarray]:
            names = image_targets(self._config)
            return {
                name: each[:, strip.own.slice] for name, each in dict(maps).items() if name in names
            }

        rows = Rows(image[:, strip.seen.slice], *strip.own_in_seen, image.shape[1])
        guides = own_rows(targets.content_guides)
        return rows, Targets(own_rows(targets.content), {}, content_guides=guides)

    def _measured(self, rows: Rows, targets: Targets) -> Measures:
        return measured_rows(self._config, rows, targets)

    def _gradient(self, rows: Rows, targets: Targets, slopes: Measures) -> tf.Tensor:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(rows.image)
            measures = tf.nest.flatten(self._measured(rows, targets))
        return tape.gradient(measures, rows.image, output_gradients=tf.nest.flatten(slopes))
