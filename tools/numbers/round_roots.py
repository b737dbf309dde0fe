"""Tells what TF32 does to the gradient of the Wasserstein distance, by rounding on the processor.

Run: python tools/numbers/round_roots.py [--filters 64 128 256]   (ten seconds)

GPUs may round the factors of float32 products to ten bits. Here `trace_of_root`, whose gradient the
loss needs, is computed for covariances whose eigenvalues fall from 1 to 0.00001: in float64, in
float32, and in float32 with each factor of a product of matrices rounded. Prints the distance of
trace and gradient from float64's, relative to their norms.
"""

import argparse
import sys
from typing import Any
from unittest import mock

import numpy as np
import tensorflow as tf

from tf_style.losses import matrix_root

_matmul = tf.matmul


def rounded_product(a: Any, b: Any) -> tf.Tensor:
    """Returns the product of float32 matrices whose numbers are rounded to TF32's ten bits."""
    return _matmul(
        *(tf.bitcast((tf.bitcast(x, tf.int32) + 0x1000) & ~0x1FFF, tf.float32) for x in (a, b))
    )


def trace_and_gradient(matrix: np.ndarray, dtype: tf.DType) -> tuple[np.ndarray, np.ndarray]:
    """Returns the trace of the root of a matrix and its gradient, in float64."""
    trace, gradient = matrix_root.trace_and_gradient(tf.constant(matrix[np.newaxis], dtype))
    found = trace[0], gradient(tf.ones([1], dtype))[0]
    return np.asarray(found[0], np.float64), np.asarray(found[1], np.float64)


def main() -> int:
    """Prints a row for each size and kind of rounding."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--filters", type=int, nargs="+", default=[64, 128, 256])
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    print("filters | products | trace | gradient")
    for filters in options.filters:
        turn, _ = np.linalg.qr(rng.normal(size=(filters, filters)))
        matrix = (turn * np.geomspace(1.0, 1e-5, filters)) @ turn.T
        exact = trace_and_gradient(matrix, tf.float64)
        found = {"float32": trace_and_gradient(matrix, tf.float32)}
        with mock.patch.object(tf, "matmul", rounded_product):
            found["TF32"] = trace_and_gradient(matrix, tf.float32)
        for name, pair in found.items():
            off = [
                np.linalg.norm(a - b) / np.linalg.norm(b) for a, b in zip(pair, exact, strict=True)
            ]
            print(f"{filters} | {name} | {off[0]:.1e} | {off[1]:.1e}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
