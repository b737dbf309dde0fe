"""Square roots of symmetric positive semidefinite matrices, for the Wasserstein distance.

Takes matrices, float `[batch, n, n]`, and gives their roots or the traces of the roots. Nothing
here depends on features or pictures.
"""

import contextlib
import contextvars
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from tf_style.graphs.gradients import custom_gradient

NUM_STEPS = 12
"""Newton-Schulz steps; they converge for eigenvalues above about 1e-3 of the norm."""

_STEPS_OF_ROOTS = 18  # For eigenvalues above 1e-5 of the norm, in float64.

_by_products = contextvars.ContextVar("by_products", default=False)


@contextlib.contextmanager
def roots_by_products() -> Iterator[None]:
    """Makes `symmetric_root` use products of matrices alone, in graphs that are traced meanwhile.

    XLA finds eigenvalues by many small rotations, one after another: for 256 filters they take 9
    times as long as the products, on two cores.
    """
    token = _by_products.set(True)
    try:
        yield
    finally:
        _by_products.reset(token)


def with_exact_products(matrix: tf.Tensor) -> tf.Tensor:
    """Returns matrices in float64 if a GPU may round the factors of their products to ten bits.

    With factors so coarse the gradient of the trace of the root is off by a quarter to a half of
    its length (`tools/numbers/round_roots.py`). It is decided when a graph is traced, by the
    devices and the settings there: an exported graph keeps what that machine needed.

    Args:
        matrix: float `[b, n, n]`.

    Returns:
        The same, in float64 or as they are.
    """
    is_rounded = (
        matrix.dtype == tf.float32
        and tf.config.experimental.tensor_float_32_execution_enabled()
        and tf.config.list_logical_devices("GPU")
    )
    return tf.cast(matrix, tf.float64) if is_rounded else matrix


def symmetric_root(matrix: tf.Tensor) -> tf.Tensor:
    """Returns the symmetric square root, by eigenvalues; not meant for gradients.

    Within `roots_by_products` it is found by Newton-Schulz steps. Roots of eigenvalues below 1e-5
    of the norm are then too small: by 7 % at 1e-6, by half at 1e-7.

    Args:
        matrix: float `[b, n, n]`, symmetric. Eigenvalues below 0 are rounding and count as 0.

    Returns:
        Float `[b, n, n]`. It is computed in float64 for every dtype.
    """
    exact = tf.cast(matrix, tf.float64)
    if _by_products.get():
        return tf.cast(_root_by_products(exact), matrix.dtype)
    values, vectors = tf.linalg.eigh(exact)
    scaled = vectors * tf.sqrt(tf.maximum(values, 0.0))[:, tf.newaxis, :]
    return tf.cast(tf.matmul(scaled, vectors, transpose_b=True), matrix.dtype)


def trace_and_gradient(matrix: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """Returns the trace of the square root, by `NUM_STEPS` Newton-Schulz steps, and its gradient.

    Start with A = matrix / norm, Y = A, Z = I. Each step sets T = (3 I - Z Y) / 2, Y <- Y T,
    Z <- T Z; Y tends to A**(1/2), Z to A**(-1/2). With Z <- Z T, the same without rounding, errors
    of rounding would grow from step to step. An eigenvalue a of A has converged when
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
    norm, identity = _norm(matrix), _identity(matrix)
    scaled = matrix / norm
    root, inverse, steps = scaled, tf.zeros_like(matrix) + identity, []
    for _ in range(NUM_STEPS):
        factor = 1.5 * identity - 0.5 * tf.matmul(inverse, root)
        steps.append((inverse, factor))
        root, inverse = tf.matmul(root, factor), tf.matmul(factor, inverse)
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


def _root_by_products(matrix: tf.Tensor) -> tf.Tensor:
    """Returns the root, by `_STEPS_OF_ROOTS` steps as in `trace_and_gradient`, float64 `[b, n, n]`.

    Steps bring every eigenvalue of Z Y from 0..1 nearer to 1. Those below 0, which are rounding,
    move away from it ever faster: the steps of a matrix end when |I - Z Y| grows.
    """
    # The steps would amplify what rounding has left unsymmetric.
    symmetric = 0.5 * (matrix + tf.linalg.matrix_transpose(matrix))
    norm, identity = _norm(symmetric), _identity(symmetric)
    root, inverse = symmetric / norm, tf.zeros_like(symmetric) + identity
    before = tf.fill(tf.shape(norm), tf.constant(np.inf, symmetric.dtype))
    for _ in range(_STEPS_OF_ROOTS):
        left = identity - tf.matmul(inverse, root)
        now = tf.norm(left, axis=[-2, -1], keepdims=True)
        factor = tf.where(now <= before, identity + 0.5 * left, identity)
        before = tf.where(now <= before, now, -np.inf)
        root, inverse = tf.matmul(root, factor), tf.matmul(factor, inverse)
    return tf.sqrt(norm) * root


def _norm(matrix: tf.Tensor) -> tf.Tensor:
    """Returns the Frobenius norms, float `[b, 1, 1]`, above 0."""
    # The maximum keeps a matrix of 0 at 0.
    return tf.maximum(tf.norm(matrix, axis=[-2, -1], keepdims=True), 1e-20)


def _identity(matrix: tf.Tensor) -> tf.Tensor:
    """Returns the identity of the matrices' size and type, `[n, n]`."""
    # A constant if the size is known; converters to other runtimes need that.
    size = matrix.shape[-1]
    eye = tf.eye(tf.shape(matrix)[-1]) if size is None else tf.constant(np.eye(size))
    return tf.cast(eye, matrix.dtype)
