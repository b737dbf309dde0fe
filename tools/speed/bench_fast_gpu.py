"""Times the pass of a style network with XLA on a GPU, by StableHLO programs.

Run, where TensorFlow is:   python tools/speed/bench_fast_gpu.py write FOLDER [--network=default]
                                    [--sizes 512 1024 2048]   (half a minute)
where JAX is:               python tools/speed/bench_fast_gpu.py run FOLDER [--repeats=20]
                                    (seconds for each program)

`run` needs JAX and the folder tools/, and nothing of tf_style. It prints a row for each square size
and precision: the seconds of compilation, the median milliseconds of a picture that is on the
device and, for the first size, the greatest and mean difference, in steps of 8 bits, from
TensorFlow's float32 on the machine that wrote the folder. On GPUs, float32 convolutions use TF32.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "exports"))
import stablehlo_jax

PRECISIONS, PICTURE = ("float32", "bfloat16"), "picture"


def photograph(side: int) -> np.ndarray:
    """Returns waves with noise, float32 `[1, side, side, 3]`, 0..1."""
    rows, columns = np.mgrid[:side, :side].astype(np.float32) / 40.0
    waves = 0.5 + 0.3 * np.sin(np.stack([rows, columns, rows + columns], -1))
    noise = np.random.default_rng(0).normal(0.0, 0.05, waves.shape)
    return np.clip(waves + noise, 0.0, 1.0).astype(np.float32)[np.newaxis]


def write(options: argparse.Namespace) -> int:
    """Writes a program for each size and precision."""
    import tensorflow as tf

    from tf_style import feedforward
    from tf_style.export.programs import Program, with_weights
    from tf_style.export.stablehlo import write_programs
    from tf_style.files.new_folder import check_new_folder, new_folder

    output = check_new_folder(options.folder, argument="folder")
    painters = {each: feedforward.load(options.network, precision=each) for each in PRECISIONS}
    programs = {
        f"paint_{side}_{precision}": Program(
            with_weights(lambda images, paint=painter: {PICTURE: paint(images)}, painter),
            {f"photograph_{side}": tf.constant(photograph(side))},
        )
        for side in options.sizes
        for precision, painter in painters.items()
    }
    expected = painters["float32"](photograph(options.sizes[0])).numpy()
    with new_folder(output) as folder:
        described = write_programs(folder, programs, painters["float32"], check=False)
        np.savez(folder / "expected.npz", allow_pickle=False, **{PICTURE: expected})
        about = json.dumps({"programs": described}, indent=2)
        (folder / stablehlo_jax.ABOUT).write_text(about + "\n", encoding="utf-8")
    return 0


def run(options: argparse.Namespace) -> int:
    """Compiles and times the programs."""
    import jax

    device = stablehlo_jax.start(options.cache)
    print(f"{stablehlo_jax.versions()}, {device.device_kind}")
    weights = stablehlo_jax.on_device(options.folder / "weights.npz", device)
    expected = np.load(options.folder / "expected.npz")[PICTURE]
    print("program | compiled in s | ms a picture | greatest and mean difference, of 255")
    for name, names in stablehlo_jax.described(options.folder).items():
        path = options.folder / f"{name}.mlir"
        program = stablehlo_jax.compiled(path, names, "TF32-convolutions")
        side = int(name.split("_")[1])
        given = weights | jax.device_put({f"photograph_{side}": photograph(side)}, device)
        found, milliseconds = stablehlo_jax.timed(lambda: program.execute(given), options.repeats)  # noqa: B023
        cells = [name, f"{program.seconds:.1f}", f"{milliseconds:.2f}"]
        if expected.shape[1] == side:
            off = 255.0 * np.abs(np.asarray(found[PICTURE]) - expected)
            cells.append(f"{off.max():.2f}, {off.mean():.3f}")
        print(" | ".join(cells), flush=True)
    return 0


def main() -> int:
    """Writes the programs, or runs them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(required=True)
    writing = commands.add_parser("write", help="write the programs, where TensorFlow is")
    writing.add_argument("folder", type=Path)
    writing.add_argument("--network", default="default", help="'default' or a .tfstyle file")
    writing.add_argument("--sizes", type=int, nargs="+", default=[512, 1024, 2048], help="px")
    writing.set_defaults(call=write)
    running = commands.add_parser("run", help="time them, where JAX is")
    running.add_argument("folder", type=Path)
    running.add_argument("--repeats", type=int, default=20)
    running.add_argument("--cache", type=Path, help="folder for compiled programs")
    running.set_defaults(call=run)
    options = parser.parse_args()
    try:
        return options.call(options)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
