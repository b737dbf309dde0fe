"""Square roots of symmetric positive semidefinite matrices, for the Wasserstein distance.

Takes matrices, float `[batch, n, n]`, and gives their roots or the traces of the roots. Nothing
here depends on features or pictures.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tf_style.graphs.gradients import custom_gradient

NUM_STEPS = 12
"""Newton-Schulz steps; they converge for eigenvalues above about 1e-3 of the norm."""


def symmetric_root(matrix: tf.Tensor) -> tf.Tensor:
    """Returns the symmetric square root, by eigenvalues; not meant for gradients.

    Args:
        matrix: float `[b, n, n]`, symmetric. Eigenvalues below 0 are rounding and count as 0.

    Returns:
        Float `[b, n, n]`. The eigenvalues are computed in float64 for every dtype.
    """
    values, vectors = tf.linalg.eigh(tf.cast(matrix, tf.float64))
    scaled = vectors * tf.sqrt(tf.maximum(values, 0.0))[:, tf.newaxis, :]
    return tf.cast(tf.matmul(scaled, vectors, transpose_b=True), matrix.dtype)


def trace_and_gradient(matrix: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """Returns the trace of the square root, by `NUM_STEPS` Newton-Schulz steps, and its gradient.

    Start with A = matrix / norm, Y = A, Z = I. Each step sets T = (3 I - Z Y) / 2, Y <- Y T,
    Z <- Z T; Y tends to A**(1/2), Z to A**(-1/2). An eigenvalue a of A has converged when
    a * (3/2)**(2 * steps) is well above 1; the root of a smaller one is too small, never too
    large.

    The gradient is that of the computed value, converged or not, so that a line search can
    rely on it. All matrices above are polynomials in A and commute. Therefore d trace(Y) =
    trace(Y' dA), with Y = A Z and Y' = Z + A Z', where Z' follows from the product rule for Z's
    step: Z' <- 3/2 (I - Z Y) Z' - Z**3 / 2. After convergence Y' is A**(-1/2) / 2, as it must be.

    Args:
        matrix: float `[b, n, n]`, symmetric, with eigenvalues at least 0.

    Returns:
        The trace, float `[b]`, and a function that maps the gradient with respect to the trace,
        float `[b]`, to the gradient with respect to the matrix, float `[b, n, n]`.

    References:
        Higham (2008), Functions of Matrices, section 6.3.
    """
    # The maximum keeps a matrix of 0 at 0.
    norm = tf.maximum(tf.norm(matrix, axis=[-2, -1], keepdims=True), 1e-20)
    scaled = matrix / norm
    # A constant if the size is known; converters to other runtimes need that.
    size = matrix.shape[-1]
    eye = tf.eye(tf.shape(matrix)[-1]) if size is None else tf.constant(np.eye(size))
    identity = tf.cast(eye, matrix.dtype)
    root, inverse, steps = scaled, tf.zeros_like(matrix) + identity, []
    for _ in range(NUM_STEPS):
        factor = 1.5 * identity - 0.5 * tf.matmul(inverse, root)
        steps.append((inverse, factor))
        root, inverse = tf.matmul(root, factor), tf.matmul(inverse, factor)
    trace = tf.reduce_sum(identity * root, axis=[-2, -1])

    def gradient(upstream: tf.Tensor) -> tf.Tensor:
        slope = tf.zeros_like(matrix)  # Z'
        for each, factor in steps:
            slope = 3.0 * tf.matmul(factor - identity, slope)  # I - Z Y = 2 (T - I)
            slope -= 0.5 * tf.matmul(each, tf.matmul(each, each))
        slope = inverse + tf.matmul(scaled, slope)  # Y'
        # value = norm**(1/2) trace(Y(matrix / norm)), and the norm depends on the matrix too.
        through_norm = 0.5 * trace - tf.reduce_sum(scaled * slope, axis=[-2, -1])
        by_matrix = slope + through_norm[:, tf.newaxis, tf.newaxis] * scaled
        return upstream[:, tf.newaxis, tf.newaxis] * by_matrix / tf.sqrt(norm)

    return tf.sqrt(norm[:, 0, 0]) * trace, gradient


trace_of_root = custom_gradient(trace_and_gradient)
"""The trace of the square root; differentiation uses the gradient of `trace_and_gradient`."""
