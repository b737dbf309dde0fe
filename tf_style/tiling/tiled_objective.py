"""The objective evaluated tile by tile: the loss and gradient of the whole image.

The forward pass adds up the measures of all tiles. The loss of the sums gives their slopes, which
the backward pass sends through the tiles.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tf_style.graphs.tracing import as_graph
from tf_style.objective.checks import check_single
from tf_style.objective.loss import LossTerms, LossWeights, compared, weights_of
from tf_style.objective.objective import Objective
from tf_style.objective.scales import IMAGE
from tf_style.objective.targets import Guides, Targets, blended_targets, style_statistics
from tf_style.objective.terms import TERMS, Measures, Sample, measured_features
from tf_style.tiling.maps import Map, Maps
from tf_style.tiling.parts import (
    add,
    arrays,
    by_share,
    check_tileable,
    complete,
    devices,
    floats,
    in_segment,
    own,
    own_targets,
    scale_by_rows,
    without_positions,
)
from tf_style.tiling.passes import (
    ForwardRecord,
    Place,
    TiledSegment,
    run_backward,
    run_forward,
    shared,
)
from tf_style.tiling.segment_graphs import Extract, Features, SegmentGraphs
from tf_style.tiling.strips import Strips
from tf_style.tiling.tiles import Tiling, segments

_ONE_AT_A_TIME = threading.RLock()


class TiledObjective(Objective):
    """`Objective` for images whose features do not fit into memory at once.

    Equal to it apart from rounding. Instead of all features it stores the maps between segments,
    and one bit for each unit of half the layers.

    Attributes:
        devices: devices that compute tiles: all GPUs, or all CPUs.
    """

    def __init__(self, objective: Objective, tiling: Tiling) -> None:
        """Makes the objective; its graphs are traced when they are used.

        Args:
            objective: of whole images.
            tiling: segments, and sizes of their tiles.

        Raises:
            ValueError: if a loss is not a sum over positions, or `tiling` lacks sides.
            RuntimeError: if TensorFlow has only one thread.
        """
        super().__init__(objective.extractor, objective.config)
        check_tileable(self.config)
        self.devices = devices()
        self._tiling = tiling
        self._maps: Maps | None = None
        self._content = self._new_maps()
        self._failure: OSError | None = None
        self._strips = Strips(self.config, tiling.strip)
        content = [name for name, _ in self.config.content_layers]
        self._of_image = self._tiled_segments(
            lambda features, targets: measured_features(
                self.config, Sample(None, features), targets
            ),
            self.config.layers,
            has_backward=True,
        )
        self._of_style = self._tiled_segments(
            lambda features, guides: tuple(
                style_statistics(self.config, features, guides=each) for each in guides
            ),
            list(self.config.style_losses),
        )
        self._of_content = self._tiled_segments(lambda features, _: features, content)
        self._compare = tf.function(self._terms_and_slopes, autograph=False)

    @as_graph(autograph=False, reduce_retracing=True)
    def value_and_gradient(
        self,
        image: tf.Tensor,
        targets: Targets,
        *,
        weights: LossWeights | None = None,
        per_sample: bool = False,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns loss and gradient; see `Objective`. Calls Python: no graph of it can be saved."""
        check_single(per_sample)
        arguments = (image, complete(targets), weights or weights_of(self.config))
        nest = tf.nest.map_structure(tf.convert_to_tensor, arguments)

        def evaluate(*arrays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            try:
                return self._evaluated(*tf.nest.pack_sequence_as(nest, arrays))
            except tf.errors.ResourceExhaustedError as error:
                # TensorFlow turns a MemoryError into ResourceExhaustedError again. Others lose
                # their type.
                raise MemoryError(str(error)) from error
            except OSError as error:
                self._failure = error
                raise MemoryError(str(error)) from error

        types = [image.dtype, image.dtype]
        value, gradient = tf.numpy_function(evaluate, tf.nest.flatten(nest), types)
        return tf.ensure_shape(value, []), tf.ensure_shape(gradient, image.shape)

    @contextlib.contextmanager
    def keeping_memory(self) -> Iterator[None]:
        """Keeps the buffers of an evaluation for the next one until the context ends.

        One thread at a time: each evaluation occupies one of TensorFlow's threads and needs
        another.

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
        self,
        image: tf.Tensor,
        targets: Targets,
        *,
        weights: LossWeights | None = None,
        per_sample: bool = False,
    ) -> LossTerms:
        """Returns the loss and its parts; see `Objective`."""
        check_single(per_sample)
        targets = arrays(complete(targets))
        measures, _ = self._measures_of(image.numpy(), targets, maps=self._new_maps())
        return self._compared(measures, targets, weights or weights_of(self.config))[0]

    def targets(self, content: tf.Tensor, style: tf.Tensor) -> Targets:
        """Returns what an image must match; see `Objective`."""
        statistics = self.style_statistics(style)
        content_targets = self.content_targets(content)
        return Targets(
            content_targets,
            blended_targets(self.config, statistics, [1.0]),
            scales=self.scales(content_targets, self.variation_scale(style)),
        )

    def scales(
        self, content_targets: dict[str, tf.Tensor], others: dict[str, tf.Tensor]
    ) -> dict[str, tf.Tensor] | tuple[()]:
        """Returns `Targets.scales`; see `Objective`. Reads maps, which may be on disk, by rows."""
        if not self.config.relative_losses:
            return ()
        found = {
            name: tf.constant([scale_by_rows(self.config, name, target.numpy())], tf.float32)
            for name, target in content_targets.items()
        }
        return {**found, **others}

    def variation_scale(self, style: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the scale of total variation; see `Objective`."""
        if not (self.config.relative_losses and self.config.tv_weight):
            return {}
        measure = self._strips.measured(style.numpy(), Targets({}, {}))["variation"][0][IMAGE]
        return {IMAGE: tf.constant([measure], tf.float32)}

    def content_targets(self, content: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the targets of a content image; see `Objective`."""
        features: dict[str, Map] = {}

        def take(place: Place, found: Features) -> None:
            for name, part in found.items():
                if name not in features:
                    shape = 1, *place.size_of(name), part.shape[-1]
                    features[name] = self._content.take(shape, np.dtype(np.float32))
                features[name].write(place.at(name), part.numpy())

        image = content.numpy()
        self._forward(self._of_content, image, lambda _: (), take)
        of_image = self._strips.image_targets(image)
        return {name: shared(each) for name, each in features.items()} | {
            name: tf.constant(each) for name, each in of_image.items()
        }

    def style_statistics(
        self, style: tf.Tensor, *, guides: Sequence[Guides] = ({},)
    ) -> list[dict[str, Any]]:
        """Returns the statistics of a style picture; see `Objective`."""
        maps = arrays(tuple(guides))
        totals: tuple[dict[str, Any], ...] = tuple({} for _ in guides)

        def extra_of(place: Place) -> tuple[Guides, ...]:
            return tuple(own(each, place) for each in maps)

        def take(place: Place, found: tuple[dict[str, Any], ...]) -> None:
            for total, part in zip(totals, found, strict=True):
                add(total, by_share(part, place))

        self._forward(self._of_style, style.numpy(), extra_of, take)
        return [tf.nest.map_structure(tf.constant, floats(total)) for total in totals]

    def _tiled_segments(
        self, extract: Extract, layers: Sequence[str], *, has_backward: bool = False
    ) -> list[TiledSegment]:
        parts = segments(layers, self._tiling.kept)
        if len(parts) > len(self._tiling.sides):
            raise ValueError(
                f"`tiling.sides` must be {len(parts)} at least, one for each segment. Received: "
                f"{self._tiling.sides}."
            )
        asked, last = frozenset(layers), parts[-1]
        return [
            TiledSegment(
                segment,
                SegmentGraphs(
                    self.extractor,
                    segment,
                    extract,
                    asked,
                    is_last=segment is last,
                    has_backward=has_backward,
                ),
                side // segment.stride,
            )
            for segment, side in zip(parts, self._tiling.sides, strict=False)
        ]

    def _compared(
        self, measures: Measures, targets: Targets, weights: LossWeights
    ) -> tuple[LossTerms, Measures]:
        """Returns the loss, and its gradient with respect to the measures.

        Computed in float64, which costs little: variances as differences of means would lose digits
        that the sums have.
        """
        arguments = (measures, without_positions(targets), weights)
        in_float64 = tf.nest.map_structure(lambda each: tf.cast(each, tf.float64), arguments)
        terms, slopes = self._compare(*in_float64)
        terms = tf.nest.map_structure(lambda term: tf.cast(term, tf.float32), terms)
        return terms, arrays(slopes)

    def _terms_and_slopes(
        self, measures: Measures, targets: Targets, weights: LossWeights
    ) -> tuple[LossTerms, Measures]:
        flat = tf.nest.flatten(measures)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(flat)
            zero = tf.zeros([], tf.float64)
            terms = compared(self.config, measures, targets, weights=weights, zero=zero)
        slopes = tape.gradient(
            terms.total, flat, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        return terms, tf.nest.pack_sequence_as(measures, slopes)

    def _forward(
        self,
        tiled_segments: Sequence[TiledSegment],
        image: np.ndarray,
        extra_of: Callable[[Place], Any],
        take: Callable[[Place, Any], None],
    ) -> None:
        """Runs a forward pass without a backward pass."""
        run_forward(tiled_segments, image, extra_of, take, self.devices, maps=self._new_maps())

    def _new_maps(self) -> Maps:
        return Maps(on_disk=self._tiling.on_disk)

    def _evaluated(
        self, image: np.ndarray, targets: Targets, weights: LossWeights
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns the loss and its gradient with respect to the image."""
        maps = self._maps or self._new_maps()
        measures, record = self._measures_of(image, targets, maps=maps, is_traced=True)
        terms, slopes = self._compared(measures, targets, weights)

        def slopes_of(place: Place) -> Measures:
            here = {
                name: tuple(in_segment(each, place) for each in slopes[name])
                for name, term in TERMS.items()
                if term.measure_rows is None
            }
            return floats(self._shares(here, place))

        gradient = run_backward(
            self._of_image,
            record,
            own_targets(targets, self._content),
            slopes_of,
            self.devices,
            maps=maps,
        )
        of_rows = {name: slopes[name] for name, term in TERMS.items() if term.measure_rows}
        self._strips.add_gradient(image, targets, floats(of_rows), gradient)
        return terms.total.numpy(), gradient

    def _measures_of(
        self, image: np.ndarray, targets: Targets, *, maps: Maps, is_traced: bool = False
    ) -> tuple[Measures, ForwardRecord]:
        """Returns the measures of the image, and what the backward pass needs."""
        measures = self._strips.measured(image, targets)

        def take(place: Place, found: Measures) -> None:
            for name, parts in self._shares(found, place).items():
                totals = measures.setdefault(name, tuple({} for _ in parts))
                for total, part in zip(totals, parts, strict=True):
                    add(total, part)

        record = run_forward(
            self._of_image,
            image,
            own_targets(targets, self._content),
            take,
            self.devices,
            maps=maps,
            is_traced=is_traced,
        )
        return measures, record

    def _shares(self, measures: Measures, place: Place) -> Measures:
        """Returns a tile's contributions to the measures of the whole image."""
        return {
            name: tuple(by_share(each, place) for each in by_layer)
            if TERMS[name].is_mean(self.config)
            else by_layer
            for name, by_layer in measures.items()
        }
