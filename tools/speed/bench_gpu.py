"""Times evaluations and a whole run with XLA on a GPU, relative to the GPU's matrix products.

Run: python tools/speed/bench_gpu.py [--sizes 512 1024 2048] [--stylize=512]
(a few minutes; needs JAX with CUDA: `pip install 'jax[cuda13]'`)

If the GPU machine has no TensorFlow, write the programs elsewhere and copy the folder and tools/:

    python tools/speed/bench_gpu.py --write=programs
    python tools/speed/bench_gpu.py --read=programs

For each size and precision, prints the median milliseconds of an evaluation of loss and gradient,
its rate, and the rate of a large matrix product of the same precision, timed right after. Only the
operations of direct convolutions are counted, as in tools/speed/bench_evaluation.py. Then prints
the seconds of a whole run at one size, from photograph to picture, without compilation. "TF32"
rounds the factors of float32 products to ten bits; CPUs do not have it.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

_SPEED = Path(__file__).resolve().parent
sys.path[:0] = [str(_SPEED), str(_SPEED.parent / "exports")]

_SIDE = 8192  # Side of the multiplied matrices on a GPU; a quarter of it on a CPU.
_EVALUATION = "loss_and_gradient_from_targets"
_PROGRAMS = {"float32": "float32", "TF32": "float32", "bfloat16": "bfloat16"}


def main() -> int:
    """Writes the programs, runs them, or both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 1024, 2048], help="px")
    parser.add_argument(
        "--stylize", type=int, default=512, help="size of the whole run; 0 skips it"
    )
    parser.add_argument("--repeats", type=int, default=20, help="timings of an evaluation")
    parser.add_argument("--write", type=Path, help="write the programs to this folder and stop")
    parser.add_argument("--read", type=Path, help="run the programs in this folder")
    options = parser.parse_args()
    if options.stylize not in (0, *options.sizes):
        parser.error(f"--stylize must be one of the sizes. Received: {options.stylize}.")
    with tempfile.TemporaryDirectory() as name:
        folder = options.read or options.write or Path(name)
        if not options.read:
            write(folder, options.sizes, options.stylize)
        if not options.write:
            run(folder, options.repeats)
    return 0


def write(folder: Path, sizes: list[int], stylize: int) -> None:
    """Writes SIZE_PRECISION/NAME.mlir, the weights once, and the operation counts."""
    from tf_style.cli import process

    process.set_environment()
    import tf_style
    from tf_style.export.stablehlo import PROGRAMS, export_stablehlo

    about: dict[str, Any] = {"stylize": stylize, "operations": {}, "programs": {}}
    for size in sizes:
        for precision in ("float32", "bfloat16"):
            config = tf_style.StyleConfig().replace(precision=precision)
            part = folder / f"{size}_{precision}"
            names = PROGRAMS if size == stylize else PROGRAMS[:2]
            export_stablehlo(
                part, config=config, height=size, width=size, signatures=names, check=False
            )
            (part / "weights.npz").replace(folder / "weights.npz")
            programs = json.loads((part / "tf_style.json").read_text())["programs"]
            about["programs"] |= programs  # The same for all sizes.
            about["operations"][str(size)] = operations(size, config.loss)
    (folder / "bench.json").write_text(json.dumps(about), encoding="utf-8")


def operations(size: int, config: Any) -> float:
    """Returns the floating-point operations of one loss+gradient evaluation."""
    import bench_evaluation

    return bench_evaluation.evaluation_flops(size, size, config)


def run(folder: Path, repeats: int) -> None:
    """Prints the table and the seconds of a whole run."""
    import jax
    import run_stablehlo

    device = jax.devices()[0]
    about = json.loads((folder / "bench.json").read_text())
    weights = run_stablehlo.on_device(folder / "weights.npz", device)
    kinds = [kind for kind in _PROGRAMS if device.platform != "cpu" or kind != "TF32"]
    rng = np.random.default_rng(0)
    print(f"jax {jax.__version__}, {device.device_kind}")
    print("size | precision | ms an evaluation | TFLOP/s | matrix product, TFLOP/s | share")
    whole = []
    for size, count in about["operations"].items():
        sides = (1, int(size), int(size), 3)
        pictures = {
            name: jax.device_put(rng.uniform(size=sides).astype(np.float32), device)
            for name in ("content", "style", "image")
        }
        for kind in kinds:
            part = folder / f"{size}_{_PROGRAMS[kind]}"

            def program(name: str, part: Path = part, kind: str = kind) -> Any:
                precision = "TF32" if kind == "TF32" else "float32"
                described = about["programs"][name]
                return run_stablehlo.compiled(part / f"{name}.mlir", described, device, precision)

            given = {**weights, **pictures}
            given |= program("targets")(given)
            evaluate = program(_EVALUATION)
            _, milliseconds = run_stablehlo.timed(lambda: evaluate(given), repeats)  # noqa: B023
            rate, peak = count / milliseconds / 1e9, matmul_rate(device, kind)
            row = [size, kind, f"{milliseconds:.2f}", f"{rate:.3g}", f"{peak:.3g}"]
            print(" | ".join([*row, f"{rate / peak:.0%}"]), flush=True)
            if int(size) == about["stylize"]:
                stylize = program("stylize")
                found, milliseconds = run_stablehlo.timed(lambda: stylize(given), 3)  # noqa: B023
                whole.append(
                    f"whole run, {size} px, {kind}: {milliseconds / 1e3:.2f} s, "
                    f"{int(found['num_evaluations'])} evaluations, loss {float(found['loss']):.5g}"
                )
    print("\n".join(whole))


def matmul_rate(device: Any, kind: str) -> float:
    """Returns TFLOP/s of a square matrix product."""
    import jax
    import run_stablehlo

    side = _SIDE // 4 if device.platform == "cpu" else _SIDE
    dtype, precision = {
        "float32": ("float32", "highest"),
        "TF32": ("float32", "tensorfloat32"),
        "bfloat16": ("bfloat16", "default"),
    }[kind]
    values = np.random.default_rng(0).normal(size=(side, side))
    matrix = jax.device_put(values.astype(np.float32), device).astype(dtype)
    product = jax.jit(lambda left, right: jax.numpy.matmul(left, right, precision=precision))
    _, milliseconds = run_stablehlo.timed(lambda: product(matrix, matrix).block_until_ready(), 10)
    return 2.0 * side**3 / milliseconds / 1e9


if __name__ == "__main__":
    sys.exit(main())
