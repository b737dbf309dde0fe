"""The pictures of one request, in chunks of one size that are optimized together.

Takes a function that stylizes a chunk, and one that gives each picture; gives a loop over all
pictures, as graph operations.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import tensorflow as tf

from tf_style.engine.graph_batch import BatchPictures, joined
from tf_style.engine.graph_stages import Stylized

MOST_PICTURES = 32
"""The most pictures of a chunk: more make it no faster."""

Run: TypeAlias = Callable[[BatchPictures, tf.Tensor], Stylized]
"""Maps the pictures of a chunk, and their int32 rows `[k]`, to their results."""


class Waiting(NamedTuple):
    """Pictures of one size that wait for more.

    Attributes:
        pictures: k of them.
        rest: a nest of tensors `[k, ...]` that belong to them.
    """

    pictures: BatchPictures
    rest: Any = ()


def in_chunks(
    run: Run,
    picture_at: Callable[[tf.Tensor], Waiting],
    finished: Callable[[Stylized, Any], Any],
    *,
    count: tf.Tensor,
    specs: tuple[Waiting, Any],
    most_pixels: int,
) -> Any:
    """Returns what is made of the results of all pictures, joined along the rows.

    Pictures are read one after the other. As long as they have one size and are not too many, they
    wait for each other.

    Args:
        run: stylizes a chunk.
        picture_at: returns the picture of a row.
        finished: maps the results of a chunk, and the `rest` of its pictures, to a nest of tensors
            `[k, ...]`.
        count: int32 scalar, number of rows.
        specs: nests of the shapes and types of `Waiting` and of what `finished` returns.
        most_pixels: of a chunk that has more than one picture.
    """
    nothing, none = (tf.nest.map_structure(_empty, spec) for spec in specs)

    def step(row: tf.Tensor, waiting: Waiting, done: Any) -> tuple[tf.Tensor, Waiting, Any]:
        following = tf.cond(row < count, lambda: picture_at(row), lambda: nothing)
        shape = tf.shape(waiting.pictures.contents)
        is_same = tf.reduce_all(tf.equal(shape[1:3], tf.shape(following.pictures.contents)[1:3]))
        most = tf.minimum(most_pixels // tf.maximum(1, shape[1] * shape[2]), MOST_PICTURES)
        is_alone = tf.equal(shape[0], 0)
        joins = is_alone | (is_same & (shape[0] < most))

        def run_waiting() -> Any:
            first = row - shape[0]
            found = finished(run(waiting.pictures, tf.range(first, row)), waiting.rest)
            # What is empty has no sizes, and cannot be joined.
            return tf.cond(tf.equal(first, 0), lambda: found, lambda: _together(done, found))

        done = tf.cond(joins, lambda: done, run_waiting)
        waiting = tf.cond(joins & ~is_alone, lambda: _joined(waiting, following), lambda: following)
        return row + 1, waiting, done

    shapes = (tf.nest.map_structure(lambda spec: spec.shape, spec) for spec in specs)
    return tf.while_loop(
        lambda row, *_: row <= count,  # The last row is none: those that wait are done there.
        step,
        (tf.constant(0), nothing, none),
        shape_invariants=(tf.TensorShape([]), *shapes),
        parallel_iterations=1,
    )[2]


def _empty(spec: tf.TensorSpec) -> tf.Tensor:
    return tf.zeros([0 if size is None else size for size in spec.shape], spec.dtype)


def _together(one: Any, other: Any) -> Any:
    return tf.nest.map_structure(lambda *parts: tf.concat(parts, 0), one, other)


def _joined(one: Waiting, other: Waiting) -> Waiting:
    contents, starts = (
        tf.concat([getattr(each.pictures, name) for each in (one, other)], 0)
        for name in ("contents", "starts")
    )
    styles = joined(one.pictures.styles, other.pictures.styles)
    return Waiting(BatchPictures(contents, styles, starts), _together(one.rest, other.rest))
