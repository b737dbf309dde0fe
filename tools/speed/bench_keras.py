"""Times the Keras layers: StyleAugmentation, and PerceptualLoss in `model.fit`.

Run: python tools/speed/bench_keras.py (about 4 minutes on two cores)

First, the images per second that StyleAugmentation restyles in a `tf.data` map, with probability 1,
for 0 steps (colors only) and the default; the median of 5 batches after one that traces. Next, the
distance of 8 crops of the photograph from the style's Gram matrices after several numbers of steps:
the mean over the layers of |G - A|^2 / |A|^2. Last, a small image-to-image network is trained for
one style with PerceptualLoss under `mixed_bfloat16`, on random crops from a `tf.data` pipeline:
every tenth loss, the seconds, and the mean loss of the first and of the last ten steps, which
shows whether it learns.
"""

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

from tf_style.cli import process

process.set_environment()

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

from tf_style.images import reading, resizing  # noqa: E402
from tf_style.keras import (  # noqa: E402
    PerceptualLoss,
    StyleAugmentation,
    restyling,
)
from tf_style.network.extractor import load_extractor  # noqa: E402

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SIDES = (96, 224)
BATCH = 16
REPEATS = 5
CROP, CROPS = 96, 4


def augmentation_rate(side: int, arithmetic: str, **options: Any) -> float:
    """Returns images per second for square images of this side, px."""
    photograph = reading.read_picture(EXAMPLES / "content.jpg").image
    batch = np.repeat(resizing.cover(photograph, (side, side)), BATCH, 0)
    augmentation = StyleAugmentation(
        [EXAMPLES / "style.jpg", EXAMPLES / "content.jpg"],
        value_range=(0, 1),
        probability=1.0,
        seed=1,
        arithmetic=arithmetic,
        **options,
    )
    batches = iter(tf.data.Dataset.from_tensors(batch).repeat().map(augmentation.map_pair))
    next(batches)
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        next(batches)
        times.append(time.perf_counter() - began)
    return BATCH / statistics.median(times)


def style_errors(counts: tuple[int, ...]) -> dict[str, float]:
    """Returns the relative style loss of crops, before and after each number of steps."""
    layers = ["block1_conv1", "block2_conv1", "block3_conv1"]
    extractor = load_extractor(layers=layers)
    style = reading.read_picture(EXAMPLES / "style.jpg").image
    style = resizing.resize(style, resizing.fit(style.shape[1:3], 128))
    wanted = restyling.style_of(extractor, tf.constant(style))
    batch = next(iter(crops().unbatch().batch(8)))[0]
    shares = tf.ones([8, 1])

    def error(image: tf.Tensor) -> float:
        losses = restyling.relative_style_loss(extractor(image), wanted.grams)
        return float(tf.reduce_mean(losses))

    errors = {"as it is": error(batch)}
    for count in counts:
        new = restyling.restyled(
            extractor,
            batch,
            restyling.mixed(wanted, shares),
            num_steps=count,
            long_edge=CROP,
            smallest=4,
        )
        errors["colors" if count == 0 else f"{count} steps"] = error(new)
    return errors


def crops() -> tf.data.Dataset:
    """Returns pairs of equal batches of random crops: the input and the content target."""
    photograph = tf.constant(reading.read_picture(EXAMPLES / "content.jpg").image[0])

    def crop(seed: tf.Tensor) -> tf.Tensor:
        return tf.image.stateless_random_crop(photograph, [CROP, CROP, 3], [0, seed])

    batches = tf.data.Dataset.range(2**31 - 1).map(crop).batch(CROPS)
    return batches.map(lambda batch: (batch, batch)).prefetch(tf.data.AUTOTUNE)


def transformer() -> keras.Model:
    """Returns a small image-to-image network for any size."""
    image = keras.Input((None, None, 3))
    hidden = image
    for filters, strides in ((16, 1), (32, 2), (32, 1), (32, 1)):
        hidden = keras.layers.Conv2D(filters, 3, strides, padding="same")(hidden)
        hidden = keras.layers.GroupNormalization(-1)(hidden)
        hidden = keras.layers.Activation("relu")(hidden)
    hidden = keras.layers.UpSampling2D()(hidden)
    # The loss gets float32, since the difference of two pictures needs more than 8 bits.
    output = keras.layers.Conv2D(3, 3, padding="same", activation="sigmoid", dtype="float32")
    return keras.Model(image, output(hidden))


class Curve(keras.callbacks.Callback):
    """Records the loss of every step."""

    def __init__(self) -> None:
        super().__init__()
        self.losses: list[float] = []

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Records a step's loss; Keras reports the mean of all steps so far."""
        total = (logs or {})["loss"] * (batch + 1)
        self.losses.append(total - sum(self.losses))


def train(steps: int) -> None:
    """Trains for `steps` steps and prints the losses and the seconds."""
    keras.config.set_dtype_policy("mixed_bfloat16")
    keras.utils.set_random_seed(1)
    model, curve = transformer(), Curve()
    loss = PerceptualLoss(style=EXAMPLES / "style.jpg", style_size=256, arithmetic="winograd")
    model.compile(keras.optimizers.Adam(2e-3), loss=loss)
    began = time.perf_counter()
    options = {"steps_per_epoch": steps, "shuffle": False, "verbose": 0}
    model.fit(crops(), callbacks=[curve], **options)
    seconds = time.perf_counter() - began
    print(f"PerceptualLoss, mixed_bfloat16, {CROPS} crops of {CROP}x{CROP} px a step")
    for step in range(0, steps, 10):
        print(f"  step {step:4d}   loss {curve.losses[step]:10.2f}")
    first, last = (statistics.mean(part) for part in (curve.losses[:10], curve.losses[-10:]))
    print(f"  first ten {first:.2f}, last ten {last:.2f}; {seconds:.1f} s, {steps} steps")


def main() -> None:
    """Prints the three tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--arithmetic", default="winograd", help="direct, winograd or bfloat16")
    parser.add_argument("--steps", type=int, default=100, help="training steps")
    options = parser.parse_args()
    print("StyleAugmentation, images/s   colors alone   default")
    for side in SIDES:
        rates = (augmentation_rate(side, options.arithmetic, **kind) for kind in ({"steps": 0}, {}))
        print(f"{side:4d} px {next(rates):35.1f} {next(rates):9.1f}")
    print("relative style loss")
    for name, error in style_errors((0, 1, 2, 3, 5, 8)).items():
        print(f"  {name:10s} {error:8.3f}")
    train(options.steps)


if __name__ == "__main__":
    main()
