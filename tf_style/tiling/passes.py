"""The forward and the backward pass of a picture through the tiles of each segment.

Takes the picture and functions from a tile's place to its arguments, gives what is extracted from
each tile and then the gradient with respect to the picture. Maps are NumPy arrays in the host's
memory or in files. Tiles are spread over the devices, one at a time on each. Their results are
taken in the order of the tiles, so the sums do not depend on which tile is finished first.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tf_style.tiling.device_queue import spread
from tf_style.tiling.maps import Map, Maps
from tf_style.tiling.segment_graphs import Forward, SegmentGraphs, packed
from tf_style.tiling.tiles import Segment, Span, Tile, tiles_of


class TiledSegment(NamedTuple):
    """A segment with its graphs and the size of its tiles.

    Attributes:
        segment: the layers.
        graphs: compute a tile.
        side: longest side of a tile without its margin, units of the segment's first map.
    """

    segment: Segment
    graphs: SegmentGraphs
    side: int

    def tiles(self, size: tuple[int, int]) -> list[Tile]:
        """Returns the tiles of a map of height and width `size`, units."""
        return tiles_of(size, self.side, self.segment)


class Place(NamedTuple):
    """The position of a tile.

    Attributes:
        segment: the segment that the tile belongs to.
        size: height and width of the segment's first map, units.
        own: rows and columns that the tile owns in this map.
    """

    segment: Segment
    size: tuple[int, int]
    own: tuple[Span, Span]

    def at(self, layer: str) -> tuple[slice, ...]:
        """Returns the slices of the tile's own units in the map of a layer's output."""
        return _slices(self.spans(layer))

    def spans(self, layer: str) -> list[Span]:
        """Returns rows and columns of the tile's own units in the map of a layer's output."""
        return [span.at(self.segment.stride_of(layer)) for span in self.own]

    def size_of(self, layer: str) -> tuple[int, int]:
        """Returns height and width of a layer's output, units."""
        stride = self.segment.stride_of(layer)
        height, width = self.size
        return height // stride, width // stride

    def share(self, layer: str) -> float:
        """Returns the fraction of a layer's units that the tile owns, 0..1."""
        height, width = self.size_of(layer)
        rows, columns = self.spans(layer)
        return rows.length * columns.length / (height * width)


class SegmentRecord(NamedTuple):
    """What the forward pass through a segment leaves for the backward pass.

    Attributes:
        inputs: `[1, h, w, c]`, the segment's first map.
        gates: the `packed` gates of the whole map, by layer name.
        stored: `[1, h, w, c]`, units that enter the losses, by layer name.
    """

    inputs: Map
    gates: dict[str, Map]
    stored: dict[str, Map]


class ForwardRecord(NamedTuple):
    """What the forward pass leaves for the backward pass.

    Attributes:
        segments: of each segment, in order; empty if the pass was not traced.
    """

    segments: list[SegmentRecord]


def run_forward(
    tiled_segments: Sequence[TiledSegment],
    image: np.ndarray,
    extra_of: Callable[[Place], Any],
    take: Callable[[Place, Any], None],
    devices: Sequence[str],
    *,
    maps: Maps,
    is_traced: bool = False,
) -> ForwardRecord:
    """Runs the forward pass through all tiles of all segments.

    Args:
        tiled_segments: the segments of the network, up to the deepest layer in use.
        image: float32 `[1, H, W, 3]`, RGB, nominally 0..1.
        extra_of: gives the arrays that are passed to `extract` for a tile.
        take: called for each tile, in order, with what was extracted from it.
        devices: names of the devices that compute tiles.
        maps: creates the maps between segments.
        is_traced: whether to record what `run_backward` needs.
    """
    tiles = Pass(extra_of, devices, maps)
    records = []
    inputs: Map | None = Map(image)
    for tiled in tiled_segments:
        assert inputs is not None  # noqa: S101  Each segment but the last stores a map.
        record = SegmentRecord(inputs, {}, {})
        outputs = tiles.forward(tiled, record, take, is_traced=is_traced)
        if is_traced:
            records.append(record)
        else:
            maps.give_back(inputs)
        inputs = outputs
    return ForwardRecord(records)


def run_backward(
    tiled_segments: Sequence[TiledSegment],
    record: ForwardRecord,
    extra_of: Callable[[Place], Any],
    slopes_of: Callable[[Place], Any],
    devices: Sequence[str],
    *,
    maps: Maps,
) -> np.ndarray:
    """Returns the gradient with respect to the image, float32 `[1, H, W, 3]`; empties the record.

    Args:
        tiled_segments: as for `run_forward`.
        record: what `run_forward` returned, traced.
        extra_of: as for `run_forward`.
        slopes_of: gives the gradient at what was extracted from a tile.
        devices: names of the devices that compute tiles.
        maps: creates the maps of gradients, except for the image's.
    """
    tiles = Pass(extra_of, devices, maps)
    gradient: Map | None = None
    while record.segments:
        segment = record.segments.pop()
        upstream = gradient
        # The caller keeps the image's gradient, so its memory must not be reused.
        space = maps if record.segments else Maps()
        gradient = space.take(segment.inputs.array.shape, segment.inputs.array.dtype)
        tiled = tiled_segments[len(record.segments)]
        tiles.backward(tiled, segment, upstream, gradient, slopes_of)
        maps.give_back(segment.inputs, *segment.gates.values(), *segment.stored.values())
        if upstream is not None:
            maps.give_back(upstream)
    assert gradient is not None  # noqa: S101  There is at least one segment.
    return gradient.array


