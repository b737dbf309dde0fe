"""Compares evaluations in tiles with the whole image: equality, cost and peak memory.

Run: python tools/memory/measure_tiling.py CONTENT STYLE --size=7000 --compare_size=1024
(about 15 minutes on two cores, 3 with the default size, 1 with --size=0)

The content is resized to squares. At `--size`, two evaluations are timed and their peak memory is
read, with the targets in memory. At `--compare_size`, loss and gradient are compared with those of
the whole image, and both are timed in turn. Prints a line of JSON for each.
"""

import argparse
import json
import time
from pathlib import Path

from tf_style.cli import process


def peak() -> float:
    """Returns the peak memory of the process since `forget_peak`, GB."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e9


def forget_peak() -> None:
    """Starts a new measurement of the peak."""
    Path("/proc/self/clear_refs").write_text("5")


def numbers(text: str) -> tuple[int, ...]:
    """Returns whole numbers separated by commas."""
    return tuple(map(int, text.split(",")))


def parse() -> argparse.Namespace:
    """Returns the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("content")
    add("style")
    add("--size", type=int, default=2048, help="side of the large picture, px; 0 skips it")
    add("--compare_size", type=int, default=1024, help="side of the compared picture, px")
    add("--kept", type=numbers, default=(1, 2, 3, 4), help="poolings whose outputs are stored")
    sides = (768, 768, 1536, 2304, 3072)
    add("--sides", type=numbers, default=sides, help="sides of the tiles in each segment, px")
    action = argparse.BooleanOptionalAction
    add("--on_disk", action=action, default=True, help="store feature maps in files")
    add("--repeats", type=int, default=3, help="timings of each evaluation")
    return parser.parse_args()


def main() -> None:
    """Measures and prints."""
    options = parse()
    process.set_environment()
    import numpy as np
    import tensorflow as tf

    import tf_style
    from tf_style.images import reading, resizing
    from tf_style.network.arithmetic import arithmetic
    from tf_style.network.extractor import load_extractor
    from tf_style.tiling.tiled_objective import TiledObjective
    from tf_style.tiling.tiles import Tiling

    process.tune_tensorflow()
    content, style = (reading.read_picture(path).image for path in (options.content, options.style))
    config = tf_style.StyleConfig()
    extractor = load_extractor(
        config.network, layers=config.loss.layers, arithmetic=arithmetic("float32")
    )
    whole = tf_style.Objective(extractor, config.loss)
    kept = tuple(f"block{number}_pool" for number in options.kept)
    tiling = Tiling(kept, options.sides, 256, options.on_disk)
    tiled = TiledObjective(whole, tiling)

    def square(size: int) -> tf.Tensor:
        return tf.constant(np.clip(resizing.resize(content, (size, size)), 0.0, 1.0))

    def timed(
        objective: tf_style.Objective | TiledObjective, image: tf.Tensor, targets: tf_style.Targets
    ) -> tuple[float, tf.Tensor, float]:
        began = time.perf_counter()
        value, gradient = objective.value_and_gradient(image, targets)
        value = float(value)
        pixels = image.shape[1] * image.shape[2]
        return value, gradient, (time.perf_counter() - began) / pixels * 1e6

    painting = tf.constant(resizing.resize(style, resizing.fit(style.shape[1:3], 512)))
    tiled.targets(painting, painting)  # Traces the graphs.
    seconds = None
    if options.size:  # First, since TensorFlow never returns memory to the system.
        image = square(options.size)
        targets = tiled.targets(image, painting)
        forget_peak()
        with tiled.keeping_memory():
            first = timed(tiled, image, targets)[2]
            value, gradient, seconds = timed(tiled, image, targets)
        found = {
            "size": options.size,
            "loss": value,
            "gradient_is_finite": bool(np.isfinite(gradient.numpy()).all()),
            "seconds_per_megapixel": [round(first, 2), round(seconds, 2)],
            "peak_gb": round(peak(), 2),
        }
        print(json.dumps(found), flush=True)
        del targets, image, gradient
    image = square(options.compare_size)
    targets = whole.targets(image, painting)
    image += tf.random.stateless_normal(image.shape, (0, 0), 0.0, 0.02)
    with tiled.keeping_memory():
        pairs = [
            (timed(whole, image, targets), timed(tiled, image, targets))
            for _ in range(options.repeats + 1)
        ]
    (value, gradient, _), (ours, our_gradient, _) = pairs[0]
    costs = np.array([[each[2] for each in pair] for pair in pairs[1:]])
    found = {
        "size": options.compare_size,
        "loss_gap": abs(ours / value - 1.0),
        "gradient_gap": float(tf.norm(our_gradient - gradient) / tf.norm(gradient)),
        "whole_seconds_per_megapixel": costs[:, 0].round(2).tolist(),
        "tiled_seconds_per_megapixel": costs[:, 1].round(2).tolist(),
        "cost": np.median(costs[:, 1] / costs[:, 0]).round(3),
    }
    if seconds:
        found["cost_of_the_large_one"] = round(seconds / float(np.median(costs[:, 0])), 3)
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
