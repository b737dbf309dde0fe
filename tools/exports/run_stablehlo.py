"""Runs the programs of `tf_style export --format=stablehlo` with JAX, without TensorFlow.

Run: python tools/exports/run_stablehlo.py FOLDER [--repeats=20] [--tolerance=1e-3]
[--precision=float32] [--cache=FOLDER] (under a minute for small pictures; needs `pip install jax`,
or `jax[cuda13]` on a GPU, and nothing of tf_style)

For each program, prints the seconds of compilation, the median milliseconds of a run, and the
distance of the results from TensorFlow's on the machine that wrote the folder: the norm of the
difference relative to the norm. Compiled programs are kept in the cache, so that a second start
takes seconds. With `--precision=TF32`, GPUs may round the factors of float32 products to ten bits.
The exit code is 1 if a result of a program is off by more than the tolerance. A whole optimization
amplifies rounding from step to step, so `stylize` and `step` must only end with at most 1.5 times
the expected loss. tools/speed/bench_gpu.py compares sizes and precisions.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import stablehlo_jax

_RUNS = ("stylize", "step")
_WORSE = 1.5


def main() -> int:
    """Runs every program of the folder and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--tolerance", type=float, default=1e-3)
    parser.add_argument("--precision", choices=stablehlo_jax.PRECISIONS, default="float32")
    parser.add_argument("--cache", type=Path, help="folder for compiled programs")
    options = parser.parse_args()
    device = stablehlo_jax.start(options.cache)
    print(f"{stablehlo_jax.versions()}, {device.device_kind}, {options.precision}")
    given = stablehlo_jax.on_device(options.folder / "weights.npz", device)
    given |= stablehlo_jax.on_device(options.folder / "arguments.npz", device)
    wanted = np.load(options.folder / "expected.npz")
    failed = False
    print("program | compiled in s | ms a run | relative difference from TensorFlow")
    for name, names in stablehlo_jax.described(options.folder).items():
        program = stablehlo_jax.compiled(options.folder / f"{name}.mlir", names, options.precision)
        repeats = 1 if name == "stylize" else options.repeats
        found, milliseconds = stablehlo_jax.timed(lambda: program.execute(given), repeats)  # noqa: B023
        differences = {key: relative(found[key], wanted[f"{name}:{key}"]) for key in found}
        if name in _RUNS:
            failed |= not found["loss"] <= _WORSE * wanted[f"{name}:loss"]
        else:
            failed |= not all(value <= options.tolerance for value in differences.values())
        row = ", ".join(f"{key} {value:.1e}" for key, value in differences.items())
        print(f"{name} | {program.seconds:.1f} | {milliseconds:.1f} | {row}", flush=True)
    return int(failed)


def relative(found: Any, expected: np.ndarray) -> float:
    """Returns the norm of the difference relative to the expected norm, in float64."""
    difference = np.asarray(found, np.float64) - expected
    return float(np.linalg.norm(difference)) / max(float(np.linalg.norm(expected)), 1e-30)


if __name__ == "__main__":
    sys.exit(main())
