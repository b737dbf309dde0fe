"""Runs the programs of `tf_style export --format=stablehlo` with JAX, without TensorFlow.

Run: python run_stablehlo.py FOLDER [--repeats=20] [--tolerance=1e-3] (needs `pip install jax`, or
`jax[cuda13]` on a GPU, and nothing of tf_style)

For each program prints what compiling took, the median milliseconds of a run, and how far the
results are from those that TensorFlow gave where the folder was written: the norm of the
difference by the norm. Also times the device's own matrix product, in float32, in TF32 where it has
that, and in bfloat16, to compare with. The exit code is 1 if a result of `targets` or
`loss_and_gradient` is further off than the tolerance; a whole optimisation amplifies rounding
from step to step, so that for `stylize` the losses are compared.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax._src.interpreters import mlir
from jax._src.lib import xla_client
from jaxlib.mlir import ir

_SIDE = 8192  # Of the matrices that are multiplied on a GPU; on a CPU a quarter.


def main() -> int:
    """Runs every program of the folder and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--tolerance", type=float, default=1e-3)
    options = parser.parse_args()
    device = jax.devices()[0]
    print(f"jax {jax.__version__}, {device.device_kind}")
    for name, rate in matmul_rates(device).items():
        print(f"matrix product, {name}: {rate / 1e12:.3g} TFLOP/s")
    described = json.loads((options.folder / "programs.json").read_text())["programs"]
    given, wanted = (np.load(options.folder / f"{name}.npz") for name in ("arguments", "expected"))
    failed = False
    print("program | compiled in s | ms a run | relative difference from TensorFlow")
    for name, program in described.items():
        began = time.perf_counter()
        execute = compiled((options.folder / f"{name}.mlir").read_bytes(), device)
        seconds = time.perf_counter() - began
        arguments = [jax.device_put(given[key], device) for key in program["arguments"]]
        repeats = 1 if name == "stylize" else options.repeats
        results, milliseconds = timed(lambda: execute(arguments), repeats)  # noqa: B023
        found = dict(zip(program["results"], results, strict=True))
        differences = {
            key: relative(found[key], wanted[f"{name}:{key}"])
            for key in found
            if f"{name}:{key}" in wanted
        }
        compared = {"loss": differences.get("loss", 0.0)} if name == "stylize" else differences
        failed |= not all(value <= options.tolerance for value in compared.values())
        told = ", ".join(f"{key} {value:.1e}" for key, value in differences.items())
        print(f"{name} | {seconds:.1f} | {milliseconds:.1f} | {told}", flush=True)
    return int(failed)


def compiled(code: bytes, device: Any) -> Callable[[list], list[np.ndarray]]:
    """Returns the program, ready to run on the device."""
    with mlir.make_ir_context():
        module = ir.Module.parse(code)
        options = xla_client.CompileOptions()
        options.num_replicas = options.num_partitions = 1
        devices = xla_client.DeviceList((device,))
        program = device.client.compile_and_load(module, devices, options)

    def execute(arguments: list) -> list[np.ndarray]:
        results = program.execute_sharded(arguments).disassemble_into_single_device_arrays()
        return [jax.block_until_ready(result[0]) for result in results]

    return execute


def timed(function: Callable[[], Any], repeats: int) -> tuple[Any, float]:
    """Returns the result, and the median milliseconds of so many runs after a first one."""
    result, times = function(), []
    for _ in range(repeats):
        began = time.perf_counter()
        result = function()
        times.append(time.perf_counter() - began)
    return result, 1e3 * statistics.median(times)


def matmul_rates(device: Any) -> dict[str, float]:
    """Returns operations a second of a square matrix product, by precision."""
    side = _SIDE // 4 if device.platform == "cpu" else _SIDE
    kinds = {"float32": ("float32", "highest"), "bfloat16": ("bfloat16", "default")}
    if device.platform != "cpu":
        kinds["TF32"] = ("float32", "tensorfloat32")
    rates = {}
    for name, (dtype, precision) in kinds.items():
        matrix = jax.device_put(np.ones((side, side), np.float32), device).astype(dtype)
        product = jax.jit(lambda left, right: jax.numpy.matmul(left, right, precision=precision))  # noqa: B023
        _, milliseconds = timed(lambda: product(matrix, matrix).block_until_ready(), 5)  # noqa: B023
        rates[name] = 2.0 * side**3 / milliseconds * 1e3
    return rates


def relative(found: Any, expected: np.ndarray) -> float:
    """Returns the norm of the difference by the norm of what is expected, in float64."""
    difference = np.asarray(found, np.float64) - expected
    return float(np.linalg.norm(difference)) / max(float(np.linalg.norm(expected)), 1e-30)


if __name__ == "__main__":
    sys.exit(main())
