"""Segments and tiles: each unit has one owner, whose margin covers the unit's receptive field."""

import itertools

import numpy as np
import pytest

from tf_style import vgg19
from tf_style.network.winograd_matrices import TILE as WINOGRAD_TILE
from tf_style.tiling.tiles import segments, spans, tiles_of

LAYERS = ("block1_conv1", "block4_conv2", "block5_conv1")
KEPT = [(), ("block2_pool",), ("block3_pool", "block4_pool"), vgg19.POOLINGS[:-1]]


@pytest.mark.parametrize("kept", KEPT)
def test_segments_cover_the_network_in_order(kept):
    parts = segments(LAYERS, kept)
    assert tuple(itertools.chain(*(part.layers for part in parts))) == vgg19.up_to(LAYERS)
    assert [part.layers[-1] for part in parts[:-1]] == list(kept)
    for part in parts:
        poolings = [name for name in vgg19.LAYERS if "pool" in name]
        before = [name for name in poolings if name < part.layers[0]]
        assert part.stride == 2 ** len(before)


def seen_units(segment, places):
    """Returns the first and last unit of the first map on which units of the last layer depend."""
    first, last = places
    for layer in reversed(segment.layers):
        first, last = (2 * first, 2 * last + 1) if "pool" in layer else (first - 1, last + 1)
    return first, last


@pytest.mark.parametrize("kept", KEPT)
def test_the_margin_covers_the_receptive_field_of_a_tiles_units(kept):
    for segment in segments(LAYERS, kept):
        begin, end = 10 * segment.step, 14 * segment.step
        first, last = seen_units(segment, (begin // segment.grain, end // segment.grain - 1))
        assert begin - segment.margin <= first
        assert last < end + segment.margin


@pytest.mark.parametrize(
    ("size", "side"), [((100, 37), 32), ((16, 16), 64), ((17, 5), 4), ((700, 333), 100)]
)
@pytest.mark.parametrize("kept", KEPT)
def test_every_unit_of_every_layer_is_owned_by_one_tile(size, side, kept):
    for segment in segments(("block1_conv1",), kept):
        tiles = tiles_of(size, side, segment)
        for layer in segment.layers:
            stride = segment.stride_of(layer)
            owners = np.zeros([length // stride for length in size], int)
            for tile in tiles:
                rows, columns = (span.at(stride) for span in tile.own)
                owners[rows.slice, columns.slice] += 1
                assert rows.length > 0
                assert columns.length > 0
            assert (owners == 1).all()


def test_tiles_are_aligned_with_winograds_tiles():
    for segment in segments(LAYERS, ("block2_pool", "block4_pool")):
        for tile in tiles_of((1000, 700), 128, segment):
            for span, layer in itertools.product(tile.seen, segment.layers):
                if layer in vgg19.CONVOLUTIONS:
                    assert span.begin % (WINOGRAD_TILE * segment.stride_of(layer)) == 0


def test_spans_have_about_the_same_length():
    lengths = [span.length for span in spans(1000, 300, 16)]
    assert sum(lengths) == 1000
    assert len(lengths) == 4
    assert max(lengths) <= 300