@dataclasses.dataclass(frozen=True)
class Pass:
    """A pass through a picture: what is the same for all its segments and tiles.

    Attributes:
        extra_of: gives the arrays that are passed to `extract` for a tile.
        devices: names of the devices that compute tiles.
        maps: creates the maps.
    """

    extra_of: Callable[[Place], Any]
    devices: Sequence[str]
    maps: Maps

    def forward(
        self,
        tiled: TiledSegment,
        record: SegmentRecord,
        take: Callable[[Place, Any], None],
        *,
        is_traced: bool,
    ) -> Map | None:
        """Computes a segment tile by tile, from the inputs in its record.

        If traced, adds to the record. Returns the next segment's first map; None after the last.
        """
        segment, inputs = tiled.segment, record.inputs
        size = inputs.array.shape[1:3]
        outputs: dict[str, Map] = {}

        def load(tile: Tile) -> tuple:
            extra = _tensors(self.extra_of(Place(segment, size, tile.own)))
            return _part(inputs, tile.seen), tile.own_in_seen, extra

        def put(to: dict[str, Map], name: str, tile: Tile, part: np.ndarray, stride: int) -> None:
            if name not in to:
                sides = (side // stride for side in size)
                to[name] = self.maps.take((1, *sides, part.shape[-1]), part.dtype)
            to[name].write(_slices([span.at(stride) for span in tile.own]), part)

        tiles = tiled.tiles(size)
        parts: Iterator[Forward] = spread(load, tiled.graphs.forward, tiles, self.devices)
        for tile, done in zip(tiles, parts, strict=True):
            take(Place(segment, size, tile.own), done.found)
            if is_traced:
                for name, part in done.gates.items():
                    stride = segment.gate_stride_of(name)
                    own = _slices([span.at(stride) for span in tile.own_in_seen])
                    put(record.gates, name, tile, packed(np.asarray(part)[own]), stride)
                for name, part in done.stored.items():
                    put(record.stored, name, tile, np.asarray(part), segment.stride_of(name))
            for part in done.outputs:
                put(outputs, "next", tile, np.asarray(part), segment.grain)
            self.maps.rest()
        return outputs.get("next")

    def backward(
        self,
        tiled: TiledSegment,
        record: SegmentRecord,
        upstream: Map | None,
        gradient: Map,
        slopes_of: Callable[[Place], Any],
    ) -> None:
        """Overwrites `gradient` with the gradient at a segment's inputs, tile by tile.

        `upstream` is the gradient at the next segment's inputs, or None for the last segment.
        """
        segment = tiled.segment
        size = record.inputs.array.shape[1:3]

        def load(tile: Tile) -> tuple:
            place = Place(segment, size, tile.own)
            above: tuple[tf.Tensor, ...] = ()
            if upstream is not None:
                above = (_part(upstream, [span.at(segment.grain) for span in tile.own]),)
            gates = {
                name: _part(each, [span.at(segment.gate_stride_of(name)) for span in tile.seen])
                for name, each in record.gates.items()
            }
            return (
                _part(record.inputs, tile.seen),
                tile.own_in_seen,
                _tensors(self.extra_of(place)),
                slopes_of(place),
                gates,
                {name: _part(each, place.spans(name)) for name, each in record.stored.items()},
                above,
            )

        tiles = tiled.tiles(size)
        parts: Iterator[tf.Tensor] = spread(load, tiled.graphs.backward, tiles, self.devices)
        for tile, part in zip(tiles, parts, strict=True):
            # Margins overlap: add what the tiles above and to the left have already written.
            total, before = np.array(part), gradient.array[_slices(tile.seen)]
            row, column = tile.first_in_seen
            total[:, :row] += before[:, :row]
            total[:, row:, :column] += before[:, row:, :column]
            gradient.write(_slices(tile.seen), total)
            self.maps.rest()


def _part(whole: Map, spans: Sequence[Span]) -> tf.Tensor:
    """Returns a part of a map as a tensor, which may share the map's memory."""
    rows, columns = spans
    if not columns.begin:  # The first tile of a row: all tiles of the row need these rows.
        whole.expect(rows.slice)
    if not whole.is_shareable:
        return tf.constant(whole.array[_slices(spans)])
    with tf.device("CPU:0"):
        return shared(whole)[_slices(spans)]


def shared(whole: Map) -> tf.Tensor:
    """Returns a shareable map as a tensor that shares its memory and keeps it alive."""
    with tf.device("CPU:0"):
        return tf.experimental.dlpack.from_dlpack(whole.array.__dlpack__())


def _tensors(nest: Any) -> Any:
    """Returns a nest of arrays as tensors, made while another tile is computed."""
    return tf.nest.map_structure(tf.convert_to_tensor, nest)


def _slices(spans: Sequence[Span]) -> tuple[slice, ...]:
    """Returns the slices of rows and columns in an array `[1, h, w, c]`."""
    return slice(None), *(span.slice for span in spans)
