"""Measures the distance between two sets of VGG-19 weights, in features and gradients.

Run: python tools/numbers/compare_weights.py CONTENT STYLE [--other=imagenet] (half a minute)

By default, the other set is the 8-bit set plus rounding errors of the codebook's size: each weight
is moved uniformly at random within its cell of the 256-entry table. That estimates the distance to
the float weights where these are not available; `--other=imagenet` measures it. Prints
|a - b| / |b| for kernels, features, Gram matrices, and the gradient of the default objective at
the content picture (256 px) and halfway to the style picture.
"""

import argparse
from typing import Any

import numpy as np

import tf_style
from tf_style import vgg19
from tf_style.cli import process
from tf_style.images import reading, resizing

SIZE = 256


def requantized(layers: dict, seed: int = 0) -> dict:
    """Returns the weights, each moved at random within its cell of the codebook."""
    rng = np.random.default_rng(seed)
    moved = {}
    for name, (kernel, bias) in layers.items():
        table = np.unique(kernel).astype(np.float64)
        edges = (table[1:] + table[:-1]) / 2
        low, high = np.r_[table[0], edges], np.r_[edges, table[-1]]
        cell = np.searchsorted(table, kernel)
        moved[name] = (rng.uniform(low[cell], high[cell]).astype(np.float32), bias)
    return moved


def relative(a: np.ndarray, b: np.ndarray) -> float:
    """Returns |a - b| / |b|."""
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("content")
    parser.add_argument("style")
    parser.add_argument(
        "--other", default="", help="'imagenet' or a weights file [8-bit weights with noise]"
    )
    arguments = parser.parse_args()
    process.set_environment()
    import tensorflow as tf

    ours = tf_style.load_weights("vgg19-8bit", notify=print).layers
    if arguments.other:
        theirs = tf_style.load_weights(arguments.other, notify=print).layers
    else:
        theirs = requantized(ours)
    content = reading.read_picture(arguments.content).image
    content = resizing.resize(content, resizing.fit(content.shape[1:3], SIZE))
    style = resizing.cover(reading.read_picture(arguments.style).image, content.shape[1:3])
    half_way = 0.5 * (content + style)

    config = tf_style.StyleConfig()
    results: list[Any] = []
    for layers in (ours, theirs):
        normal = tf_style.normalize(layers, tf_style.mean_activations())
        features = tf_style.build_extractor(normal, layers=vgg19.CONVOLUTIONS)(content)
        grams = {name: tf_style.gram_matrix(array) for name, array in features.items()}
        extractor = tf_style.build_extractor(normal, layers=config.loss.layers)
        objective = tf_style.Objective(extractor, config.loss)
        targets = objective.targets(tf.constant(content), tf.constant(style))
        gradients = [
            objective.value_and_gradient(tf.constant(image), targets)[1].numpy()
            for image in (content, half_way)
        ]
        results.append((features, grams, gradients))

    print("layer            kernel   features   Gram matrix")
    for name in vgg19.CONVOLUTIONS:
        kernel = relative(ours[name][0], theirs[name][0])
        feature, gram = (
            relative(results[0][kind][name].numpy(), results[1][kind][name].numpy())
            for kind in (0, 1)
        )
        print(f"{name:14s} {kernel:8.2%} {feature:10.2%} {gram:13.2%}")
    for where, a, b in zip(
        ("at the content", "half-way to the style"), results[0][2], results[1][2], strict=True
    ):
        print(f"gradient {where}: {relative(a, b):.2%}")


if __name__ == "__main__":
    main()
