"""The two passes through a picture's tiles: forth from segment to segment, and back.

Maps lie in the host's memory as NumPy arrays. Tiles are spread over the devices, one on each at
a time, and what they give is taken in the tiles' order: the result does not depend on which is
done first.
"""

import collections
import concurrent.futures
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
import tensorflow as tf

from tf_style.maps import Map, new_map
from tf_style.segment_graphs import Forward, SegmentGraphs
from tf_style.tiles import Segment, Span, Tile, tiles_of

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


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
        stride = self.segment.stride_of(layer)
        return _slices([span.at(stride) for span in self.own])

    def size_of(self, layer: str) -> tuple[int, int]:
        """Returns height and width of a layer's output, units."""
        stride = self.segment.stride_of(layer)
        height, width = self.size
        return height // stride, width // stride

    def share(self, layer: str) -> float:
        """Returns the share of a layer's units that it owns."""
        height, width = self.size_of(layer)
        rows, columns = (span.at(self.segment.stride_of(layer)) for span in self.own)
        return rows.length * columns.length / (height * width)


class Packed(NamedTuple):
    """Booleans, eight to a byte.

    Attributes:
        bits: uint8.
        shape: of the booleans.
    """

    bits: np.ndarray
    shape: tuple[int, ...]


class Mark(NamedTuple):
    """What going forth leaves in a tile.

    Attributes:
        gates: which units passed.
        stored: its own units by layer name.
    """

    gates: tuple[Packed, ...]
    stored: dict[str, Map]


class Trail(NamedTuple):
    """What going forth leaves for going back.

    Attributes:
        maps: `[1, h, w, c]`, each segment's first.
        marks: of each segment, of each of its tiles.
    """

    maps: list[Map]
    marks: list[list[Mark]]


def forth(
    stretches: Sequence[Stretch],
    image: np.ndarray,
    extra_of: Callable[[Place], Any],
    take: Callable[[Place, Any], None],
    devices: Sequence[str],
    *,
    is_traced: bool = False,
    on_disk: bool = False,
) -> Trail:
    """Goes forth through all tiles.

    Args:
        stretches: all of the network that is used.
        image: float32 `[1, H, W, 3]`, RGB, nominally 0..1.
        extra_of: to a tile's place what its graphs are handed.
        take: called for each tile, in order, with what was extracted of it.
        devices: on which tiles are computed.
        is_traced: whether to keep what `back` needs; else maps are dropped when used.
        on_disk: whether maps are kept in files.
    """
    maps, marks = [Map(image)], []
    for stretch in stretches:
        outputs, of_tiles = _through(
            stretch, maps[-1], extra_of, take, devices, is_traced=is_traced, on_disk=on_disk
        )
        marks.append(of_tiles)
        if outputs is not None:
            maps = [*maps, outputs] if is_traced else [outputs]
    return Trail(maps, marks)


