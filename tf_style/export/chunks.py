"""The pictures of one request, in chunks of one size that are optimized together.

Takes a function that stylizes a chunk; gives loops over all pictures, as graph operations.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import tensorflow as tf

from tf_style.engine.graph_batch import Packed, joined, packed
from tf_style.engine.graph_stages import Stylized
from tf_style.images.graph_pictures import GraphPicture, encode_png

Run: TypeAlias = Callable[[tf.Tensor, Packed, tf.Tensor], Stylized]
"""Maps contents, float32 `[k, H, W, 3]`, their styles, and their int32 rows `[k]` to results."""

_SEVERAL = tf.TensorShape([None, None, None, 3])
_ROW = tf.TensorShape([None])
_PACKED = Packed(tf.TensorShape([None, 3]), tf.TensorShape([None, 2]))


def stylize_images(run: Run, contents: tf.Tensor, styles: tf.Tensor, most_pixels: int) -> Stylized:
    """Returns the results of contents of one size.

    Args:
        run: stylizes a chunk.
        contents: float32 `[b, H, W, 3]`, RGB 0..1.
        styles: float32 `[b or 1, h, w, 3]`, RGB 0..1.
        most_pixels: of a chunk that has more than one picture.
    """
    count, last = tf.shape(contents)[0], tf.shape(styles)[0] - 1
    together = _most_together(tf.shape(contents), most_pixels)

    def chunk(first: tf.Tensor, done: Stylized) -> tuple[tf.Tensor, Stylized]:
        rows = tf.range(first, tf.minimum(first + together, count))
        own = packed(tf.gather(styles, tf.minimum(rows, last)))
        found = run(tf.gather(contents, rows), own, rows)
        parts = (tf.concat(both, 0) for both in zip(done, found, strict=True))
        return first + together, Stylized(*parts)

    none = tf.zeros([0], tf.int32)
    return tf.while_loop(
        lambda first, _: first < count,
        chunk,
        (tf.constant(0), Stylized(contents[:0], tf.zeros([0]), none, none)),
        shape_invariants=(tf.TensorShape([]), Stylized(_SEVERAL, _ROW, _ROW, _ROW)),
        parallel_iterations=1,
    )[1]


def _most_together(shape: tf.Tensor, most_pixels: int) -> tf.Tensor:
    """Returns how many pictures of this shape, `[b, H, W, 3]`, are a chunk."""
    return tf.maximum(1, most_pixels // tf.maximum(1, shape[1] * shape[2]))


class Pair(NamedTuple):
    """Contents of one size, and their styles.

    Attributes:
        content: with a batch of k, also in `has_alpha`.
        style: k images.
    """

    content: GraphPicture
    style: Packed


def stylize_files(
    run: Run, pair_at: Callable[[tf.Tensor], Pair], count: tf.Tensor, most_pixels: int
) -> tf.Tensor:
    """Returns PNG files of stylized pictures, string `[count]`.

    Pictures are read one after the other. As long as they have one size and are not too many, they
    wait for each other.

    Args:
        run: stylizes a chunk.
        pair_at: reads the content, at the result's size, and the style of a row.
        count: int32 scalar, number of rows.
        most_pixels: of a chunk that has more than one picture.
    """

    def step(row: tf.Tensor, waiting: Pair, files: tf.Tensor) -> tuple[tf.Tensor, Pair, tf.Tensor]:
        following = tf.cond(row < count, lambda: pair_at(row), _no_pair)
        shape = tf.shape(waiting.content.image)
        is_same = tf.reduce_all(tf.equal(shape[1:3], tf.shape(following.content.image)[1:3]))
        is_alone = tf.equal(shape[0], 0)
        joins = is_alone | (is_same & (shape[0] < _most_together(shape, most_pixels)))
        files = tf.cond(
            joins,
            lambda: files,
            lambda: tf.concat([files, _files_of(run, waiting, row - shape[0])], 0),
        )
        both = tf.cond(joins & ~is_alone, lambda: _together(waiting, following), lambda: following)
        return row + 1, both, files

    shapes = Pair(GraphPicture(_SEVERAL, tf.TensorShape([None, None, None, 1]), _ROW), _PACKED)
    return tf.while_loop(
        lambda row, *_: row <= count,  # The last row is none: those that wait are done there.
        step,
        (tf.constant(0), _no_pair(), tf.zeros([0], tf.string)),
        shape_invariants=(tf.TensorShape([]), shapes, _ROW),
        parallel_iterations=1,
    )[2]


def _no_pair() -> Pair:
    content = GraphPicture(tf.zeros([0, 0, 0, 3]), tf.zeros([0, 0, 0, 1]), tf.zeros([0], tf.bool))
    return Pair(content, Packed(tf.zeros([0, 3]), tf.zeros([0, 2], tf.int32)))


def _together(one: Pair, other: Pair) -> Pair:
    content = (tf.concat(parts, 0) for parts in zip(one.content, other.content, strict=True))
    return Pair(GraphPicture(*content), joined(one.style, other.style))


def _files_of(run: Run, pair: Pair, first: tf.Tensor) -> tf.Tensor:
    """Returns the files of pictures that are optimized together; `first` is their first row."""
    content = pair.content
    rows = tf.range(tf.shape(content.image)[0])
    image = run(content.image, pair.style, first + rows).image

    def file(row: tf.Tensor) -> tf.Tensor:
        own = image[row][tf.newaxis], content.alpha[row][tf.newaxis]
        return encode_png(*own, content.has_alpha[row])

    spec = tf.TensorSpec([], tf.string)
    return tf.map_fn(file, rows, fn_output_signature=spec, parallel_iterations=1)
