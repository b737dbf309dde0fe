"""Compares the peak memory of runs at many sizes with the estimate of `--dry_run`.

Run: python tools/memory/measure_memory.py CONTENT STYLE [--sizes=512x512,8192x2048]
[--limits=0,6,12] (about 20 minutes on two cores with the default sizes; needs `tf_style` in PATH)

The content is resized to each size first. Each run is a process of its own with few steps; its
peak is the largest resident set, including mapped files. A limit of 0 is the automatic choice.
Prints a row for each run.
"""

import argparse
import os
import re
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

SIZES = "512x512,1024x768,1024x1024,2048x2048,4096x4096,8192x2048"


def main() -> int:
    """Measures and prints; returns 1 if an estimate is off by more than 20 %."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("content")
    parser.add_argument("style")
    parser.add_argument("--sizes", default=SIZES, help="WIDTHxHEIGHT, px")
    parser.add_argument(
        "--limits", default="0", help="values of --memory_limit, GB; 0 for automatic"
    )
    parser.add_argument("--flags", default="--scales=none --steps=2", help="flags of every run")
    options = parser.parse_args()
    print("| px | limit, GB | plan | estimate, GB | peak, GB | peak / estimate | seconds |")
    print("|---|---|---|---|---|---|---|", flush=True)
    worst = 1.0
    with tempfile.TemporaryDirectory() as folder:
        for size in options.sizes.split(","):
            picture = _picture(Path(folder), options.content, size)
            longest = max(map(int, size.split("x")))
            for limit in options.limits.split(","):
                command = ["tf_style", f"--content={picture}", f"--style={options.style}"]
                command += [f"--output={folder}/out.png", f"--size={longest}"]
                command += [*options.flags.split(), *([f"--memory_limit={limit}"] * (limit != "0"))]
                ratio = _row(Path(folder), command, size, limit)
                worst = max(worst, ratio, 1.0 / ratio)
    print(f"\nLargest error of an estimate: {worst - 1.0:.0%}")
    return int(worst > 1.2)


def _picture(folder: Path, content: str, size: str) -> Path:
    width, height = map(int, size.split("x"))
    path = folder / f"{size}.png"
    with Image.open(content) as picture:
        picture.convert("RGB").resize((width, height), Image.Resampling.BICUBIC).save(path)
    return path


def _row(folder: Path, command: list[str], size: str, limit: str) -> float:
    """Runs a command dry and for real and prints its row; returns peak / estimate."""
    dry, _, _ = _run(folder, [*command, "--dry_run"])
    said = float(re.search(r"evaluations, ([\d.]+) GB", dry)[1])  # type: ignore[index]
    plan = re.findall(r"steps, (.*), [\d.]+ GB\n", dry)[-1]
    _, held, seconds = _run(folder, command)
    ratio = held / said
    figures = f"{said:.1f} | {held:.1f} | {ratio:.2f} | {seconds:.0f}"
    print(f"| {size} | {limit} | {plan} | {figures} |", flush=True)
    return ratio


def _run(folder: Path, command: list[str]) -> tuple[str, float, float]:
    """Returns a command's output, its peak memory in GB, and its seconds."""
    log = folder / "log.txt"
    began = time.perf_counter()
    with log.open("wb") as file:
        files = [(os.POSIX_SPAWN_DUP2, file.fileno(), number) for number in (1, 2)]
        process = os.posix_spawnp(command[0], command, os.environ, file_actions=files)
        _, status, usage = os.wait4(process, 0)
    seconds = time.perf_counter() - began
    printed = log.read_text(errors="replace")
    if status:
        raise SystemExit(f"{' '.join(command)}\nfailed:\n{printed[-2000:]}")
    return printed, usage.ru_maxrss * 1024 / 1e9, seconds


if __name__ == "__main__":
    sys.exit(main())
