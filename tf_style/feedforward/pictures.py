"""One picture of any size through a network: whole, or in tiles that no one sees.

Takes a photograph and styles as arrays; gives the painted picture. Operations run one by one,
because tracing a graph takes longer than painting.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_style.config.fast import MOST_STRENGTH, FastConfig
from tf_style.config.style_config import StyleConfig
from tf_style.feedforward.architecture import MARGIN, MARGINS, STRIDE
from tf_style.feedforward.local_contrast import contrast_change, with_change
from tf_style.feedforward.network_file import StyleNetwork
from tf_style.feedforward.painting import (
    Statistics,
    network_input,
    padded,
    paint,
    paint_padded,
    reach,
)
from tf_style.images.resizing import resize
from tf_style.inputs.coloring import painted_style
from tf_style.inputs.inputs import Inputs
from tf_style.network.processor import processor_features

MOST_PIXELS = 4_000_000
"""The largest picture that is painted whole: float32 features of it take 1 GB."""

_TILE = 1024  # Px, a multiple of `STRIDE`.


def fast_dtype(bits: int = 8) -> tf.DType:
    """Returns the type of features that is the fastest on this machine, and exact enough.

    It is bfloat16 on processors that compute faster in it, float32 elsewhere and for pictures of 16
    bits. Intel's without matrix units (AMX) have instructions for bfloat16, which are no faster.
    """
    features = processor_features()
    is_fast = "avx512_bf16" in features and "GenuineIntel" not in features
    is_fast = is_fast or "amx_bf16" in features
    is_on_cpu = not tf.config.list_physical_devices("GPU")
    return tf.bfloat16 if bits == 8 and is_fast and is_on_cpu else tf.float32


def paint_inputs(
    network: StyleNetwork,
    inputs: Inputs,
    styles: Sequence[np.ndarray],
    config: FastConfig,
    *,
    dtype: tf.DType = tf.float32,
) -> np.ndarray:
    """Returns the content of a run painted by a network, each region in its style.

    A region is painted as a part of the whole picture, and soft masks blend what was painted. What
    is to be kept, or has no region, is the content.

    Args:
        network: what paints.
        inputs: the pictures of the run; its style pictures do not matter.
        styles: float32 `[style_size]`, one for each of `inputs.styles`.
        config: `strength`, `local_contrast`, and `color` for its rule 'match'.
        dtype: of the features.

    Returns:
        Float32 `[1, H, W, 3]`, RGB 0..1.
    """
    network = network.with_local_contrast(config.local_contrast)
    content, regions = inputs.content, inputs.regions
    matched = StyleConfig(color=config.color)
    weights = {"content_weights": inputs.alpha, "style_weights": inputs.alpha}
    if inputs.alpha is not None and not inputs.alpha.any():
        weights = {}

    def painted(style: np.ndarray, strength: float) -> np.ndarray:
        strength = min(strength, MOST_STRENGTH)
        picture = paint_picture(network, content, style, strength=strength, dtype=dtype)
        if config.color != "match":
            return picture
        return painted_style(picture, content, "match", matched, **weights)

    if regions is None:
        image = painted(inputs.blend @ np.stack(styles), config.strength)
    else:
        shares = regions.content / np.maximum(regions.content.sum(-1, keepdims=True), 1.0)
        rows = np.concatenate([regions.blend @ np.stack(styles), regions.strengths[:, None]], 1)
        image = content
        for row in np.unique(rows, axis=0):  # Regions that share a style share a pass.
            share = shares[..., (rows == row).all(1)].sum(-1, keepdims=True)
            image = image + share * (painted(row[:-1], config.strength * row[-1]) - content)
    return image if inputs.keep is None else content + (1.0 - inputs.keep) * (image - content)


def paint_picture(
    network: StyleNetwork,
    photograph: np.ndarray,
    style: np.ndarray,
    *,
    strength: float = 1.0,
    dtype: tf.DType = tf.float32,
    most_pixels: int = MOST_PIXELS,
) -> np.ndarray:
    """Returns a photograph painted in a style.

    Below a strength of 1 the painted picture is blended with the photograph, and 0 is the
    photograph. Above 1 the photograph is blended with the painted picture and painted again: at 2
    the network paints its own picture.

    Args:
        network: what paints.
        photograph: float32 `[1, H, W, 3]`, RGB 0..1, at least `architecture.LEAST_SIDE` px on each
            side.
        style: float32 `[style_size]`: scales and shifts.
        strength: of the style, 0..2.
        dtype: of the features.
        most_pixels: larger photographs are painted in tiles.

    Returns:
        Float32 `[1, H, W, 3]`, RGB 0..1.

    Raises:
        MemoryError: if there is not enough memory for it.
    """
    if not strength > 0.0:
        return photograph
    painted = _painted(network, photograph, style, dtype, most_pixels)
    if strength > 1.0:
        mixed = _mixed(photograph, painted, strength - 1.0)
        return _painted(network, mixed, style, dtype, most_pixels)
    return painted if strength == 1.0 else _mixed(photograph, painted, strength)


def _mixed(first: np.ndarray, second: np.ndarray, share: float) -> np.ndarray:
    return first + np.float32(share) * (second - first)


def _painted(
    network: StyleNetwork,
    photograph: np.ndarray,
    style: np.ndarray,
    dtype: tf.DType,
    most_pixels: int,
) -> np.ndarray:
    height, width = photograph.shape[1:3]
    try:
        if height * width > most_pixels:
            statistics = whole_statistics(network, photograph, style, dtype, most_pixels)
            return paint_tiles(network, photograph, style, statistics, dtype=dtype)
        return paint(
            network.architecture, network.parameters, photograph, style[np.newaxis], dtype=dtype
        ).numpy()
    except tf.errors.ResourceExhaustedError as error:
        raise MemoryError(
            f"There is not enough memory for {width}x{height} px. Use a smaller `size`."
        ) from error


def whole_statistics(
    network: StyleNetwork,
    photograph: np.ndarray,
    style: np.ndarray,
    dtype: tf.DType,
    most_pixels: int,
) -> Statistics:
    """Returns the statistics of a whole photograph's features, found at a size that fits."""
    height, width = photograph.shape[1:3]
    scale = min(1.0, (most_pixels / (height * width)) ** 0.5)
    # A very narrow picture keeps enough of its shorter side to be mirrored.
    size = tuple(max(min(side, 64), round(scale * side)) for side in (height, width))
    # Contrasts are raised within so many px, whatever the size: so in the reduced photograph, too.
    reduced = padded(network_input(network.architecture, tf.constant(resize(photograph, size))))
    _, statistics = paint_padded(
        network.architecture, network.parameters, reduced, style[np.newaxis], dtype=dtype
    )
    return statistics


