"""Measures the effect of two half masks of one style, by distance from their seam.

Run: python tools/looks/measure_seam.py CONTENT STYLE [--size=192] [--steps=25] [--scales=auto]
(3 minutes on two cores; --steps=2 --scales=none stops before the runs diverge)

The content is repeated side by side, so that each half has the statistics of the whole. It is
stylized without masks; with a mask for each half and the same style in both; with another style in
the right half (STYLE upside down with inverted colors), which must change that half; and, for
comparison, without masks along another path to the same minimum (half the L-BFGS history). Prints,
in bands of columns, the mean absolute differences from the first, in levels of 255; and the change
of the gradient of the loss at the content by the two masks: the norm of the difference relative to
the gradient's, in percent.
"""

import argparse
import sys

import numpy as np
from PIL import Image, ImageOps

import tf_style
from tf_style.cli import process
from tf_style.inputs.control_pictures import ControlPictures
from tf_style.inputs.preparation import prepare_inputs

EDGES = (0, 8, 16, 32, 64, 128)


def main() -> int:
    """Paints the four pictures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("content")
    parser.add_argument("style")
    parser.add_argument("--size", type=int, default=192, help="longer edge of one half, px")
    parser.add_argument("--steps", type=int, default=25, help="optimizer steps")
    parser.add_argument("--scales", default="auto")
    options = parser.parse_args()
    process.set_environment()
    import tensorflow as tf

    from tf_style.engine.assembly import load_problem
    from tf_style.engine.pictures import pictures_of
    from tf_style.objective.region_targets import controlled_targets

    half = Image.open(options.content).convert("RGB")
    half.thumbnail((options.size, options.size))
    content = np.concatenate([np.asarray(half)] * 2, 1)
    style = Image.open(options.style).convert("RGB")
    other = ImageOps.invert(ImageOps.flip(style))
    left = np.zeros([*content.shape[:2], 1], np.uint8)
    left[:, : half.width] = 255
    masks = (left, 255 - left)
    config = tf_style.StyleConfig(size=0).replace(
        style_size=options.size, steps=options.steps, scales=options.scales
    )

    def painted(
        *styles: Image.Image,
        content_masks: tuple[np.ndarray, ...] = (),
        config: tf_style.StyleConfig = config,
    ) -> np.ndarray:
        result = tf_style.stylize(content, styles, config=config, content_masks=content_masks)
        return result.pixels.astype(float)

    def gradient(content_masks: tuple[np.ndarray, ...] = ()) -> np.ndarray:
        objective = load_problem(config)[0].objective
        inputs = prepare_inputs(content, style, config, ControlPictures(content_masks))
        pictures = pictures_of(inputs)
        targets = controlled_targets(
            objective, pictures.content, pictures.styles, pictures.controls
        )
        return objective.value_and_gradient(tf.constant(inputs.content), targets)[1].numpy()[0]

    slope = gradient()
    change = gradient(masks) - slope
    plain = painted(style)
    pictures = {
        "two halves": painted(style, content_masks=masks),
        "a style each": painted(style, style, content_masks=masks),
        "another road": painted(style, config=config.replace(history=10)),
        "other style": painted(style, other, content_masks=masks),
    }
    names = [*pictures, "gradient, %"]
    print("columns from the seam   " + "".join(f"{name:>16s}" for name in names))
    place = np.arange(content.shape[1]) + 0.5 - half.width
    for sign, side in ((-1.0, "left"), (1.0, "right")):
        for near, far in zip(EDGES, (*EDGES[1:], half.width), strict=True):
            band = (sign * place >= near) & (sign * place < far)
            values = [np.abs(found - plain)[:, band].mean() for found in pictures.values()]
            norms = (np.linalg.norm(each[:, band]) for each in (change, slope))
            values.append(100.0 * next(norms) / next(norms))
            print(f"{side:>6s} {near:4d} to {far:4d} px  " + "".join(f"{v:16.2f}" for v in values))
    return 0


if __name__ == "__main__":
    sys.exit(main())
