"""Measures how long a run takes to return after it is cancelled, in evaluations.

Run: python tools/speed/bench_cancel.py [--size=192] [--optimizer=lbfgs] (about 1 minute)

Cancels from another thread at random moments of a run, and prints for each the seconds until
`stylize` returns, the seconds of an evaluation in the same run, and their ratio.
"""

import argparse
import random
import statistics
import threading
import time

import numpy as np

import tf_style
from tf_style.cli import process


def measure(config: tf_style.StyleConfig, delay: float) -> tuple[float, float]:
    """Returns the seconds from the cancellation to the result, and those of an evaluation."""
    rng = np.random.default_rng(0)
    size = config.size
    photograph = rng.integers(0, 256, (size * 3 // 4, size, 3), np.uint8)
    cancellation = tf_style.Cancellation()
    began: list[tuple[float, int]] = []
    asked: list[float] = []

    def cancel() -> None:
        asked.append(time.perf_counter())
        cancellation.cancel()

    def on_progress(progress: tf_style.Progress) -> None:
        if not began:  # Graphs have been traced.
            began.append((time.perf_counter(), progress.num_evaluations))
            threading.Timer(delay, cancel).start()

    result = tf_style.stylize(
        photograph,
        photograph[::-1],
        config=config,
        cancellation=cancellation,
        on_progress=on_progress,
    )
    ended = time.perf_counter()
    ((start, before),) = began
    return ended - asked[0], (ended - start) / (result.num_evaluations - before)


def main() -> None:
    """Prints a line for each cancellation, and the median and the largest ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--optimizer", default="lbfgs")
    parser.add_argument("--runs", type=int, default=8)
    arguments = parser.parse_args()
    process.tune_tensorflow()
    config = tf_style.StyleConfig(size=arguments.size).replace(
        steps=1_000_000, scales="none", optimizer=arguments.optimizer
    )
    ratios = []
    random.seed(0)
    for _ in range(arguments.runs):
        taken, evaluation = measure(config, random.uniform(2.0, 5.0))
        ratios.append(taken / evaluation)
        print(f"{taken:.3f} s, an evaluation {evaluation:.3f} s: {ratios[-1]:.2f}", flush=True)
    print(f"median {statistics.median(ratios):.2f}, largest {max(ratios):.2f} evaluations")


if __name__ == "__main__":
    main()
