"""Weak contrasts of photographs raised, as pure functions.

A network normalizes features over a whole picture, so a faint cloud beside a house leaves nothing
to paint, and flat skies stay flat. With its contrast raised first, it gets strokes, and they move
with it in a film.

References:
    Jarrett et al. (2009), What is the best multi-stage architecture for object recognition?, local
    contrast normalization. Differs: contrasts are only raised, never lowered; means stay, and each
    color has its own; detail below some 16 px is left out, so that noise is hardly raised; the gain
    follows from the largest contrast nearby, so that no halo is raised beside an edge; means are
    over boxes, not Gaussians.
"""

import tensorflow as tf

_CELL = 8  # Px. All but the last step is done with means of cells.
_DETAIL = 2  # Cells along a side of the mean, taken twice, that removes detail.
_WINDOW = 5  # Cells along a side of the mean, taken twice, from which contrasts are measured.
_BEYOND = 4  # Cells that the latter reaches.
_FLOOR = 0.05  # Contrast below which the gain hardly grows: noise and blotches of flat walls.


def with_local_contrast(images: tf.Tensor, contrast: float) -> tf.Tensor:
    """Returns images with raised contrasts.

    A difference between what is around a pixel, some 16 px, and what is farther around, some 40 px,
    is multiplied by `contrast` over the largest such difference nearby (root mean square over the
    colors), but not by less than 1 nor by more than `contrast` / 0.05.

    Args:
        images: float32 `[b, h, w, 3]`, RGB 0..1, at least 8 px on each side.
        contrast: in units of the images; up to 0.05 nothing is raised.

    Returns:
        Float32, of the same shape; values may leave 0..1.
    """
    return with_change(images, contrast_change(images, contrast))


def contrast_change(images: tf.Tensor, contrast: float) -> tf.Tensor:
    """Returns what `with_change` adds, of cells: float32 `[b, h // 8 + 2, w // 8 + 2, 3]`.

    The first and the last along a side lie outside. The arguments are those above.
    """
    cells = tf.nn.avg_pool2d(images, _CELL, _CELL, "VALID")
    wide = _continued(_continued(cells, 1), 2)
    inner = slice(_BEYOND, -_BEYOND)
    coarse = _twice(wide[:, _BEYOND - 1 : 1 - _BEYOND, _BEYOND - 1 : 1 - _BEYOND], _DETAIL, "VALID")
    difference = coarse - _twice(wide, _WINDOW, "SAME")[:, inner, inner]
    square = tf.reduce_mean(tf.square(difference), -1, keepdims=True)
    square = _twice(tf.nn.max_pool2d(square, _WINDOW, 1, "SAME"), _WINDOW, "SAME")
    gain = tf.maximum(contrast * tf.math.rsqrt(square + _FLOOR**2), 1.0)
    return tf.pad((gain - 1.0) * difference, [[0, 0], [1, 1], [1, 1], [0, 0]], "SYMMETRIC")


def with_change(images: tf.Tensor, change: tf.Tensor, place: tuple[int, int] = (0, 0)) -> tf.Tensor:
    """Returns images, or a part of them, with a change added.

    Args:
        images: float32 `[b, h, w, 3]`.
        change: from `contrast_change` for the whole images.
        place: of the part in them, row and column.

    Returns:
        Float32 `[b, h, w, 3]`.
    """
    sides = tf.unstack(tf.shape(images)[1:3])
    # One more cell at each end, because the enlargement clamps there.
    first = [begin // _CELL for begin in place]
    last = [(begin + side) // _CELL + 3 for begin, side in zip(place, sides, strict=True)]
    cells = change[:, first[0] : last[0], first[1] : last[1]]
    larger = tf.image.resize(cells, _CELL * tf.shape(cells)[1:3])
    offset = [_CELL + begin % _CELL for begin in place]
    larger = larger[:, offset[0] : offset[0] + sides[0], offset[1] : offset[1] + sides[1]]
    changed = images + larger
    changed.set_shape(images.shape)
    return changed


def _twice(cells: tf.Tensor, window: int, padding: str) -> tf.Tensor:
    """Returns means over windows of means over windows."""
    for _ in range(2):
        cells = tf.nn.avg_pool2d(cells, window, 1, padding)
    return cells


def _continued(cells: tf.Tensor, axis: int) -> tf.Tensor:
    """Returns cells continued at both ends by odd reflection.

    So a slope goes on as a slope. Mirrored or cut, it would be a contrast at the border.
    """
    last = tf.shape(cells)[axis] - 1
    places = tf.range(-_BEYOND, last + 1 + _BEYOND)
    nearest = tf.clip_by_value(places, 0, last)
    opposite = tf.clip_by_value(2 * nearest - places, 0, last)
    return 2.0 * tf.gather(cells, nearest, axis=axis) - tf.gather(cells, opposite, axis=axis)
