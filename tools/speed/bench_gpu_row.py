"""Measures one row of bench_gpu.py with JAX, in a process of its own.

Run: python tools/speed/bench_gpu_row.py FOLDER PROGRAM WIDTH HEIGHT PRECISION [--repeats=20]
     python tools/speed/bench_gpu_row.py FOLDER device
(seconds, besides compilation; FOLDER is what bench_gpu.py --write wrote)

Prints the columns of the row as JSON, in words; for `device`, what JAX runs on.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "exports")]

PROGRAMS = {
    "evaluation": "loss_and_gradient_from_targets",
    "stylize": "stylize",
    "step": "step",
}
"""The exported program that a kind of row measures."""

WRITTEN_AS = {"float32": "float32", "TF32": "float32", "bfloat16": "bfloat16"}
"""The precision that the programs of a row are exported with."""

_SIDE = 8192  # Side of the multiplied matrices on a GPU; a quarter of it on a CPU.


class Row(NamedTuple):
    """What one row measures: a program or pastiche, the pictures' size in px, a precision."""

    program: str
    width: int
    height: int
    precision: str

    @property
    def part(self) -> str:
        """The folder of its program."""
        return f"{self.program}/{self.width}x{self.height}_{WRITTEN_AS[self.precision]}"

    @property
    def weights(self) -> str:
        """The file of its program's weights."""
        return f"weights_{WRITTEN_AS[self.precision]}.npz"


def main() -> int:
    """Measures the row that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("row", nargs="+")
    parser.add_argument("--repeats", type=int, default=20, help="timings, at most 3 of `stylize`")
    parser.add_argument("--cache", type=Path, help="folder for compiled programs")
    options = parser.parse_args()
    import stablehlo_jax

    device = stablehlo_jax.start(options.cache)
    if options.row == ["device"]:
        versions = f"{stablehlo_jax.versions()}, {device.device_kind}"
        print(json.dumps({"note": versions, "platform": device.platform}))
        return 0
    name, width, height, precision = options.row
    row = Row(name, int(width), int(height), precision)
    print(json.dumps(measured(options.folder, row, options.repeats, device)))
    return 0


def measured(folder: Path, row: Row, repeats: int, device: Any) -> dict[str, str]:
    """Returns the columns of a row."""
    import stablehlo_jax

    name = PROGRAMS[row.program]
    path, names = (
        folder / row.part / f"{name}.mlir",
        stablehlo_jax.described(folder / row.part)[name],
    )
    # What is still float32 in a bfloat16 program need not be more precise than TF32.
    precision = "float32" if row.precision == "float32" else "TF32"
    program = stablehlo_jax.compiled(path, names, precision)
    given = stablehlo_jax.on_device(folder / row.weights, device)
    if row.program == "step":
        given |= stablehlo_jax.on_device(folder / row.part / "arguments.npz", device)
    else:
        others = {key: kind for key, kind in program.arguments.items() if key not in given}
        given |= _arguments(others, row, device)

    def call() -> dict[str, Any]:
        found = program.execute(given)
        if row.program == "step":  # The next frame starts from this one.
            given.update({key: value for key, value in found.items() if key in given})
        return found

    found, milliseconds = stablehlo_jax.timed(
        call, min(repeats, 3) if row.program == "stylize" else repeats
    )
    columns = {
        "compiled, s": f"{program.seconds:.1f}",
        "ms": f"{milliseconds:.2f}",
        "planned, GiB": f"{program.num_bytes / stablehlo_jax.GIB:.3g}",
    }
    if peak := (device.memory_stats() or {}).get("peak_bytes_in_use"):
        columns["peak, GiB"] = f"{peak / stablehlo_jax.GIB:.3g}"
    if row.program == "evaluation":
        about = json.loads((folder / "bench.json").read_text(encoding="utf-8"))
        rate = about["operations"][str(row.width)] / milliseconds / 1e9
        most = _matmul_rate(device, row.precision)
        note = f"matrix product {most:.3g} TFLOP/s"
        return {**columns, "TFLOP/s": f"{rate:.3g}", "share": f"{rate / most:.0%}", "note": note}
    note = f"loss {float(found['loss']):.5g}"
    if row.program == "stylize":
        note = f"{int(found['num_evaluations'])} evaluations, {note}"
    else:
        note = f"{1e3 / milliseconds:.3g} frames a second, {note}"
    return {**columns, "note": note}


def _arguments(kinds: dict[str, Any], row: Row, device: Any) -> dict[str, Any]:
    """Returns pictures, and random numbers for what else a program takes."""
    import jax

    rng = np.random.default_rng(0)
    given = {}
    for name, kind in kinds.items():
        if name in ("content", "style", "image"):
            pixels = picture(name == "style", row.height, row.width)
            values = pixels[np.newaxis] / 255.0
        else:
            values = rng.uniform(0.1, 1.0, kind.shape)
        given[name] = jax.device_put(values.astype(kind.dtype), device)
    return given


def picture(seed: int, height: int, width: int) -> np.ndarray:
    """Returns a picture of waves and noise, uint8 `[height, width, 3]`."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width, :1][:2] / 40.0
    down, right, phase = rng.uniform(0.2, 3.0, (3, 3))
    waves = 0.5 + 0.35 * np.sin(down * rows + right * columns + phase)
    noisy = waves + rng.normal(0.0, 0.05, (height, width, 3))
    return np.round(255.0 * np.clip(noisy, 0.0, 1.0)).astype(np.uint8)


def _matmul_rate(device: Any, kind: str) -> float:
    """Returns TFLOP/s of a square matrix product."""
    import jax
    import stablehlo_jax

    side = _SIDE // 4 if device.platform == "cpu" else _SIDE
    dtype, precision = {
        "float32": ("float32", "highest"),
        "TF32": ("float32", "tensorfloat32"),
        "bfloat16": ("bfloat16", "default"),
    }[kind]
    values = np.random.default_rng(0).normal(size=(side, side))
    matrix = jax.device_put(values.astype(np.float32), device).astype(dtype)
    product = jax.jit(lambda left, right: jax.numpy.matmul(left, right, precision=precision))
    _, milliseconds = stablehlo_jax.timed(lambda: product(matrix, matrix).block_until_ready(), 10)
    return 2.0 * side**3 / milliseconds / 1e9


if __name__ == "__main__":
    sys.exit(main())
