"""Total variations: pure functions of an image, float `[b, h, w, c]`, or of some of its rows.

Sums are taken over the batch too, and so are means; with `per_sample`, each sample gets its own
value, float `[batch]`.
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from tf_style.losses.per_sample import sample_axes


class Differences(NamedTuple):
    """Differences between neighbors, and their weight in a total variation.

    Attributes:
        values: float `[b, h, w, c]`.
        weight: factor of the mean, or sum, of the squared values.
    """

    values: tf.Tensor
    weight: float


def total_variation(image: tf.Tensor, *, per_sample: bool = False) -> tf.Tensor:
    """Returns the mean squared difference of vertical neighbors plus that of horizontal ones.

    Not in Gatys et al. (2016); from Mahendran & Vedaldi (2015), eq. 3 with beta = 2. Differs:
    means, not sums, so that a weight has the same effect at every size.

    Args:
        image: float `[b, h, w, c]`, h and w at least 2.
        per_sample: give `[b]` values, not one.

    Returns:
        Scalar, at least 0; 2 for a checkerboard of 0 and 1.
    """
    return _variation("mean_square", image, per_sample)


def total_variation_sum(image: tf.Tensor, *, per_sample: bool = False) -> tf.Tensor:
    """Returns half the sum of squared differences of neighbors.

    As in jcjohnson/neural-style, which applies it to values of 0..256: a weight w there is
    65536 w here. As there, differences along the last row and the last column are left out.

    Args:
        image: float `[b, h, w, c]`, h and w at least 2.
        per_sample: give `[b]` values, not one.

    Returns:
        Scalar, at least 0. Grows with the picture; c (h - 1) (w - 1) for a checkerboard of
        0 and 1.
    """
    return _variation("sum_square", image, per_sample)


def total_variation_nine_point(image: tf.Tensor, *, per_sample: bool = False) -> tf.Tensor:
    """Returns a weighted sum of mean squared differences between pixels and their eight neighbors.

    Mean squares of vertical and of horizontal neighbors have weight 2/3, those along each diagonal
    1/6; the border of the picture is repeated once. As in crowsonkb/style-transfer-pytorch.

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
    """Returns the contribution of some rows of an image to its total variation.

    Args:
        form: name in `TOTAL_VARIATIONS`.
        part: float `[1, h, w, c]`, the rows, with one more row on each side that is not the
            image's border.
        begin: int32 scalar, index of the first row within `part`.
        end: int32 scalar, index after the last row within `part`.
        height: int32 scalar, height of the image, px.
    """
    rows = tf.shape(part)[1]
    totals = []
    for values, weight in _DIFFERENCES[form](part):
        # `values` has as many rows as `part`, one fewer, or one more (above the first row).
        more = tf.shape(values)[1] - rows
        last = tf.where(tf.equal(end, rows), end + tf.maximum(more, 0), end)
        total = weight * tf.reduce_sum(tf.square(values[:, begin:last]))
        if form in _MEANS:
            sides = tf.stack([height + more, *tf.unstack(tf.shape(values)[2:], 2)])
            total /= tf.reduce_prod(tf.cast(sides, total.dtype))
        totals.append(total)
    return tf.add_n(totals)


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
"""Total variations by the option `tv_form`."""

_DIFFERENCES: dict[str, Callable[[tf.Tensor], list[Differences]]] = {
    "mean_square": _straight,
    "sum_square": _at_corners,
    "nine_point": _nine_point,
}
"""The differences that each total variation of an image, float `[b, h, w, c]`, squares."""

_MEANS = ("mean_square", "nine_point")  # The other forms are sums.
