"""Total variations, each a pure function of an image, float `[b, h, w, c]`.

Means are taken over the batch too, sums are summed over it; with `per_sample` each is that of
every sample alone, float `[batch]`.
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from tf_style.losses.per_sample import sample_axes


class Differences(NamedTuple):
    """Differences of neighbors, of which a total variation takes the squares.

    Attributes:
        values: float `[b, h, w, c]`.
        weight: of the squares' mean, or sum.
    """

    values: tf.Tensor
    weight: float


def total_variation(image: tf.Tensor, *, per_sample: bool = False) -> tf.Tensor:
    """Returns the mean squared difference of vertical plus that of horizontal neighbors.

    Not in Gatys et al. (2016); Mahendran & Vedaldi (2015), eq. 3 with beta = 2. Differs:
    means, not sums, so that a weight means the same at every size.

    Args:
        image: float `[b, h, w, c]`, h and w at least 2.
        per_sample: give `[b]` values, not one.

    Returns:
        Scalar, at least 0; 2 for a checkerboard of 0 and 1.
    """
    return _variation("mean_square", image, per_sample)


def total_variation_sum(image: tf.Tensor, *, per_sample: bool = False) -> tf.Tensor:
    """Returns half the sum of squared differences of neighbors.

    As in jcjohnson/neural-style, where it acts on values of 0..256: a weight w there is
    65536 w here. As there, the last row and the last column have no differences along them.

    Args:
        image: float `[b, h, w, c]`, h and w at least 2.
        per_sample: give `[b]` values, not one.

    Returns:
        Scalar, at least 0. Grows with the picture; c (h - 1) (w - 1) for a checkerboard of
        0 and 1.
    """
    return _variation("sum_square", image, per_sample)


def total_variation_nine_point(image: tf.Tensor, *, per_sample: bool = False) -> tf.Tensor:
    """Returns a mean of squared differences with the eight neighbors.

    2/3 of that of vertical plus that of horizontal neighbors, and 1/6 of those along both
    diagonals, in the picture with its border repeated once. As in
    crowsonkb/style-transfer-pytorch.

    Args:
        image: float `[b, h, w, c]`.
        per_sample: give `[b]` values, not one.

    Returns:
        Scalar, at least 0.
    """
    return _variation("nine_point", image, per_sample)


def _variation(form: str, image: tf.Tensor, per_sample: bool) -> tf.Tensor:
    reduce = tf.reduce_mean if form in _MEANS else tf.reduce_sum
    axes = sample_axes(image, per_sample)
    return tf.add_n(
        [weight * reduce(tf.square(values), axes) for values, weight in _DIFFERENCES[form](image)]
    )


def variation_of_rows(
    form: str, part: tf.Tensor, begin: tf.Tensor, end: tf.Tensor, height: tf.Tensor
) -> tf.Tensor:
    """Returns what some rows of an image add to its total variation.

    Args:
        form: of `TOTAL_VARIATIONS`.
        part: float `[1, h, w, c]`, these rows, and one more on each side that is not the
            image's border.
        begin: int32 scalar, the first of the rows, counted from the part's first.
        end: int32 scalar, after the last.
        height: int32 scalar, of the image.
    """
    rows = tf.shape(part)[1]
    found = []
    for values, weight in _DIFFERENCES[form](part):
        # A row of differences for each row, one less, or one more: that above the first.
        more = tf.shape(values)[1] - rows
        last = tf.where(tf.equal(end, rows), end + tf.maximum(more, 0), end)
        total = weight * tf.reduce_sum(tf.square(values[:, begin:last]))
        if form in _MEANS:
            sides = tf.stack([height + more, *tf.unstack(tf.shape(values)[2:], 2)])
            total /= tf.reduce_prod(tf.cast(sides, total.dtype))
        found.append(total)
    return tf.add_n(found)


def _straight(image: tf.Tensor) -> list[Differences]:
    return [
        Differences(image[:, 1:] - image[:, :-1], 1.0),
        Differences(image[:, :, 1:] - image[:, :, :-1], 1.0),
    ]


def _at_corners(image: tf.Tensor) -> list[Differences]:
    corner = image[:, :-1, :-1]
    return [
        Differences(image[:, 1:, :-1] - corner, 0.5),
        Differences(image[:, :-1, 1:] - corner, 0.5),
    ]


def _nine_point(image: tf.Tensor) -> list[Differences]:
    # SYMMETRIC by 1 px repeats the border.
    padded = tf.pad(image, [[0, 0], [1, 1], [1, 1], [0, 0]], "SYMMETRIC")
    inner = padded[:, 1:-1, 1:-1]
    return [
        Differences(padded[:, 2:, 1:-1] - inner, 2.0 / 3.0),
        Differences(padded[:, 1:-1, 2:] - inner, 2.0 / 3.0),
        Differences(padded[:, 1:, 1:] - padded[:, :-1, :-1], 1.0 / 6.0),
        Differences(padded[:, 1:, :-1] - padded[:, :-1, 1:], 1.0 / 6.0),
    ]


TOTAL_VARIATIONS: dict[str, Callable[..., tf.Tensor]] = {
    "mean_square": total_variation,
    "sum_square": total_variation_sum,
    "nine_point": total_variation_nine_point,
}
"""Total variations by `tv_form`."""

_DIFFERENCES: dict[str, Callable[[tf.Tensor], list[Differences]]] = {
    "mean_square": _straight,
    "sum_square": _at_corners,
    "nine_point": _nine_point,
}
"""What they compare, of an image `[b, h, w, c]`."""

_MEANS = ("mean_square", "nine_point")  # The others are sums.
