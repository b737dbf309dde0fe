"""Times an evaluation of loss and gradient against the machine's matrix-multiply peak.

Run: python tools/speed/bench_evaluation.py [--arithmetic=direct] (about 4 minutes on two cores)

For each size (longer edge, 4:3), prints seconds, GFLOP/s, the share of the matrix-multiply peak (of
bfloat16 for that arithmetic, else of float32), the share of the time that the convolutions take
alone (with bias and ReLU; the rest are Gram matrices and passes over memory), seconds per
megapixel, and the cost of L-BFGS itself: a step minus an evaluation, in evaluations. Peak,
evaluations and steps are timed in turn, because the speed of shared machines drifts; each ratio is
the median of ratios of neighboring timings. Only the operations of direct convolutions (forward,
and backward to the image) and of Gram matrices (one product forward, one backward) are counted.
Winograd's algorithm needs a quarter of the products, so its share may exceed 1.
"""

import argparse
import functools
import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

import tf_style
from tf_style import vgg19
from tf_style.cli import process

if TYPE_CHECKING:
    import keras

MATRIX_SIDE = 3072


def evaluation_flops(height: int, width: int, config: tf_style.LossConfig) -> float:
    """Returns the floating-point operations of one loss+gradient evaluation."""
    total = 0.0
    style = dict(config.style_layers)
    for name in vgg19.up_to(config.layers):
        if name not in vgg19.CONVOLUTIONS:
            continue
        _, _, channels, filters = vgg19.KERNEL_SHAPES[name]
        scale = 2 ** (int(name[5]) - 1)
        positions = (height // scale) * (width // scale)
        total += 2 * (2 * 9 * positions * channels * filters)
        if name in style:
            total += 2 * (2 * positions * filters**2)
    return total


def seconds_of(run: Callable[[], object]) -> float:
    """Returns the seconds of one call."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def convolution_seconds(extractor: "keras.Model", height: int, width: int) -> float:
    """Returns the seconds of all convolutions of an evaluation, each timed alone, many times."""
    import tensorflow as tf

    total = 0.0
    for layer in extractor.layers:
        if layer.name not in vgg19.CONVOLUTIONS:
            continue
        scale = 2 ** (int(layer.name[5]) - 1)
        dtype = tf.as_dtype(layer.input.dtype)
        inputs = tf.zeros([1, height // scale, width // scale, layer.input.shape[-1]], dtype)
        forward = tf.function(layer, autograph=False)
        calls = [functools.partial(forward, inputs)]
        if layer.name != vgg19.CONVOLUTIONS[0]:
            backward = tf.function(layer.sent_back, autograph=False)
            calls.append(functools.partial(backward, forward(inputs)))
        for call in calls:
            call()
            total += min(seconds_of(call) for _ in range(9))
    return total


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    sizes = [128, 256, 512, 1024]
    parser.add_argument("--sizes", type=int, nargs="+", default=sizes, help="longer edges, px")
    parser.add_argument("--repeats", type=int, default=7, help="timings of each size")
    parser.add_argument("--preset", default="default")
    parser.add_argument("--pooling", choices=("avg", "max"))
    parser.add_argument("--arithmetic", help="direct, winograd or bfloat16")
    arguments = parser.parse_args()
    process.set_environment()
    import tensorflow as tf

    from tf_style.engine.assembly import make_problem
    from tf_style.engine.problem import ProblemData
    from tf_style.network.arithmetic import arithmetic, laid_out

    arithmetic_name = arguments.arithmetic or arithmetic("auto")
    config = tf_style.preset(arguments.preset)
    if arguments.pooling:
        config = config.replace(pooling=arguments.pooling)
    layer_arrays = tf_style.load_weights(config.network.weights, notify=print).layers
    problem = make_problem(layer_arrays, config, laid_out(arithmetic_name))
    objective, parametrization = problem.objective, problem.parametrization
    rng = np.random.default_rng(0)
    dtype = tf.bfloat16 if arithmetic_name == "bfloat16" else tf.float32
    matrix = tf.constant(rng.normal(size=(MATRIX_SIDE, MATRIX_SIDE)), dtype)
    multiply = tf.function(lambda: tf.matmul(matrix, matrix))
    multiply()

    pooling = config.network.pooling
    print(f"arithmetic={arithmetic_name}, pooling={pooling}, median of {arguments.repeats}")
    print(
        "size        seconds   GFLOP/s   peak GFLOP/s   share of peak   convolutions   s/megapixel"
        "   L-BFGS adds"
    )
    for size in arguments.sizes:
        height, width = size * 3 // 4, size
        image, content, style = (
            tf.constant(rng.uniform(size=(1, height, width, 3)), tf.float32) for _ in range(3)
        )
        targets = objective.targets(content, style)
        objective.value_and_gradient(image, targets)
        basis = parametrization.basis(height, width)
        start, data = parametrization.to_position(image, basis), ProblemData(targets, basis)

        def steps(
            number: int, start: tf.Tensor = start, data: ProblemData = data
        ) -> tf_style.Solution:
            return tf_style.minimize_lbfgs(
                problem.value_and_gradient,
                start,
                arguments=(data,),
                num_steps=number,
                slice_seconds=1e9,
            )

        steps(1)
        flops = evaluation_flops(height, width, config.loss)
        times, peaks, shares, added = [], [], [], []
        for _ in range(arguments.repeats):
            before = seconds_of(multiply)
            taken = seconds_of(lambda: objective.value_and_gradient(image, targets)[1].numpy())  # noqa: B023
            after = seconds_of(multiply)
            few = seconds_of(lambda: steps(1))
            more = seconds_of(lambda: steps(4))
            added.append((more - few) / 3 / taken - 1.0)
            peak = 2 * MATRIX_SIDE**3 / min(before, after)
            times.append(taken)
            peaks.append(peak)
            shares.append(flops / taken / peak)
        taken, peak = statistics.median(times), statistics.median(peaks)
        convolutions = convolution_seconds(objective.extractor, height, width) / min(times)
        print(
            f"{width:4d}x{height:<4d} {taken:9.3f} {flops / taken / 1e9:9.1f} {peak / 1e9:14.1f} "
            f"{statistics.median(shares):14.1%} {convolutions:14.1%} "
            f"{taken / height / width * 1e6:13.2f} {statistics.median(added):13.1%}",
            flush=True,
        )


if __name__ == "__main__":
    main()
