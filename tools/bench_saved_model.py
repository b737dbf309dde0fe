"""Compares an exported model's `stylize` with the same run in the process: picture and seconds.

Run: python tools/bench_saved_model.py CONTENT STYLE [--size=512] [--steps=25] [--rounds=3]
(about 9 minutes at 512 px on two cores; --steps=5 takes 2)

Both run in deterministic float32, in turn, after a first short run that traces. Prints the median
seconds of each, their ratio, and how many values of the saved picture differ, by how much.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tf_style.cli import process


def main() -> int:
    """Exports, runs both in turn, prints the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("content")
    parser.add_argument("style")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    process.set_environment()
    process.tune_tensorflow()
    import tensorflow as tf

    import tf_style
    from tf_style.images.writing import to_pixels
    from tf_style.inputs.inputs import prepare_inputs

    config = tf_style.StyleConfig(size=options.size).replace(
        steps=options.steps, precision="float32"
    )
    tf.config.experimental.enable_op_determinism()
    inputs = prepare_inputs(options.content, options.style, config)
    pictures = inputs.content, inputs.styles[0]
    with tempfile.TemporaryDirectory() as folder:
        tf_style.export_saved_model(Path(folder) / "1", config=config)
        model = tf_style.load(Path(folder) / "1")

    def in_process(steps: int) -> np.ndarray:
        own_size = config.replace(size=0, steps=steps, deterministic=True)
        return tf_style.stylize(*pictures, config=own_size).image

    def exported(steps: int) -> np.ndarray:
        return model.stylize(*pictures, num_steps=steps)["image"].numpy()

    runs = {"in the process": in_process, "exported": exported}
    for run in runs.values():
        run(1)
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    found = {}
    for _ in range(options.rounds):
        for name, run in runs.items():
            began = time.perf_counter()
            found[name] = run(options.steps)
            seconds[name].append(time.perf_counter() - began)
    for name, times in seconds.items():
        print(f"{name}: {statistics.median(times):.1f} s (of {options.rounds})")
    ratios = [b / a for a, b in zip(*seconds.values(), strict=True)]
    print(f"exported / in the process: {statistics.median(ratios):.3f}")
    pixels = [to_pixels(image).astype(int) for image in found.values()]
    difference = np.abs(pixels[0] - pixels[1])
    share = np.mean(difference > 0)
    print(
        f"values of the saved picture that differ: {share:.2%}, at most {difference.max()} of 255"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