def paint_tiles(
    network: StyleNetwork,
    photograph: np.ndarray,
    style: np.ndarray,
    statistics: Statistics,
    *,
    dtype: tf.DType = tf.float32,
    side: int = _TILE,
) -> np.ndarray:
    """Returns a photograph painted tile by tile, as it would be whole with the same statistics.

    Args:
        network: what paints.
        photograph: as for `paint_picture`.
        style: float32 `[style_size]`.
        statistics: what the features are normalized by, everywhere.
        dtype: of the features.
        side: of a tile, a multiple of `STRIDE`, px.
    """
    height, width = photograph.shape[1:3]
    picture = np.empty_like(photograph)
    contrast, change = network.architecture.local_contrast, None
    if contrast:
        change = contrast_change(tf.constant(photograph), contrast)
    margin = reach(network.architecture)
    for rows in _spans(height, side, margin):
        for columns in _spans(width, side, margin):
            painted, _ = paint_padded(
                network.architecture,
                network.parameters,
                _part(photograph, change, rows.read, columns.read),
                style[np.newaxis],
                statistics=statistics,
                dtype=dtype,
            )
            picture[:, rows.written, columns.written] = painted[:, rows.kept, columns.kept]
    return picture


def _part(
    photograph: np.ndarray, change: tf.Tensor | None, rows: np.ndarray, columns: np.ndarray
) -> tf.Tensor:
    """Returns these pixels of a photograph, with their share of a change of its contrasts."""
    top, left = int(rows.min()), int(columns.min())
    part = tf.constant(photograph[:, top : rows.max() + 1, left : columns.max() + 1])
    if change is not None:
        part = with_change(part, change, (top, left))
    return tf.gather(tf.gather(part, rows - top, axis=1), columns - left, axis=2)


class _Span(NamedTuple):
    """A tile along one axis.

    Attributes:
        read: the pixels that are read, int `[n]`, mirrored at the picture's borders.
        kept: which of them are painted as in the whole.
        written: where those lie in the picture.
    """

    read: np.ndarray
    kept: slice
    written: slice


def _spans(length: int, side: int, margin: int) -> Iterator[_Span]:
    """Yields the tiles of an axis; they are read from the axis that `padded` would give."""
    inner, outer = MARGINS
    axis = np.pad(np.arange(length), (inner, inner + STRIDE - 1), "reflect")
    axis = np.pad(axis, outer, "reflect")[: 2 * MARGIN + length + -length % STRIDE]
    for begin in range(0, length, side):
        end = min(begin + side, length)
        first = max(0, begin + MARGIN - margin)
        last = begin + side + MARGIN + margin
        offset = begin + MARGIN - first
        yield _Span(axis[first:last], slice(offset, offset + end - begin), slice(begin, end))
