"""The network in segments, and maps in tiles: which parts are computed at once, and what of them.

A segment is a run of layers between two maps that are kept whole: the image, and the outputs of
poolings. It is computed tile by tile. Each unit of a layer is owned by one tile; a tile is
computed with a margin, as wide as its own units see within the segment, so that they are those of
the whole map. At true borders there is no margin, and the network's padding is as it is.

Differs from one margin of 80 px through the whole network, as units of conv5_1 see 70 px: between
kept maps a margin of 4 to 8 units is enough, which leaves a tile of 512 px with 6 % more to
compute, not 72 %. Kept maps take 2.5 % of what all features take. No TensorFlow here.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tf_style import vgg19

PATCH = 4
"""Units along each side of what Winograd's algorithm gives at once: `convolution`."""


class Segment(NamedTuple):
    """Consecutive layers, from a kept map to the next.

    Attributes:
        layers: names, in the order of the data.
        stride: px of the image for each unit of the map it begins with.
    """

    layers: tuple[str, ...]
    stride: int

    @property
    def grain(self) -> int:
        """Units of the first map that its poolings join to one."""
        return 2 ** sum(layer in vgg19.POOLINGS for layer in self.layers)

    def stride_of(self, layer: str) -> int:
        """Returns the units of the first map for each unit of a layer's output."""
        passed = self.layers[: self.layers.index(layer) + 1]
        return 2 ** sum(each in vgg19.POOLINGS for each in passed)

    def gate_stride_of(self, layer: str) -> int:
        """Returns the same for each unit that a layer holds back or lets pass.

        Those of a pooling are its inputs.
        """
        return self.stride_of(layer) // (2 if layer in vgg19.POOLINGS else 1)

    @property
    def step(self) -> int:
        """Units of the first map of which tiles and margins are multiples.

        Patches of Winograd's algorithm then lie in a tile as they do in the whole map. Units
        have the same value to the bit, and none is passed by ReLU here and held back there:
        one such unit changes the gradient more than all rounding does.
        """
        convolutions = [layer for layer in self.layers if layer in vgg19.CONVOLUTIONS]
        return max(PATCH * self.stride_of(convolutions[-1]), self.grain)

    @property
    def margin(self) -> int:
        """Units of the first map that a tile sees beyond its own."""
        seen = 0
        for layer in reversed(self.layers):
            seen = 2 * seen if layer in vgg19.POOLINGS else seen + 1
        return -(-seen // self.step) * self.step


class Span(NamedTuple):
    """A part of one side of a map, in units.

    Attributes:
        begin: the first unit.
        end: after the last unit.
    """

    begin: int
    end: int

    @property
    def length(self) -> int:
        """How many units."""
        return self.end - self.begin

    @property
    def slice(self) -> slice:
        """The same for arrays."""
        return slice(self.begin, self.end)

    def at(self, stride: int) -> "Span":
        """Returns the same part after poolings that join `stride` units."""
        return Span(self.begin // stride, self.end // stride)

    def wider(self, margin: int, length: int) -> "Span":
        """Returns the part with a margin on both sides, as far as the side of a map reaches."""
        return Span(max(self.begin - margin, 0), min(self.end + margin, length))

    def less(self, origin: int) -> "Span":
        """Returns the same part, counted from another unit."""
        return Span(self.begin - origin, self.end - origin)


class Tile(NamedTuple):
    """A tile of a map, in units.

    Attributes:
        own: rows and columns that it owns.
        seen: rows and columns with its margin.
        first_in_seen: row and column, counted from the first that it sees, from which on no tile
            before it sees any: neither those above nor the one to the left.
    """

    own: tuple[Span, Span]
    seen: tuple[Span, Span]
    first_in_seen: tuple[int, int]

    @property
    def own_in_seen(self) -> tuple[Span, Span]:
        """Rows and columns that it owns, counted from the first that it sees."""
        rows, columns = self.seen
        return self.own[0].less(rows.begin), self.own[1].less(columns.begin)


class Tiling(NamedTuple):
    """How an image is computed in parts.

    Attributes:
        kept: poolings whose outputs are kept, between segments.
        sides: for each segment the longest side of a tile without its margin, px of the image.
        strip: rows of the image whose edges and variation are computed at once.
        on_disk: whether what is kept is in files.
    """

    kept: tuple[str, ...]
    sides: tuple[int, ...]
    strip: int
    on_disk: bool = False


def segments(layers: Sequence[str], kept: Sequence[str]) -> tuple[Segment, ...]:
    """Returns the segments of the network up to the deepest of `layers`.

    Args:
        layers: in use, at least one.
        kept: poolings whose outputs are kept; of those beyond the deepest layer none is.
    """
    found, part, stride = [], [], 1
    used = vgg19.up_to(layers)
    for layer in used:
        part.append(layer)
        if layer in kept and layer != used[-1]:
            found.append(Segment(tuple(part), stride))
            stride *= found[-1].grain
            part = []
    return (*found, Segment(tuple(part), stride))


def tiles_of(size: tuple[int, int], side: int, segment: Segment) -> list[Tile]:
    """Returns the tiles of a segment's first map, row by row.

    Args:
        size: height and width of the map, units.
        side: of a tile at most, without its margin, units; at least the segment's step counts.
        segment: what is computed.
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
    """Yields parts of a side, of about the same length, that begin at multiples of the grain.

    None is shorter than the grain, so that each has a unit after each pooling.

    Args:
        length: of the side, at least the grain.
        side: of a part at most, but for what is left beyond the last multiple of the grain.
        grain: units that poolings join.
    """
    grains = max(length // grain, 1)
    count = -(-grains // max(side // grain, 1))
    edges = [index * grains // count * grain for index in range(count)]
    yield from map(Span, edges, [*edges[1:], length])
