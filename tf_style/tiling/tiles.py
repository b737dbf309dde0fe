"""Divides the network into segments and feature maps into tiles.

A segment is a run of layers between two feature maps that are stored whole: the image, and the
outputs of some poolings. It is computed tile by tile. Each unit of a layer is owned by one tile.
A tile is computed with a margin as wide as the receptive field of its own units within the
segment, so these units have the same values as in the whole map. At the image's borders there is
no margin, and the network pads as usual.

Takes layer names and sizes, gives `Segment`s and `Tile`s. No TensorFlow here.

Differs from tiles with one margin for the whole network. That margin would be 80 px, because units
of conv5_1 see 70 px. Between stored maps a margin of 4 units is enough: tiles of 512 px in the
first block take 7 % more computation, not 72 %. The stored maps take 120 bytes per pixel of the
image, 9 % of the outputs of all layers (docs/notes/tiling.md).
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tf_style import vgg19
from tf_style.network.winograd_matrices import TILE as WINOGRAD_TILE


class Segment(NamedTuple):
    """Consecutive layers, from one stored map to the next.

    Attributes:
        layers: names, in the order of the network.
        stride: px of the image for each unit of the segment's first map.
    """

    layers: tuple[str, ...]
    stride: int

    @property
    def grain(self) -> int:
        """Units of the first map along each side that the poolings reduce to one."""
        return 2 ** sum(layer in vgg19.POOLINGS for layer in self.layers)

    def stride_of(self, layer: str) -> int:
        """Returns the units of the first map for each unit of a layer's output."""
        passed = self.layers[: self.layers.index(layer) + 1]
        return 2 ** sum(each in vgg19.POOLINGS for each in passed)

    def gate_stride_of(self, layer: str) -> int:
        """Returns the units of the first map for each unit of a layer's gate.

        The gate of a convolution is over its outputs, that of a pooling over its inputs.
        """
        return self.stride_of(layer) // (2 if layer in vgg19.POOLINGS else 1)

    @property
    def step(self) -> int:
        """Number of units of the first map of which tiles and margins are multiples.

        The tiles of Winograd's algorithm then lie in a tile as they do in the whole map, and units
        have the same value to the bit. Otherwise rounding could let a unit pass ReLU in one and not
        in the other: one such unit changes the gradient more than all other rounding.
        """
        convolutions = [layer for layer in self.layers if layer in vgg19.CONVOLUTIONS]
        return max(WINOGRAD_TILE * self.stride_of(convolutions[-1]), self.grain)

    @property
    def margin(self) -> int:
        """Units of the first map that a tile sees beyond its own, on each side."""
        seen = 0
        for layer in reversed(self.layers):
            seen = 2 * seen if layer in vgg19.POOLINGS else seen + 1
        return -(-seen // self.step) * self.step


class Span(NamedTuple):
    """A range of rows or columns of a map, in units.

    Attributes:
        begin: the first unit.
        end: the unit after the last.
    """

    begin: int
    end: int

    @property
    def length(self) -> int:
        """Number of units."""
        return self.end - self.begin

    @property
    def slice(self) -> slice:
        """The same range as a slice."""
        return slice(self.begin, self.end)

    def at(self, stride: int) -> "Span":
        """Returns the same range in a map with `stride` times fewer units."""
        return Span(self.begin // stride, self.end // stride)

    def wider(self, margin: int, length: int) -> "Span":
        """Returns the range with a margin on both sides, clipped to `0..length`."""
        return Span(max(self.begin - margin, 0), min(self.end + margin, length))

    def less(self, origin: int) -> "Span":
        """Returns the same range, counted from the unit `origin`."""
        return Span(self.begin - origin, self.end - origin)


class Tile(NamedTuple):
    """A tile of a map, in units.

    Attributes:
        own: rows and columns that it owns.
        seen: rows and columns with its margin.
        first_in_seen: the first row that no tile above it sees, and the first column that the tile
            to its left does not see; counted from the first row and column that this tile sees.
    """

    own: tuple[Span, Span]
    seen: tuple[Span, Span]
    first_in_seen: tuple[int, int]

    @property
    def own_in_seen(self) -> tuple[Span, Span]:
        """Rows and columns that it owns, counted from the first row and column that it sees."""
        rows, columns = self.seen
        return self.own[0].less(rows.begin), self.own[1].less(columns.begin)


class Tiling(NamedTuple):
    """How an image is computed in parts.

    Attributes:
        kept: poolings whose outputs are stored whole; segments end there.
        sides: for each segment, the longest side of a tile without its margin, px of the image.
        strip: number of image rows whose edges and variation are computed at once.
        on_disk: whether the stored maps are in files.
    """

    kept: tuple[str, ...]
    sides: tuple[int, ...]
    strip: int
    on_disk: bool = False


def segments(layers: Sequence[str], kept: Sequence[str]) -> tuple[Segment, ...]:
    """Returns the segments of the network up to the deepest of `layers`.

    Args:
        layers: names of the layers in use, at least one.
        kept: poolings whose outputs are stored; the deepest layer and those after it are ignored.
    """
    complete, part, stride = [], [], 1
    used = vgg19.up_to(layers)
    for layer in used:
        part.append(layer)
        if layer in kept and layer != used[-1]:
            complete.append(Segment(tuple(part), stride))
            stride *= complete[-1].grain
            part = []
    return (*complete, Segment(tuple(part), stride))


def tiles_of(size: tuple[int, int], side: int, segment: Segment) -> list[Tile]:
    """Returns the tiles of a segment's first map, row by row.

    Args:
        size: height and width of the map, units.
        side: longest side of a tile without its margin, units; at least the segment's step is used.
        segment: the segment that is computed.
    """
    sides = []
    for length in size:
        parts = list(spans(length, side, segment.step))
        seen = [part.wider(segment.margin, length) for part in parts]
        ends = [0, *(part.end for part in seen)]
        first = [end - part.begin for part, end in zip(seen, ends, strict=False)]
        sides.append(list(zip(parts, seen, first, strict=True)))
    rows, columns = sides
    return [
        Tile(own=(row[0], column[0]), seen=(row[1], column[1]), first_in_seen=(row[2], column[2]))
        for row in rows
        for column in columns
    ]


def spans(length: int, side: int, grain: int = 1) -> Iterator[Span]:
    """Yields consecutive ranges of about the same length that begin at multiples of the grain.

    None is shorter than the grain, so each has at least one unit after every pooling.

    Args:
        length: number of units to divide, at least the grain.
        side: longest range. The last one also gets the units after the last multiple of the grain.
        grain: number of units that the poolings reduce to one.
    """
    grains = max(length // grain, 1)
    count = -(-grains // max(side // grain, 1))
    edges = [index * grains // count * grain for index in range(count)]
    yield from map(Span, edges, [*edges[1:], length])