def _through(
    stretch: Stretch,
    inputs: Map,
    extra_of: Callable[[Place], Any],
    take: Callable[[Place, Any], None],
    devices: Sequence[str],
    *,
    is_traced: bool,
    on_disk: bool,
) -> tuple[Map | None, list[Mark]]:
    """Goes through a segment's tiles; returns the next map, if one is kept, and the marks."""
    segment = stretch.segment
    size = inputs.array.shape[1:3]
    outputs, marks = None, []

    def work(tile: Tile) -> Forward:
        part = inputs.array[_slices(tile.seen)]
        extra = extra_of(Place(segment, size, tile.own))
        return stretch.graphs.forward(part, tile.own_in_seen, extra)

    tiles = stretch.tiles(size)
    for tile, done in zip(tiles, _spread(work, tiles, devices), strict=True):
        take(Place(segment, size, tile.own), done.found)
        if is_traced:
            gates = tuple(_packed(gate.numpy()) for gate in done.gates)
            stored = {name: _stored(part.numpy(), on_disk) for name, part in done.stored.items()}
            marks.append(Mark(gates, stored))
        for part in done.outputs:
            if outputs is None:
                sides = (side // segment.grain for side in size)
                outputs = new_map((1, *sides, part.shape[-1]), on_disk=on_disk)
            outputs.array[_slices([span.at(segment.grain) for span in tile.own])] = part
            outputs.rest()
        inputs.rest()
    return outputs, marks


def back(
    stretches: Sequence[Stretch],
    trail: Trail,
    extra_of: Callable[[Place], Any],
    slopes_of: Callable[[Place], Any],
    devices: Sequence[str],
    *,
    on_disk: bool = False,
) -> np.ndarray:
    """Returns the gradient by the image, float32 `[1, H, W, 3]`; uses the trail up.

    Args:
        stretches: as for `forth`.
        trail: what it left.
        extra_of: as for `forth`.
        slopes_of: to a tile's place the gradient by what was extracted of it.
        devices: on which tiles are computed.
        on_disk: whether gradients of maps are kept in files.
    """
    gradient: Any = None
    while trail.maps:
        inputs, marks = trail.maps.pop(), trail.marks.pop()
        stretch = stretches[len(trail.maps)]
        gradient = _back_through(
            stretch,
            inputs,
            marks,
            gradient,
            extra_of,
            slopes_of,
            devices,
            on_disk=on_disk and bool(trail.maps),
        )
    return gradient.array


def _back_through(
    stretch: Stretch,
    inputs: Map,
    marks: list[Mark],
    upstream: Map | None,
    extra_of: Callable[[Place], Any],
    slopes_of: Callable[[Place], Any],
    devices: Sequence[str],
    *,
    on_disk: bool,
) -> Map:
    """Returns the gradient by a segment's first map, given that by the next, if there is one."""
    segment = stretch.segment
    size = inputs.array.shape[1:3]
    gradient = new_map(inputs.array.shape, on_disk=on_disk)

    def work(pair: tuple[Tile, Mark]) -> tf.Tensor:
        tile, mark = pair
        place = Place(segment, size, tile.own)
        above: tuple[np.ndarray, ...] = ()
        if upstream is not None:
            above = (upstream.array[_slices([span.at(segment.grain) for span in tile.own])],)
        return stretch.graphs.backward(
            inputs.array[_slices(tile.seen)],
            tile.own_in_seen,
            extra_of(place),
            slopes_of(place),
            tuple(_unpacked(each) for each in mark.gates),
            {name: each.array for name, each in mark.stored.items()},
            above,
        )

    tiles = stretch.tiles(size)
    parts = _spread(work, zip(tiles, marks, strict=True), devices)
    for tile, mark, part in zip(tiles, marks, parts, strict=True):
        gradient.array[_slices(tile.seen)] += part.numpy()
        for each in (inputs, gradient, upstream, *mark.stored.values()):
            if each is not None:
                each.rest()
    return gradient


def _slices(spans: Sequence[Span]) -> tuple[slice, ...]:
    return slice(None), *(span.slice for span in spans)


def _packed(booleans: np.ndarray) -> Packed:
    return Packed(np.packbits(booleans), booleans.shape)


def _stored(units: np.ndarray, on_disk: bool) -> Map:
    kept = new_map(units.shape, on_disk=on_disk)
    kept.array[:] = units
    kept.rest()
    return kept


def _unpacked(packed: Packed) -> np.ndarray:
    count = int(np.prod(packed.shape))
    return np.unpackbits(packed.bits, count=count).view(bool).reshape(packed.shape)


def _spread(
    work: Callable[[_Item], _Result], items: Iterable[_Item], devices: Sequence[str]
) -> Iterator[_Result]:
    """Yields what the work makes of each item, in order; each device has one at a time."""
    if len(devices) == 1:
        yield from map(work, items)
        return

    def on(device: str, item: _Item) -> _Result:
        with tf.device(device):
            return work(item)

    with concurrent.futures.ThreadPoolExecutor(len(devices)) as pool:
        waiting: collections.deque = collections.deque()
        for index, item in enumerate(items):
            if len(waiting) == len(devices):
                yield waiting.popleft().result()
            waiting.append(pool.submit(on, devices[index % len(devices)], item))
        while waiting:
            yield waiting.popleft().result()
