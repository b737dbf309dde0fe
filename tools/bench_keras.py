"""Times what tf_style adds to Keras: StyleAugmentation, and PerceptualLoss in `model.fit`.

Run: python tools/bench_keras.py (about 4 minutes on two cores)

First images a second that StyleAugmentation restyles, all of each batch (probability 1), as a
`tf.data` map, for steps 0 (colors alone) and the default; the median of 5 batches after one that
traces. Then how far 8 crops of the photograph are from the style's Gram matrices after so many
steps: the mean over the layers of |G - A|^2 / |A|^2. Then a small image-to-image network is
trained to one style with PerceptualLoss under `mixed_bfloat16`, on random crops from a `tf.data`
pipeline: the loss of every tenth step, and the seconds. The loss of the last ten steps against
that of the first ten says whether it learns.
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

from tf_style.images import (  # noqa: E402
    reading,
    resizing,
)
from tf_style.keras import (  # noqa: E402
    PerceptualLoss,
    StyleAugmentation,
    restyling,
)
from tf_style.network.extractor import load_extractor  # noqa: E402

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
SIDES = (96, 224)
BATCH = 16
REPEATS = 5
CROP, CROPS = 96, 4


def augmentation_rate(side: int, arithmetic: str, **options: Any) -> float:
    """Returns images a second, of so many px on each side."""
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
    """Returns the relative style loss of crops, as they are and after so many steps."""
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
    """Returns pairs of equal batches of random crops: what is shown, and whose content to keep."""
    photograph = tf.constant(reading.read_picture(EXAMPLES / "content.jpg").image[0])

    def crop(seed: tf.Tensor) -> tf.Tensor:
        return tf.image.stateless_random_crop(photograph, [CROP, CROP, 3], [0, seed])

    batches = tf.data.Dataset.range(2**31 - 1).map(crop).batch(CROPS)
    return batches.map(lambda batch: (batch, batch)).prefetch(tf.data.AUTOTUNE)


def transformer() -> keras.Model:
    """Returns a small network from image to image, of any size."""
    image = keras.Input((None, None, 3))
    hidden = image
    for filters, strides in ((16, 1), (32, 2), (32, 1), (32, 1)):
        hidden = keras.layers.Conv2D(filters, 3, strides, padding="same")(hidden)
        hidden = keras.layers.GroupNormalization(-1)(hidden)
        hidden = keras.layers.Activation("relu")(hidden)
    hidden = keras.layers.UpSampling2D()(hidden)
    # What the loss sees is float32: the difference of two pictures needs more than 8 bits.
    output = keras.layers.Conv2D(3, 3, padding="same", activation="sigmoid", dtype="float32")
    return keras.Model(image, output(hidden))


class Curve(keras.callbacks.Callback):
    """Keeps the loss of every step."""

    def __init__(self) -> None:
        super().__init__()
        self.losses: list[float] = []

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Keeps a step's loss; Keras' own is the mean of all steps so far."""
        total = (logs or {})["loss"] * (batch + 1)
        self.losses.append(total - sum(self.losses))


def train(steps: int) -> None:
    """Prints the losses and the seconds of so many steps."""
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
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arithmetic", default="winograd")
    parser.add_argument("--steps", type=int, default=100, help="of training")
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
