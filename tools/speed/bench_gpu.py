"""Times evaluations, a whole run and film frames with XLA on a GPU, beside pastiche.

Run: python tools/speed/bench_gpu.py [--sizes 512 1024 2048] [--stylize=512] [--step=640x360]
(within --limit=480 seconds; needs JAX with CUDA: `pip install 'jax[cuda13]'`)

If the GPU machine has no TensorFlow, write the programs elsewhere and copy the folder and tools/:

    python tools/speed/bench_gpu.py --write=programs
    python tools/speed/bench_gpu.py --read=programs

Prints a row for each size and precision as soon as it is measured, each in a process of its own:

- `evaluation`: the median milliseconds of an evaluation of loss and gradient, its rate, and the
  share that this is of a large matrix product of the same precision, timed right after. Only the
  operations of direct convolutions are counted, as in tools/speed/bench_evaluation.py.
- `stylize`: a whole run at one size, from photograph to picture.
- `step`: a call of the program `step`, which paints a frame of a film from the frame before.
- `pastiche`: a step of pastiche, where --peer_python has torch and pastiche. The same pictures.

"TF32" rounds the factors of float32 products to ten bits; processors do not have it. "bfloat16"
uses it for what stays float32. "planned" is the memory for arguments, results and temporary values
as XLA plans it, "peak" what the device had in use at most, with XLA's tuner. Compiled programs are
kept in --cache; a second start loads them. Rows that do not fit into the limit are named.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench_gpu_row import PROGRAMS, WRITTEN_AS, Row, picture

_SPEED = Path(__file__).resolve().parent
_COLUMNS = ("compiled, s", "ms", "TFLOP/s", "share", "planned, GiB", "peak, GiB", "note")
_PEER_STEPS = 20
_NO_TIME = "the limit of time"


def main() -> int:
    """Writes the programs, runs them, or both."""
    began = time.monotonic()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--sizes", type=int, nargs="+", default=[512, 1024, 2048], help="px")
    add("--stylize", type=int, default=512, help="size of the whole run; 0 skips it")
    add("--step", type=_size, default=(640, 360), help="size of frames, WIDTHxHEIGHT; 0x0 for none")
    add("--repeats", type=int, default=20, help="timings of an evaluation")
    add("--limit", type=float, default=480.0, help="seconds for everything")
    add("--cache", type=Path, help="folder for compiled programs")
    add("--peer_python", default=sys.executable, help="a Python with torch and pastiche")
    add("--write", type=Path, help="write the programs to this folder and stop")
    add("--read", type=Path, help="run the programs in this folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = options.read or options.write or Path(name)
        if not options.read:
            from tf_style.cli import process

            process.set_environment()
            with process.quiet_stderr():
                write(folder, options.sizes, options.stylize, options.step)
        if options.write:
            return 0
        options.read = folder
        return run(options, began + options.limit)


def _size(text: str) -> tuple[int, int]:
    width, height = text.split("x")
    return int(width), int(height)


def write(
    folder: Path, sizes: list[int], stylize: int, step: tuple[int, int], **settings: Any
) -> None:
    """Writes the programs of all rows, the weights once for each precision, and a list of rows.

    Args:
        folder: where to write.
        sizes: of evaluations, px.
        stylize: size of the whole run, px; 0 for none.
        step: width and height of frames, px; 0 for none.
        settings: options that differ from the default preset.
    """
    import bench_evaluation

    import tf_style
    from tf_style.export import stablehlo

    wanted = []
    for size in sizes:
        wanted.append(("evaluation", size, size))
        if size == sizes[0]:
            wanted += [("stylize", stylize, stylize)] if stylize else []
            wanted += [("step", *step)] if all(step) else []
        wanted.append(("pastiche", size, size))
    for precision in ("float32", "bfloat16"):
        config = tf_style.StyleConfig().replace(precision=precision, **settings)
        for row in (Row(*each, precision) for each in wanted if each[0] in PROGRAMS):
            stablehlo.export_stablehlo(
                folder / row.part,
                config=config,
                height=row.height,
                width=row.width,
                signatures=[PROGRAMS[row.program]],
                check=row.program == "step",  # Writes arguments: the state of an optimizer.
            )
            (folder / row.part / "weights.npz").replace(folder / row.weights)
    counts = {size: bench_evaluation.evaluation_flops(size, size, config.loss) for size in sizes}
    about = json.dumps({"rows": wanted, "operations": counts})
    (folder / "bench.json").write_text(about, encoding="utf-8")


def run(options: argparse.Namespace, deadline: float) -> int:
    """Prints the table; returns 1 if a program failed."""
    device = _of_process(_command(options, "device"), deadline)
    if "error" in device:
        print(f"JAX does not start: {device['error']}", file=sys.stderr)
        return 1
    print(device["note"])
    print(" | ".join(["program", "px", "precision", *_COLUMNS]), flush=True)
    failed = False
    with tempfile.TemporaryDirectory() as pictures:
        for row in rows(options.read, device["platform"]):
            is_peer = row.program == "pastiche"
            command = (
                peer_command(row, options.peer_python, device["platform"], Path(pictures))
                if is_peer
                else _command(options, *map(str, row))
            )
            found = _of_process(command, deadline)
            failed |= "error" in found and not is_peer and found["error"] != _NO_TIME
            values = [found.get(column, "-") for column in _COLUMNS]
            if "error" in found:
                values[-1] = f"left out: {found['error']}"
            size = f"{row.width}x{row.height}"
            print(" | ".join([row.program, size, row.precision, *values]), flush=True)
    return int(failed)


def rows(folder: Path, platform: str) -> Iterator[Row]:
    """Yields what is measured, in order."""
    about = json.loads((folder / "bench.json").read_text(encoding="utf-8"))
    for program, width, height in about["rows"]:
        for precision in WRITTEN_AS:
            has_none = (program, precision) == ("pastiche", "bfloat16")
            if not has_none and (precision != "TF32" or platform != "cpu"):
                yield Row(program, width, height, precision)


def _command(options: argparse.Namespace, *row: str) -> list[str]:
    cache = [f"--cache={options.cache}"] if options.cache else []
    words = [str(options.read), *row, f"--repeats={options.repeats}", *cache]
    return [sys.executable, str(_SPEED / "bench_gpu_row.py"), *words]


def _of_process(command: list[str], deadline: float) -> dict[str, Any]:
    """Returns the JSON that a process prints last, or an "error" in one line."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=max(deadline - time.monotonic(), 0.01),
        )
    except subprocess.TimeoutExpired:
        return {"error": _NO_TIME}
    except OSError as error:
        return {"error": str(error)}
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        named = (line for line in reversed(lines) if "Error" in line.partition(":")[0])
        return {"error": next(named, lines[-1])}
    return json.loads(done.stdout.splitlines()[-1])


def peer_command(row: Row, python: str, platform: str, folder: Path) -> list[str]:
    """Writes the pictures of a row as PPM; returns the command that times pastiche with them."""
    paths = []
    for seed, name in enumerate(("content", "style")):
        paths.append(folder / f"{name}.ppm")
        head = f"P6 {row.width} {row.height} 255\n".encode()
        paths[-1].write_bytes(head + picture(seed, row.height, row.width).tobytes())
    device = "cpu" if platform == "cpu" else "cuda"
    words = [*map(str, paths), device, row.precision, str(_PEER_STEPS)]
    return [python, str(_SPEED / "pastiche_peer.py"), "step", *words]


if __name__ == "__main__":
    sys.exit(main())
