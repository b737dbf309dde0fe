"""Measures our own parts of an evaluation against the operations that they replace.

Run: python tools/speed/bench_parts.py (about 20 seconds on two cores)

Prints the error of Winograd's algorithm against float64 for several sets of points; the
milliseconds of max pooling with its gradient, ours and TensorFlow's; and those of replacing one row
of the L-BFGS ring, in place and with `tf.tensor_scatter_nd_update`.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from tf_style.cli import process

if TYPE_CHECKING:
    import tensorflow as tf

POINTS = {
    "0, 1, -1, 2, -2": (0.0, 1.0, -1.0, 2.0, -2.0),
    "0, 1, -1, 1/2, -2": (0.0, 1.0, -1.0, 0.5, -2.0),
    **{f"0, {a:g}, -{a:g}, 1/{a:g}, -1/{a:g}": (0.0, a, -a, 1 / a, -1 / a) for a in (1.2, 1.5, 2)},
}
CHANNELS, FILTERS, TILES = 256, 16, 40


def winograd_error(points: tuple[float, ...]) -> tuple[float, float]:
    """Returns the relative error of 4x4 outputs in float32: by norm, and the largest."""
    from tf_style.network.winograd_matrices import transform_matrices

    rng = np.random.default_rng(0)
    tiles = np.maximum(rng.normal(size=(6, 6, TILES, CHANNELS)), 0.0)
    kernel = rng.normal(size=(3, 3, CHANNELS, FILTERS)) / np.sqrt(9 * CHANNELS)
    exact = sum(
        tiles[row : row + 4, column : column + 4] @ kernel[row, column]
        for row in range(3)
        for column in range(3)
    )
    inputs, kernels, outputs = (
        np.kron(matrix, matrix).astype(np.float32) for matrix in transform_matrices(points)
    )
    at_points = (inputs @ tiles.reshape(36, -1).astype(np.float32)).reshape(36, TILES, CHANNELS)
    weights = (kernels @ kernel.reshape(9, -1).astype(np.float32)).reshape(36, CHANNELS, FILTERS)
    found = (outputs @ (at_points @ weights).reshape(36, -1)).reshape(exact.shape)
    error = np.abs(found - exact)
    whole = np.linalg.norm(error) / np.linalg.norm(exact)
    return float(whole), float(error.max() / np.abs(exact).max())


def milliseconds(run: Callable[[], object]) -> float:
    """Returns the median of nine calls, after one that traces."""
    run()
    times = []
    for _ in range(9):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return 1e3 * statistics.median(times)


def pooling_milliseconds(pooling: "Callable[[tf.Tensor], tf.Tensor]", side: int) -> float:
    """Returns the milliseconds of pooling and its gradient, `[1, side, side, 64]`."""
    import tensorflow as tf

    inputs = tf.nn.relu(tf.random.stateless_normal([1, side, side, 64], [0, 0]))
    upstream = tf.random.stateless_normal([1, side // 2, side // 2, 64], [0, 1])

    @tf.function(autograph=False)
    def both() -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = pooling(inputs)
        return tape.gradient(outputs, inputs, upstream)

    return milliseconds(both)


def row_milliseconds(with_row: "Callable[..., tf.Tensor]", size: int) -> float:
    """Returns the milliseconds of replacing a row in a ring of 20 rows of `size` values."""
    import tensorflow as tf

    rows = 40

    @tf.function(autograph=False)
    def replace(count: tf.Tensor) -> tf.Tensor:
        ring = tf.random.stateless_uniform([20, size], [0, 0])
        values = tf.ones([size])
        return tf.while_loop(
            lambda step, _: step < count,
            lambda step, ring: (step + 1, with_row(ring, step % 20, values)),
            (0, ring),
        )[1][0, 0]

    none, all_rows = tf.constant(0), tf.constant(rows)
    return (milliseconds(lambda: replace(all_rows)) - milliseconds(lambda: replace(none))) / rows


def main() -> None:
    """Prints the three tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.parse_args()
    process.set_environment()
    import tensorflow as tf

    from tf_style.network.pooling import max_pooling
    from tf_style.optimizers import ring_buffers

    print("Winograd's points          error   largest")
    for name, points in POINTS.items():
        error, largest = winograd_error(points)
        print(f"{name:22s} {error:9.2e} {largest:9.2e}")
    print("max pooling, 64 channels   ours   TensorFlow, ms")
    for side in (256, 448):
        ours = pooling_milliseconds(max_pooling, side)
        theirs = pooling_milliseconds(lambda x: tf.nn.max_pool2d(x, 2, 2, "VALID"), side)
        print(f"{side:4d}x{side:<4d} {ours:21.1f} {theirs:10.1f}")
    print("a row of the ring       in place   copied, ms")
    for size in (3 * 512 * 384, 3 * 1024 * 768):
        in_place = row_milliseconds(
            lambda ring, row, values: ring_buffers.with_rows_in_place(ring, row, values[None]),
            size,
        )
        copied = row_milliseconds(ring_buffers.with_row, size)
        print(f"{size:9,d} values {in_place:15.2f} {copied:10.2f}")


if __name__ == "__main__":
    main()
