"""Compares tf_style with golden losses and gradients of an independent float64 program.

Run: python tools/numbers/check_golden.py FILE.npz... (a few seconds for each file)

A golden file holds: `content`, `style`, `image` float32 [1, H, W, 3], RGB 0..1;
`content_loss` (1/2 sum of squares at block4_conv2), `style_losses` (E_l of `style_layers`),
`total` = alpha * content_loss + beta * mean(style_losses), `gradient` = d total / d image,
`alpha`, `beta`, `pooling`, `normalized`. Prints each relative error. The exit code is 1 if a loss
is off by more than 1e-4 or the gradient by more than 1e-3, and 2 if a file cannot be read.
"""

import argparse
import sys

import numpy as np

import tf_style
from tf_style import vgg19
from tf_style.cli import process

LOSS_TOLERANCE = 1e-4
GRADIENT_TOLERANCE = 1e-3
CONTENT_LAYER = "block4_conv2"


def check(path: str, layer_arrays: dict) -> bool:
    """Prints the relative errors for one golden file; returns whether all are small enough."""
    import tensorflow as tf

    golden = np.load(path, allow_pickle=False)
    if not isinstance(golden, np.lib.npyio.NpzFile):
        raise ValueError("it is not an .npz archive")
    style_layers = [vgg19.canonical_layer(str(name)) for name in golden["style_layers"]]
    config = tf_style.LossConfig(
        content_weight=float(golden["alpha"]),
        style_weight=float(golden["beta"]),
        tv_weight=0.0,
        content_layers=((CONTENT_LAYER, 1.0),),
        style_layers=tuple((name, 1.0 / len(style_layers)) for name in style_layers),
        content_reduction="sum",
        relative_losses=False,
        content_power=1.0,
    )
    if golden["normalized"]:
        layer_arrays = tf_style.normalize(layer_arrays, tf_style.mean_activations())
    extractor = tf_style.build_extractor(
        layer_arrays, layers=config.layers, pooling=str(golden["pooling"])
    )
    objective = tf_style.Objective(extractor, config)
    image, content, style = (
        tf.constant(golden[name], tf.float32) for name in ("image", "content", "style")
    )
    targets = objective.targets(content, style)
    terms = objective.terms(image, targets)
    total, gradient = objective.value_and_gradient(image, targets)

    layers = terms.layers
    pairs = [("content_loss", layers[f"content/{CONTENT_LAYER}"], golden["content_loss"])]
    for name, expected in zip(style_layers, golden["style_losses"], strict=True):
        pairs.append((f"style_loss {name}", layers[f"style/{name}"], expected))
    pairs += [("total", terms.total, golden["total"]), ("value", total, golden["total"])]
    print(f"{path}: pooling={golden['pooling']} normalized={golden['normalized']}")
    good = True
    for name, found, expected in pairs:
        # A loss of exactly 0 (image equal to content) is compared at the scale of the total.
        scale = abs(float(expected)) or abs(float(golden["total"])) or 1.0
        good &= report(name, abs(float(found) - float(expected)) / scale, LOSS_TOLERANCE)
    difference = np.linalg.norm(gradient.numpy().astype(np.float64) - golden["gradient"])
    relative = float(difference / np.linalg.norm(golden["gradient"]))
    return report("gradient", relative, GRADIENT_TOLERANCE) and good


def report(name: str, error: float, tolerance: float) -> bool:
    """Prints a relative error; returns whether it is within the tolerance."""
    within = bool(error <= tolerance)
    print(f"  {name:28s} {error:9.2e}  {'ok' if within else f'ABOVE {tolerance:g}'}")
    return within


def main() -> int:
    """Checks every file named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", metavar="FILE.npz")
    parser.add_argument("--weights", default="vgg19-8bit", help="name or file")
    arguments = parser.parse_args()
    process.set_environment()
    weights = tf_style.load_weights(arguments.weights, notify=print)
    codes = [0]
    for path in arguments.files:
        try:
            codes.append(0 if check(path, weights.layers) else 1)
        except Exception as error:  # NumPy raises almost anything on damaged files.
            print(f"{path}: cannot be used as a golden file: {error}", file=sys.stderr)
            codes.append(2)
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
