"""Measures evaluations in tiles: equal to the whole image's, at what cost, in how much memory.

    python tools/measure_tiling.py PHOTO PAINTING --size=7000 --compare_size=1024

The photo is brought to square sizes. At `size` two evaluations are timed, and their peak of memory
read, with the targets in place; at `compare_size` the loss and its gradient are compared with those
of the whole image, and timed in turn. Prints one line for each.
"""

import json
import time
from pathlib import Path

from absl import app, flags

from tf_style.cli import process

SIZE = flags.DEFINE_integer("size", 2048, "Longer edge of the large picture, px; 0 for none.")
COMPARED = flags.DEFINE_integer("compare_size", 1024, "Longer edge of the compared one, px.")
KEPT = flags.DEFINE_list("kept", ["1", "2", "3", "4"], "Poolings whose outputs are kept.")
SIDES = flags.DEFINE_list("sides", ["768", "768", "1536", "2304", "3072"], "Of tiles, px.")
ON_DISK = flags.DEFINE_bool("on_disk", True, "Keep what is kept in files.")
REPEATS = flags.DEFINE_integer("repeats", 3, "Times each evaluation is timed.")


def peak() -> float:
    """Returns the most memory the process has held since `forget_peak`, GB."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e9


def forget_peak() -> None:
    """Begins a new measurement of the peak."""
    Path("/proc/self/clear_refs").write_text("5")


def main(arguments: list[str]) -> None:
    """Measures and prints."""
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
    content, style = (reading.read_picture(path).image for path in arguments[1:3])
    config = tf_style.StyleConfig()
    extractor = load_extractor(
        config.network, layers=config.loss.layers, arithmetic=arithmetic("float32")
    )
    whole = tf_style.Objective(extractor, config.loss)
    kept = tuple(f"block{number}_pool" for number in KEPT.value)
    tiling = Tiling(kept, tuple(map(int, SIDES.value)), 256, ON_DISK.value)
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
    tiled.targets(painting, painting)  # Which traces.
    seconds = None
    if SIZE.value:  # First, as memory that TensorFlow once took is never given back.
        image = square(SIZE.value)
        targets = tiled.targets(image, painting)
        forget_peak()
        with tiled.keeping_memory():
            first = timed(tiled, image, targets)[2]
            value, gradient, seconds = timed(tiled, image, targets)
        found = {
            "size": SIZE.value,
            "loss": value,
            "gradient_is_finite": bool(np.isfinite(gradient.numpy()).all()),
            "seconds_per_megapixel": [round(first, 2), round(seconds, 2)],
            "peak_gb": round(peak(), 2),
        }
        print(json.dumps(found), flush=True)
        del targets, image, gradient
    image = square(COMPARED.value)
    targets = whole.targets(image, painting)
    image += tf.random.stateless_normal(image.shape, (0, 0), 0.0, 0.02)
    with tiled.keeping_memory():
        pairs = [
            (timed(whole, image, targets), timed(tiled, image, targets))
            for _ in range(REPEATS.value + 1)
        ]
    (value, gradient, _), (ours, our_gradient, _) = pairs[0]
    costs = np.array([[each[2] for each in pair] for pair in pairs[1:]])
    found = {
        "size": COMPARED.value,
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
    app.run(main)
