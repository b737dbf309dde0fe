"""The two passes through a picture's tiles: forth from segment to segment, and back.

Maps lie in the host's memory as NumPy arrays. Tiles are spread over the devices, one on each at
a time, and what they give is taken in the tiles' order: the result does not depend on which is
done first.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tf_style.tiling.device_queue import spread
from tf_style.tiling.maps import Map, Maps
from tf_style.tiling.segment_graphs import Forward, SegmentGraphs, packed
from tf_style.tiling.tiles import Segment, Span, Tile, tiles_of


class Stretch(NamedTuple):
    """A segment, its graphs, and how large its tiles are.

    Attributes:
        segment: which layers.
        graphs: what is computed of a tile.
        side: the longest of a tile without its margin, units of the segment's first map.
    """

    segment: Segment
    graphs: SegmentGraphs
    side: int

    def tiles(self, size: tuple[int, int]) -> list[Tile]:
        """Returns the tiles of a map of this size."""
        return tiles_of(size, self.side, self.segment)


class Place(NamedTuple):
    """Where a tile lies.

    Attributes:
        segment: whose tile it is.
        size: height and width of the segment's first map, units.
        own: rows and columns that the tile owns there.
    """

    segment: Segment
    size: tuple[int, int]
    own: tuple[Span, Span]

    def at(self, layer: str) -> tuple[slice, ...]:
        """Returns the place of its own units in a map of a layer's output."""
        return _slices(self.spans(layer))

    def spans(self, layer: str) -> list[Span]:
        """Returns rows and columns of its own units in a map of a layer's output."""
        return [span.at(self.segment.stride_of(layer)) for span in self.own]

    def size_of(self, layer: str) -> tuple[int, int]:
        """Returns height and width of a layer's output, units."""
        stride = self.segment.stride_of(layer)
        height, width = self.size
        return height // stride, width // stride

    def share(self, layer: str) -> float:
        """Returns the share of a layer's units that it owns."""
        height, width = self.size_of(layer)
        rows, columns = self.spans(layer)
        return rows.length * columns.length / (height * width)


class Mark(NamedTuple):
    """What going forth through a segment leaves besides its first map.

    Attributes:
        gates: `packed` ones of the whole, by layer name.
        stored: `[1, h, w, c]`, units that losses look at, by layer name.
    """

    gates: dict[str, Map]
    stored: dict[str, Map]


class Trail(NamedTuple):
    """What going forth leaves for going back.

    Attributes:
        maps: `[1, h, w, c]`, each segment's first.
        marks: of each segment.
    """

    maps: list[Map]
    marks: list[Mark]


def forth(
    stretches: Sequence[Stretch],
    image: np.ndarray,
    extra_of: Callable[[Place], Any],
    take: Callable[[Place, Any], None],
    devices: Sequence[str],
    *,
    maps: Maps,
    is_traced: bool = False,
) -> Trail:
    """Goes forth through all tiles.

    Args:
        stretches: all of the network that is used.
        image: float32 `[1, H, W, 3]`, RGB, nominally 0..1.
        extra_of: to a tile's place what its graphs are handed: arrays.
        take: called for each tile, in order, with what was extracted of it.
        devices: on which tiles are computed.
        maps: where features are kept.
        is_traced: whether to leave what `back` needs.
    """
    trail = Trail([Map(image)], [])
    for stretch in stretches:
        inputs, mark = trail.maps[-1], Mark({}, {})
        outputs = _through(
            stretch, inputs, mark if is_traced else None, extra_of, take, devices, maps=maps
        )
        trail.marks.append(mark)
        if not is_traced:
            maps.give_back(trail.maps.pop())
        trail.maps.extend(outputs)
    return trail


