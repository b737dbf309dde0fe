"""Finds the margins of a picture: paper, a scan bed, a passe-partout, or transparent parts.

Takes a float32 image or alpha, gives the widths of its margins. Where in doubt, there is no margin:
the picture keeps all its pixels. No TensorFlow here.
"""

from typing import NamedTuple

import numpy as np

_LEVEL = 1.0 / 255.0
_NOISE = 12.0 * _LEVEL  # A line with more noise than this is not uniform.
_SAME = 12.0 * _LEVEL  # The margins of two sides differ by less, if the light was uneven.
_LEAST = 12.0 * _LEVEL  # What differs by less from a margin counts as the margin.
_DUST = 0.01  # Share of a line that may differ from the margin: dust.
_FEW, _MOST = 0.6, 0.9  # Share of an edge that must be sharp: for 3 or 4 sides, and for 2.
_BLOCK = 8  # A JPEG blurs an edge over so many px ...
_SLOPE = 0.02  # ... and a scan that is a little oblique over this share of the picture ...
_WIDEST = 0.04  # ... but more than this is not an edge.
_KEPT = 0.5  # Share of the picture that must be left.
_AT_ONCE = 64  # Lines that are looked at together.


class Margins(NamedTuple):
    """Widths of the margins of a picture, px."""

    left: int
    top: int
    right: int
    bottom: int

    def without(self, image: np.ndarray) -> np.ndarray:
        """Returns the image `[1, H, W, channels]` without its margins."""
        _, height, width, _ = image.shape
        return image[:, self.top : height - self.bottom, self.left : width - self.right]

    def __str__(self) -> str:
        return f"{self.left} px left, {self.right} right, {self.top} top, {self.bottom} bottom"


NO_MARGINS = Margins(0, 0, 0, 0)


def find_margins(image: np.ndarray) -> Margins:
    """Returns the widths of the uniform margins; all 0 if there are none, or if it is doubtful.

    A margin has one color, up to the noise of a scan, along whole rows and columns. It lies on at
    least two opposite sides, in the same color, and ends on every side that has it at a straight,
    sharp edge. This is what tells a scan from a poster: the background of a poster ends at the
    outlines of things, which are not straight along a whole side. What is left must be at least
    half of the picture, and at least two of its sides must have several colors: otherwise the
    margin may be a part of a flat design, as in a flag. Margins around margins (paper on a scan
    bed) are found one after the other.

    Args:
        image: float32 `[1, H, W, 3]`, RGB, 0..1.
    """
    found, rest = NO_MARGINS, image
    while any(layer := _outer_margins(rest[0])):
        found = Margins(*map(sum, zip(found, layer, strict=True)))
        rest = found.without(image)
        if rest.size < _KEPT * image.size:
            return NO_MARGINS
    if any(found) and sum(_uniform_lines(side) == 0 for side in _sides(rest[0])) < 2:
        return NO_MARGINS
    return found


def margins_of(alpha: np.ndarray) -> Margins:
    """Returns the widths of what is transparent all around a picture.

    Args:
        alpha: float32 `[1, H, W, 1]`, 0..1, not 0 everywhere.
    """
    visible = alpha[0, ..., 0] > 0.5 * _LEVEL
    rows, columns = (np.flatnonzero(visible.any(axis)) for axis in (1, 0))
    height, width = visible.shape
    return Margins(
        int(columns[0]), int(rows[0]), width - 1 - int(columns[-1]), height - 1 - int(rows[-1])
    )


def _sides(pixels: np.ndarray) -> tuple[np.ndarray, ...]:
    """Returns views of `[H, W, 3]` whose lines count from the left, top, right and bottom side."""
    columns = pixels.transpose(1, 0, 2)
    return columns, pixels, columns[::-1], pixels[::-1]


def _outer_margins(pixels: np.ndarray) -> Margins:
    """Returns the margins of `[H, W, 3]` that begin at its border, or none."""
    sides = _sides(pixels)
    widths = [_uniform_lines(side) for side in sides]
    if not (all(widths[0::2]) or all(widths[1::2])):
        return NO_MARGINS
    if any(2 * width >= len(side) for width, side in zip(widths, sides, strict=True)):
        return NO_MARGINS
    having = [index for index, width in enumerate(widths) if width]
    colors = np.stack([_color(sides[index]) for index in having])
    if np.ptp(colors, axis=0).max() > _SAME:
        return NO_MARGINS
    share = _FEW if len(having) > 2 else _MOST
    for index in having:
        begin, end = widths[(index + 1) % 2], widths[(index + 1) % 2 + 2]
        side = sides[index]
        widths[index] = _edge(side[:, begin : side.shape[1] - end], widths[index], side, share)
        if not widths[index]:
            return NO_MARGINS
    return Margins(*widths)


def _color(side: np.ndarray) -> np.ndarray:
    """Returns the color of the outermost line of `[lines, length, 3]`, float `[3]`."""
    return np.median(side[0], axis=0)


def _tolerance(side: np.ndarray) -> float:
    """Returns how far the colors of a margin may be from `_color`, from its outermost line."""
    return max(_LEAST, 2.0 * float(np.quantile(_deviation(side[:1], _color(side)), 0.98)))


def _deviation(lines: np.ndarray, color: np.ndarray) -> np.ndarray:
    """Returns the largest difference of a channel from a color, `[lines, length]`."""
    return np.abs(lines - color).max(-1)


def _uniform_lines(side: np.ndarray) -> int:
    """Returns the number of lines of `[lines, length, 3]`, from the first, that have one color."""
    color, tolerance = _color(side), _tolerance(side)
    if tolerance > 2.0 * _NOISE:
        return 0
    for first in range(0, len(side), _AT_ONCE):
        others = _deviation(side[first : first + _AT_ONCE], color) > tolerance
        ended = np.flatnonzero(others.mean(1) > _DUST)
        if ended.size:
            return first + int(ended[0])
    return len(side)


def _edge(inner: np.ndarray, width: int, side: np.ndarray, share: float) -> int:
    """Returns the line at which the picture begins, or 0 if the margin has no sharp edge.

    Args:
        inner: float `[lines, length, 3]`, the side without the margins of its neighbors.
        width: number of lines that are uniform.
        side: float `[lines, whole length, 3]`.
        share: least share of the edge at which the color must change.
    """
    reach = max(2, int(min(max(_SLOPE * len(side), _BLOCK), _WIDEST * len(side))))
    steps = _deviation(inner[width : width + reach], _color(side))
    if (steps > _tolerance(side)).mean(1).max() < share:
        return 0
    # A JPEG blurs colors across an edge: the edge is where half of the change is reached.
    change = np.median(steps, axis=1)
    return width + int(np.argmax(change >= 0.5 * change.max()))
