"""Ring buffers of vectors for L-BFGS: products with their rows, and writing rows.

A ring is a float tensor `[m, n]`. A bfloat16 ring takes half the memory of a float32 one. Its rows
are converted to the vectors' type one at a time, so that all arithmetic is done in that type.
"""

import tensorflow as tf


def times(ring: tf.Tensor, vector: tf.Tensor) -> tf.Tensor:
    """Returns the scalar products `[m]` of the rows with a vector `[n]`, in its type."""
    if ring.dtype == vector.dtype:
        return tf.linalg.matvec(ring, vector)
    return tf.map_fn(
        lambda row: tf.reduce_sum(tf.cast(ring[row], vector.dtype) * vector),
        tf.range(tf.shape(ring)[0]),
        fn_output_signature=vector.dtype,
        parallel_iterations=1,
    )


def combined(weights: tf.Tensor, ring: tf.Tensor) -> tf.Tensor:
    """Returns the sum `[n]` of the rows times weights `[m]`, in their type."""
    if ring.dtype == weights.dtype:
        return tf.squeeze(weights[None] @ ring, 0)
    return tf.foldl(
        lambda total, row: total + weights[row] * tf.cast(ring[row], weights.dtype),
        tf.range(tf.shape(ring)[0]),
        initializer=tf.zeros([tf.shape(ring)[1]], weights.dtype),
        parallel_iterations=1,
    )


def with_row(matrix: tf.Tensor, row: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """Returns the matrix with one row replaced."""
    return tf.tensor_scatter_nd_update(matrix, [[row]], [tf.cast(values, matrix.dtype)])


def with_row_in_place(matrix: tf.Tensor, row: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """Returns the matrix with one row replaced, without a copy if nothing else references it.

    Unlike `tf.tensor_scatter_nd_update`, which always copies on a CPU. Not supported by XLA.
    """
    values = tf.cast(values, matrix.dtype)[None]
    return tf.raw_ops.TensorStridedSliceUpdate(
        input=matrix, begin=[row], end=[row + 1], strides=[1], value=values
    )


def with_column(matrix: tf.Tensor, column: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """Returns the matrix with one column replaced."""
    return tf.transpose(with_row(tf.transpose(matrix), column, values))
