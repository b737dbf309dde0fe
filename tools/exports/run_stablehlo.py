"""Runs the programs of `tf_style export --format=stablehlo` with JAX, without TensorFlow.

Run: python tools/exports/run_stablehlo.py FOLDER [--repeats=20] [--tolerance=1e-3]
[--precision=float32] (under a minute for small pictures; needs `pip install jax`, or `jax[cuda13]`
on a GPU, and nothing of tf_style)

For each program, prints the seconds of compilation, the median milliseconds of a run, and the
distance of the results from TensorFlow's on the machine that wrote the folder: the norm of the
difference relative to the norm. With `--precision=TF32`, GPUs may round the factors of float32
products to ten bits. The exit code is 1 if a result of `targets` or
`loss_and_gradient_from_targets` is off by more than the tolerance. A whole optimization amplifies
rounding from step to step, so `stylize` and `step` must only end with at most 1.5 times the
expected loss.
tools/speed/bench_gpu.py compares sizes and precisions.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ABOUT = "tf_style.json"
OPTIMIZATIONS = ("stylize", "step")
PRECISIONS = ("float32", "TF32")
_WORSE = 1.5
_PRODUCTS = ("stablehlo.convolution", "stablehlo.dot_general")
_HIGHEST = "[#stablehlo<precision HIGHEST>, #stablehlo<precision HIGHEST>]"


def main() -> int:
    """Runs every program of the folder and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--tolerance", type=float, default=1e-3)
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    options = parser.parse_args()
    import jax

    device = jax.devices()[0]
    print(f"jax {jax.__version__}, {device.device_kind}, {options.precision}")
    described = json.loads((options.folder / ABOUT).read_text())["programs"]
    given = on_device(options.folder / "weights.npz", device)
    given |= on_device(options.folder / "arguments.npz", device)
    wanted = np.load(options.folder / "expected.npz")
    failed = False
    print("program | compiled in s | ms a run | relative difference from TensorFlow")
    for name, program in described.items():
        began = time.perf_counter()
        execute = compiled(options.folder / f"{name}.mlir", program, device, options.precision)
        seconds = time.perf_counter() - began
        repeats = 1 if name == "stylize" else options.repeats
        found, milliseconds = timed(lambda: execute(given), repeats)  # noqa: B023
        differences = {key: relative(found[key], wanted[f"{name}:{key}"]) for key in found}
        if name in OPTIMIZATIONS:
            failed |= not found["loss"] <= _WORSE * wanted[f"{name}:loss"]
        else:
            failed |= not all(value <= options.tolerance for value in differences.values())
        row = ", ".join(f"{key} {value:.1e}" for key, value in differences.items())
        print(f"{name} | {seconds:.1f} | {milliseconds:.1f} | {row}", flush=True)
    return int(failed)


def on_device(path: Path, device: Any) -> dict[str, Any]:
    """Returns the arrays of an .npz file, on the device."""
    import jax

    return {name: jax.device_put(array, device) for name, array in np.load(path).items()}


def compiled(
    path: Path, program: dict[str, list[str]], device: Any, precision: str
) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Compiles a program; returns a function from arrays by name to results by name.

    Args:
        path: the program's file.
        program: the names of its arguments and results, in order.
        device: a JAX device.
        precision: of float32 products, one of `PRECISIONS`.
    """
    import jax
    from jax._src.interpreters import mlir
    from jax._src.lib import xla_client
    from jaxlib.mlir import ir

    with mlir.make_ir_context():
        module = ir.Module.parse(path.read_bytes())
        if precision == "float32":  # Otherwise XLA uses TF32 where available.
            highest = ir.Attribute.parse(_HIGHEST)

            def ask_for_all_bits(operation: Any) -> Any:
                if operation.name in _PRODUCTS:
                    operation.attributes["precision_config"] = highest
                return ir.WalkResult.ADVANCE

            module.operation.walk(ask_for_all_bits)
        options = xla_client.CompileOptions()
        options.num_replicas = options.num_partitions = 1
        devices = xla_client.DeviceList((device,))
        loaded = device.client.compile_and_load(module, devices, options)

    def execute(given: dict[str, Any]) -> dict[str, Any]:
        arguments = [given[name] for name in program["arguments"]]
        results = loaded.execute_sharded(arguments).disassemble_into_single_device_arrays()
        arrays = [jax.block_until_ready(result[0]) for result in results]
        return dict(zip(program["results"], arrays, strict=True))

    return execute


def timed(function: Callable[[], Any], repeats: int) -> tuple[Any, float]:
    """Returns the result, and the median milliseconds of `repeats` runs after a first one."""
    result, times = function(), []
    for _ in range(repeats):
        began = time.perf_counter()
        result = function()
        times.append(time.perf_counter() - began)
    return result, 1e3 * statistics.median(times)


def relative(found: Any, expected: np.ndarray) -> float:
    """Returns the norm of the difference relative to the expected norm, in float64."""
    difference = np.asarray(found, np.float64) - expected
    return float(np.linalg.norm(difference)) / max(float(np.linalg.norm(expected)), 1e-30)


if __name__ == "__main__":
    sys.exit(main())
