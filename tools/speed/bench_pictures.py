"""Measures memory and time of reading and writing large pictures with libvips.

Run: python tools/speed/bench_pictures.py [--side=7000] [--folder=/tmp] (4 minutes on two cores)

Draws a square picture of waves with fine grain, writes it and reads the files back. Each row runs
in its own process and shows: the seconds; the memory held before (including the float32 image when
writing); how far the peak (`ru_maxrss`) rose above that (including the result when reading); and
the size of the file. The files are removed at the end.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tf_style.config.style_config import StyleConfig
from tf_style.images import libvips, reading, writing
from tf_style.provenance import description

DESCRIPTION = description.describe(StyleConfig(), "0" * 64)


def main() -> None:
    """Prints the table, or measures one row of it in this process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=7000, help="px")
    parser.add_argument("--folder", default=None, help="where to write the files")
    parser.add_argument("--line", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.line:
        measure(options.side, *options.line)
        return
    print("what                     seconds  held, MB  peak above, MB  file, MB", flush=True)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        lines = [("write", f"{folder}/deep.btf", "16"), ("write", f"{folder}/out.tif", "16")]
        lines += [("write", f"{folder}/out{suffix}", "8") for suffix in (".btf", ".tif", ".png")]
        lines += [("write", f"{folder}/deep.png", "16")]
        lines += [("read", f"{folder}/deep.btf", str(edge)) for edge in (options.side, 512)]
        lines += [("read", f"{folder}/deep.png", "512")]
        for line in lines:
            command = [sys.executable, __file__, f"--side={options.side}", "--line", *line]
            subprocess.run(command, check=True)


def measure(side: int, kind: str, path: str, number: str) -> None:
    """Measures and prints a row of the table."""
    libvips.vips()
    image = drawn(side) if kind == "write" else np.zeros(0)
    before, start = peak_mb(), time.perf_counter()
    if kind == "write":
        writing.save_image(path, image, None, DESCRIPTION, bits=int(number))
        what = f"write {number} bits, {Path(path).suffix}"
    else:
        found = reading.read_picture(path, long_edge=int(number)).image
        what = f"read {Path(path).suffix} to {found.shape[2]} px"
    seconds = time.perf_counter() - start
    size = Path(path).stat().st_size / 1e6
    print(
        f"{what:<24} {seconds:7.1f} {before:9.0f} {peak_mb() - before:15.0f} {size:9.0f}",
        flush=True,
    )


def drawn(side: int) -> np.ndarray:
    """Returns float32 `[1, side, side, 3]`: waves with grain of amplitude 0.01."""
    rng = np.random.default_rng(0)
    image = np.empty([1, side, side, 3], np.float32)
    x = np.linspace(0.0, 6.0, side, dtype=np.float32)
    for row in range(side):
        grain = rng.standard_normal((side, 3), dtype=np.float32)
        image[0, row] = 0.5 + 0.4 * np.sin(x * (1 + row / side))[:, None] + 0.01 * grain
    return image


def peak_mb() -> float:
    """Returns the process's peak resident memory so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
