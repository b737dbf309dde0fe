"""Measures the memory of a process that paints pictures of ever new sizes, and its graphs.

Run: python tools/memory/measure_sizes.py [--sizes=500] [--network=mini|vgg19]
(about 8 minutes on two cores with the small network of the tests, 20 with VGG-19)

Paints a picture of each size once: sizes from 48 to 112 px, all different, in an order drawn by a
seed. Prints a row after every 25: resident memory in MB, what the C library holds of it, and the
graphs (`tf.Graph`) that are alive.
"""

import argparse
import ctypes
import gc
import random
import sys
import time
from pathlib import Path

import numpy as np
import tensorflow as tf

import tf_style


def main() -> None:
    """Paints and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, default=500)
    parser.add_argument("--network", choices=("mini", "vgg19"), default="mini")
    parser.add_argument("--optimizer", default="lbfgs")
    parser.add_argument("--trim", action="store_true", help="return free memory to the system")
    options = parser.parse_args()
    if options.network == "mini":
        _use_mini_network()
    config = tf_style.StyleConfig().replace(
        size=0, steps=3, scales="none", optimizer=options.optimizer
    )
    sizes = [(height, width) for height in range(48, 113) for width in range(48, 113)]
    random.Random(1).shuffle(sizes)
    rng = np.random.default_rng(1)
    print("| sizes | MB | MB in use | graphs | s a size |\n|---|---|---|---|---|", flush=True)
    began = time.perf_counter()
    for number, size in enumerate(sizes[: options.sizes], 1):
        picture = rng.integers(0, 256, (*size, 3), np.uint8)
        tf_style.stylize(picture, picture[::-1], config=config)
        if number in (1, 5, 10) or number % 25 == 0:
            gc.collect()
            if options.trim:
                ctypes.CDLL(None).malloc_trim(0)
            graphs = sum(isinstance(each, tf.Graph) for each in gc.get_objects())
            seconds = (time.perf_counter() - began) / number
            resident = _resident()
            print(
                f"| {number} | {resident:.0f} | {_allocated():.0f} | {graphs} | {seconds:.2f} |",
                flush=True,
            )


def _use_mini_network() -> None:
    sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "support"))
    import pytest
    from mini_network import make_mini_layers, use_mini_network

    use_mini_network(pytest.MonkeyPatch(), make_mini_layers())


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


class _Mallinfo(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        )
    ]


def _allocated() -> float:
    """Returns what the C library has given out and not got back, in MB."""
    library = ctypes.CDLL(None)
    library.mallinfo2.restype = _Mallinfo
    found = library.mallinfo2()
    return (found.uordblks + found.hblkhd) / 1e6


if __name__ == "__main__":
    main()