def _through(
    stretch: Stretch,
    inputs: Map,
    mark: Mark | None,
    extra_of: Callable[[Place], Any],
    take: Callable[[Place, Any], None],
    devices: Sequence[str],
    *,
    maps: Maps,
) -> Iterable[Map]:
    """Goes through a segment's tiles, leaves a mark; returns the next map, if one is kept."""
    segment = stretch.segment
    size = inputs.array.shape[1:3]
    outputs: dict[str, Map] = {}

    def load(tile: Tile) -> tuple:
        extra = _tensors(extra_of(Place(segment, size, tile.own)))
        return _part(inputs, tile.seen), tile.own_in_seen, extra

    def keep(kept: dict[str, Map], name: str, tile: Tile, part: np.ndarray, stride: int) -> None:
        if name not in kept:
            sides = (side // stride for side in size)
            kept[name] = maps.take((1, *sides, part.shape[-1]), part.dtype)
        kept[name].write(_slices([span.at(stride) for span in tile.own]), part)

    tiles = stretch.tiles(size)
    parts: Iterator[Forward] = spread(load, stretch.graphs.forward, tiles, devices)
    for tile, done in zip(tiles, parts, strict=True):
        take(Place(segment, size, tile.own), done.found)
        if mark is not None:
            for name, part in done.gates.items():
                stride = segment.gate_stride_of(name)
                own = _slices([span.at(stride) for span in tile.own_in_seen])
                keep(mark.gates, name, tile, packed(np.asarray(part)[own]), stride)
            for name, part in done.stored.items():
                keep(mark.stored, name, tile, np.asarray(part), segment.stride_of(name))
        for part in done.outputs:
            keep(outputs, "next", tile, np.asarray(part), segment.grain)
        maps.rest()
    return outputs.values()


def back(
    stretches: Sequence[Stretch],
    trail: Trail,
    extra_of: Callable[[Place], Any],
    slopes_of: Callable[[Place], Any],
    devices: Sequence[str],
    *,
    maps: Maps,
) -> np.ndarray:
    """Returns the gradient by the image, float32 `[1, H, W, 3]`; uses the trail up.

    Args:
        stretches: as for `forth`.
        trail: what it left.
        extra_of: as for `forth`.
        slopes_of: to a tile's place the gradient by what was extracted of it.
        devices: on which tiles are computed.
        maps: where gradients are kept, but for the image's.
    """
    gradient: Map | None = None
    while trail.maps:
        inputs, mark = trail.maps.pop(), trail.marks.pop()
        upstream = gradient
        space = maps if trail.maps else Maps()  # The image's is not to be used again.
        gradient = space.take(inputs.array.shape, inputs.array.dtype)
        _back_through(
            stretches[len(trail.maps)],
            inputs,
            mark,
            upstream,
            gradient,
            extra_of,
            slopes_of,
            devices,
            maps=maps,
        )
        maps.give_back(inputs, *mark.gates.values(), *mark.stored.values())
        if upstream is not None:
            maps.give_back(upstream)
    assert gradient is not None  # noqa: S101  There is at least one segment.
    return gradient.array


def _back_through(
    stretch: Stretch,
    inputs: Map,
    mark: Mark,
    upstream: Map | None,
    gradient: Map,
    extra_of: Callable[[Place], Any],
    slopes_of: Callable[[Place], Any],
    devices: Sequence[str],
    *,
    maps: Maps,
) -> None:
    """Writes the gradient by a segment's first map, given that by the next, if there is one."""
    segment = stretch.segment
    size = inputs.array.shape[1:3]

    def load(tile: Tile) -> tuple:
        place = Place(segment, size, tile.own)
        above: tuple[tf.Tensor, ...] = ()
        if upstream is not None:
            above = (_part(upstream, [span.at(segment.grain) for span in tile.own]),)
        gates = {
            name: _part(each, [span.at(segment.gate_stride_of(name)) for span in tile.seen])
            for name, each in mark.gates.items()
        }
        return (
            _part(inputs, tile.seen),
            tile.own_in_seen,
            _tensors(extra_of(place)),
            slopes_of(place),
            gates,
            {name: _part(each, place.spans(name)) for name, each in mark.stored.items()},
            above,
        )

    tiles = stretch.tiles(size)
    parts: Iterator[tf.Tensor] = spread(load, stretch.graphs.backward, tiles, devices)
    for tile, part in zip(tiles, parts, strict=True):
        total, before = np.array(part), gradient.array[_slices(tile.seen)]
        row, column = tile.first_in_seen
        total[:, :row] += before[:, :row]
        total[:, row:, :column] += before[:, row:, :column]
        gradient.write(_slices(tile.seen), total)
        maps.rest()


def _part(whole: Map, spans: Sequence[Span]) -> tf.Tensor:
    """Returns a part of a map; it may share the map's memory."""
    rows, columns = spans
    if not columns.begin:  # The first of a row of tiles: those after it need these rows, too.
        whole.expect(rows.slice)
    if not whole.is_shareable:
        return tf.constant(whole.array[_slices(spans)])
    with tf.device("CPU:0"):
        return shared(whole)[_slices(spans)]


def shared(whole: Map) -> tf.Tensor:
    """Returns a shareable map as a tensor in the same memory, which lives as long."""
    with tf.device("CPU:0"):
        return tf.experimental.dlpack.from_dlpack(whole.array.__dlpack__())


def _tensors(nest: Any) -> Any:
    """Returns arrays as tensors: made while another tile is computed."""
    return tf.nest.map_structure(tf.convert_to_tensor, nest)


def _slices(spans: Sequence[Span]) -> tuple[slice, ...]:
    return slice(None), *(span.slice for span in spans)
