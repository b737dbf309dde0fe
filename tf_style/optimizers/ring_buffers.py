"""The history of L-BFGS: a ring buffer of pairs, products with them, and writing one.

A ring is a float tensor `[m, 2, n]`: m pairs of a position delta and a gradient delta, together, so
that one pass over the memory serves both. A bfloat16 ring takes half the memory of a float32 one.
Its pairs are converted to the vectors' type one at a time, so that all arithmetic is done in that
type.
"""

import tensorflow as tf


def filled(pairs: tf.Tensor, num_pairs: tf.Tensor, *, in_place: bool) -> tf.Tensor:
    """Returns the pairs that have been stored, `[p, 2, n]`; all rows for XLA, without `in_place`.

    Not a copy. Rows that hold nothing, which XLA's fixed shapes make it read too, are finite.
    """
    return pairs[:num_pairs] if in_place else pairs


def products(vectors: tf.Tensor, pairs: tf.Tensor) -> tf.Tensor:
    """Returns the scalar products `[..., k, p, 2]` of vectors `[..., k, n]` with `[..., p, 2, n]`.

    In the vectors' type. Pairs of another type must be without leading dimensions.
    """
    if pairs.dtype == vectors.dtype:
        found = tf.matmul(vectors, _rows(pairs), transpose_b=True)
        return tf.reshape(found, tf.concat([tf.shape(vectors)[:-1], [-1, 2]], 0))
    by_pair = tf.map_fn(
        lambda row: tf.matmul(vectors, tf.cast(pairs[row], vectors.dtype), transpose_b=True),
        tf.range(tf.shape(pairs)[0]),
        fn_output_signature=vectors.dtype,
        parallel_iterations=1,
    )
    return tf.transpose(by_pair, [1, 0, 2])


def combined(weights: tf.Tensor, pairs: tf.Tensor) -> tf.Tensor:
    """Returns the sums `[..., n]` of pairs `[..., p, 2, n]` times weights `[..., p, 2]`.

    In the weights' type. Pairs of another type must be without leading dimensions.
    """
    if pairs.dtype == weights.dtype:
        flat = tf.reshape(weights, tf.concat([tf.shape(weights)[:-2], [1, -1]], 0))
        return tf.squeeze(tf.matmul(flat, _rows(pairs)), -2)
    return tf.foldl(
        lambda total, row: (
            total + tf.squeeze(weights[row][tf.newaxis] @ tf.cast(pairs[row], weights.dtype), 0)
        ),
        tf.range(tf.shape(pairs)[0]),
        initializer=tf.zeros([tf.shape(pairs)[2]], weights.dtype),
        parallel_iterations=1,
    )


def _rows(pairs: tf.Tensor) -> tf.Tensor:
    """Returns `[..., p, 2, n]` as `[..., 2 p, n]`."""
    shape = tf.shape(pairs)
    return tf.reshape(pairs, tf.concat([shape[:-3], [2 * shape[-3], shape[-1]]], 0))


def with_pair(
    pairs: tf.Tensor, row: tf.Tensor, pair: tf.Tensor, is_stored: tf.Tensor, *, in_place: bool
) -> tf.Tensor:
    """Returns the ring with a pair `[2, n]` in a row, if it is to be stored."""
    pair = tf.cast(pair, pairs.dtype)
    if not in_place:
        return with_row(pairs, row, tf.where(is_stored, pair, pairs[row]))
    return with_rows_in_place(pairs, row, pair[tf.newaxis][: tf.cast(is_stored, tf.int32)])


def with_row(values: tf.Tensor, row: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
    """Returns values, `[m, ...]`, with one row replaced."""
    return tf.tensor_scatter_nd_update(values, [[row]], [tf.cast(value, values.dtype)])


def with_rows_in_place(values: tf.Tensor, first: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """Returns values, `[m, ...]`, with rows `[k, ...]` replaced, from `first` on.

    Without a copy if nothing else references the values, unlike `tf.tensor_scatter_nd_update`,
    which always copies on a CPU. Not supported by XLA.
    """
    return tf.raw_ops.TensorStridedSliceUpdate(
        input=values,
        begin=[first],
        end=[first + tf.shape(rows)[0]],
        strides=[1],
        value=tf.cast(rows, values.dtype),
    )


def with_column(matrix: tf.Tensor, column: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """Returns the matrix with one column replaced."""
    return tf.transpose(with_row(tf.transpose(matrix), column, values))
