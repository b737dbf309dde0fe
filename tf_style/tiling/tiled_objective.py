"""The objective evaluated tile by tile: the same loss and gradient as of the whole image.

A first pass adds up what the losses measure of each tile's own units. What the losses make of the
sums gives their slopes, and a second pass sends these back.
"""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tf_style.objective.objective import Objective
from tf_style.objective.targets import EDGES, Guides, Targets, blended_targets, style_statistics
from tf_style.objective.terms import (
    LossTerms,
    LossWeights,
    Measured,
    compared,
    measured,
    weights_of,
)
from tf_style.tiling.maps import Map, Maps
from tf_style.tiling.parts import (
    add,
    arrays,
    by_share,
    complete,
    devices,
    floats,
    own,
    own_targets,
    without_positions,
)
from tf_style.tiling.passes import Place, Stretch, Trail, back, forth, shared
from tf_style.tiling.segment_graphs import Extract, Features, SegmentGraphs
from tf_style.tiling.strips import Strips
from tf_style.tiling.tiles import Tiling, segments

_ONE_AT_A_TIME = threading.RLock()


class TiledObjective(Objective):
    """`Objective` for images whose features do not fit into memory at once.

    Equal to it but for rounding. In the place of all features it keeps the maps between
    segments, and a bit for each unit of half the layers.

    Attributes:
        devices: on which tiles are computed: all GPUs, or all CPUs.
    """

    def __init__(self, objective: Objective, tiling: Tiling) -> None:
        """Makes it; graphs are traced when it is used.

        Raises:
            ValueError: if one of the losses is no sum over positions, or sides are missing.
            RuntimeError: if TensorFlow has one thread only.
        """
        super().__init__(objective.extractor, objective.config)
        if self.config.untileable:
            raise ValueError(
                "`objective` must have losses that are sums over positions. Received: "
                f"{', '.join(self.config.untileable)}. Use other losses for large images."
            )
        self.devices = devices()
        self._tiling = tiling
        self._maps: Maps | None = None
        self._content = self._new_maps()
        self._failure: OSError | None = None
        self._strips = Strips(self.config, tiling.strip)
        content = [name for name, _ in self.config.content_layers]
        self._of_image = self._stretches(self._measured, self.config.layers, goes_back=True)
        self._of_style = self._stretches(self._statistics, list(self.config.style_losses))
        self._of_content = self._stretches(lambda features, _: features, content)
        self._compare = tf.function(self._terms_and_slopes, autograph=False)

    @tf.function(autograph=False, reduce_retracing=True)
    def value_and_gradient(
        self, image: tf.Tensor, targets: Targets, *, weights: LossWeights | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the total loss and its gradient by the image; see `Objective`.

        An operation of any graph, which calls back into Python: it cannot be saved.
        """
        arguments = (image, complete(targets), weights or weights_of(self.config))
        given = tf.nest.map_structure(tf.convert_to_tensor, arguments)

        def evaluate(*arrays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            try:
                return self._evaluated(*tf.nest.pack_sequence_as(given, arrays))
            except tf.errors.ResourceExhaustedError as error:
                # Which TensorFlow hands on as what it was, unlike others.
                raise MemoryError(str(error)) from error
            except OSError as error:
                self._failure = error
                raise MemoryError(str(error)) from error

        types = [image.dtype, image.dtype]
        value, gradient = tf.numpy_function(evaluate, tf.nest.flatten(given), types)
        return tf.ensure_shape(value, []), tf.ensure_shape(gradient, image.shape)

    @contextlib.contextmanager
    def keeping_memory(self) -> Iterator[None]:
        """Keeps what evaluations take for the next one, until the end; see `Objective`.

        One thread at a time: each evaluation takes one of TensorFlow's threads, and needs another.

        Raises:
            OSError: if the disk has no room for maps.
        """
        with _ONE_AT_A_TIME:
            self._maps, self._failure = self._new_maps(), None
            try:
                yield
            except tf.errors.ResourceExhaustedError as error:
                if self._failure is None:
                    raise
                raise self._failure from error
            finally:
                self._maps = None

    def terms(
        self, image: tf.Tensor, targets: Targets, *, weights: LossWeights | None = None
    ) -> LossTerms:
        """Returns the loss and its parts; see `Objective`."""
        targets = arrays(complete(targets))
        found, _ = self._measured_of(image.numpy(), targets, maps=self._new_maps(), is_traced=False)
        return self._compared(found, targets, weights or weights_of(self.config))[0]

    def targets(self, content: tf.Tensor, style: tf.Tensor) -> Targets:
        """Returns what an image must match; see `Objective`."""
        kept = self.style_statistics(style)
        return Targets(self.content_targets(content), blended_targets(self.config, kept, [1.0]))

    def content_targets(self, content: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns what is kept of a content picture; see `Objective`."""
        kept: dict[str, Map] = {}

        def take(place: Place, found: Features) -> None:
            for name, part in found.items():
                if name not in kept:
                    shape = 1, *place.size_of(name), part.shape[-1]
                    kept[name] = self._content.take(shape, np.dtype(np.float32))
                kept[name].write(place.at(name), part.numpy())

        image = content.numpy()
        forth(self._of_content, image, lambda _: (), take, self.devices, maps=self._new_maps())
        targets = {name: shared(each) for name, each in kept.items()}
        if self.config.edge_weight:
            targets[EDGES] = tf.constant(self._strips.laplacian(image))
        return targets

    def style_statistics(
        self, style: tf.Tensor, *, guides: Sequence[Guides] = ({},)
    ) -> list[dict[str, Any]]:
        """Returns what is kept of a style picture; see `Objective`."""
        maps = arrays(tuple(guides))
        totals: tuple[dict[str, Any], ...] = tuple({} for _ in guides)

        def extra_of(place: Place) -> tuple[Guides, ...]:
            return tuple(own(each, place) for each in maps)

        def take(place: Place, found: tuple[dict[str, Any], ...]) -> None:
            for total, part in zip(totals, found, strict=True):
                add(total, by_share(part, place))

        forth(self._of_style, style.numpy(), extra_of, take, self.devices, maps=self._new_maps())
        return [tf.nest.map_structure(tf.constant, floats(total)) for total in totals]

    def _stretches(
        self, extract: Extract, layers: Sequence[str], *, goes_back: bool = False
    ) -> list[Stretch]:
        parts = segments(layers, self._tiling.kept)
        if len(parts) > len(self._tiling.sides):
            raise ValueError(
                f"`tiling.sides` must be {len(parts)} at least, one for each segment. Received: "
                f"{self._tiling.sides}."
            )
        asked, last = frozenset(layers), parts[-1]
        return [
            Stretch(
                segment,
                SegmentGraphs(
                    self.extractor,
                    segment,
                    extract,
                    asked,
                    is_last=segment is last,
                    goes_back=goes_back,
                ),
                side // segment.stride,
            )
            for segment, side in zip(parts, self._tiling.sides, strict=False)
        ]

    def _measured(self, features: Features, targets: Targets) -> Measured:
        return measured(self.config, features, targets)

    def _statistics(self, features: Features, guides: tuple[Guides, ...]) -> tuple:
        return tuple(style_statistics(self.config, features, guides=each) for each in guides)

    def _compared(
        self, found: Measured, targets: Targets, weights: LossWeights
    ) -> tuple[LossTerms, Measured]:
        """Returns the loss, and its gradient by what was measured; in float64, which costs little.

        Variances as differences of means would lose digits that the sums have.
        """
        arguments = (found, without_positions(targets), weights)
        in_float64 = tf.nest.map_structure(lambda each: tf.cast(each, tf.float64), arguments)
        terms, slopes = self._compare(*in_float64)
        terms = tf.nest.map_structure(lambda term: tf.cast(term, tf.float32), terms)
        return terms, arrays(slopes)

    def _terms_and_slopes(
        self, found: Measured, targets: Targets, weights: LossWeights
    ) -> tuple[LossTerms, Measured]:
        parts = tf.nest.flatten(found)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(parts)
            zero = tf.zeros([], tf.float64)
            terms = compared(self.config, found, targets, weights=weights, zero=zero)
        slopes = tape.gradient(
            terms.total, parts, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        return terms, tf.nest.pack_sequence_as(found, slopes)

    def _new_maps(self) -> Maps:
        return Maps(on_disk=self._tiling.on_disk)

    def _evaluated(
        self, image: np.ndarray, targets: Targets, weights: LossWeights
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns the loss and its gradient by the image."""
        maps = self._maps or self._new_maps()
        found, trail = self._measured_of(image, targets, maps=maps, is_traced=True)
        terms, slopes = self._compared(found, targets, weights)

        def slopes_of(place: Place) -> Measured:
            content, *regions = (
                {name: each[name] for name in place.segment.layers if name in each}
                for each in (slopes.content, *slopes.style)
            )
            return floats(self._shares(Measured(content, tuple(regions)), place))

        gradient = back(
            self._of_image,
            trail,
            own_targets(targets, self._content),
            slopes_of,
            self.devices,
            maps=maps,
        )
        edges = {name: slopes.content[name] for name in slopes.content if name == EDGES}
        of_image = floats(Measured(edges, (), slopes.variation))
        self._strips.back(image, targets, of_image, gradient)
        return terms.total.numpy(), gradient

    def _measured_of(
        self, image: np.ndarray, targets: Targets, *, maps: Maps, is_traced: bool
    ) -> tuple[Measured, Trail]:
        """Returns what is measured of the image, and the way back."""
        of_image = self._strips.forth(image, targets)
        content = of_image.content
        regions: tuple[dict[str, Any], ...] = ({}, *({} for _ in targets.regions))

        def take(place: Place, found: Measured) -> None:
            shares = self._shares(found, place)
            for total, part in zip(
                (content, *regions), (shares.content, *shares.style), strict=True
            ):
                add(total, part)

        trail = forth(
            self._of_image,
            image,
            own_targets(targets, self._content),
            take,
            self.devices,
            maps=maps,
            is_traced=is_traced,
        )
        return Measured(content, regions, of_image.variation), trail

    def _shares(self, found: Measured, place: Place) -> Measured:
        """Returns what is measured of a tile as its share in the whole image's."""
        content = found.content
        if self.config.content_reduction != "sum":
            content = by_share(content, place)
        return Measured(content, tuple(by_share(each, place) for each in found.style))
