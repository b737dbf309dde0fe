"""Compares methods that make a result look like a photograph, and their cost in style.

Run: python tools/looks/measure_photorealism.py CONTENT STYLE --output=sheet.png
(20 seconds at 192 px)

The content is stylized once. Each method then brings the result closer to the content at several
strengths. "mix" is the weighted mean of content and result, which a method must beat. "affine" is
the guided filter: the result as an affine function of the content's colors that varies from place
to place (Luan et al. 2017, but as a filter of the finished image). Printed for each picture,
clipped to 0..1:

  edges  the correlation of the luma's gradient magnitude with the content's; 1 for the content;
  noise  the mean gradient magnitude where the content is flattest (a third of the pixels),
         relative to the content's there;
  style  the share of the drop in style loss (Gram matrices, the config's layers) from content to
         result that remains, in percent;
  loss   the style loss relative to the content's.

The sheet shows content, result and the processed results, in the order of the table.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from contact_sheet import contact_sheet
from PIL import Image

import tf_style
from tf_style.cli import process
from tf_style.images import writing
from tf_style.images.guided_filter import guided_filter
from tf_style.images.screened_poisson import screened_poisson
from tf_style.inputs.preparation import prepare_inputs

if TYPE_CHECKING:
    import tensorflow as tf

LUMA = np.array([0.299, 0.587, 0.114])
COLUMNS = 5


def magnitude(image: np.ndarray) -> np.ndarray:
    """Returns the gradient magnitude `[H, W]` of an image's luma, by central differences."""
    return np.hypot(*np.gradient(image[0].astype(np.float64) @ LUMA))


class StyleLoss:
    """The Gram style loss, whatever style loss the config chooses."""

    def __init__(self, style: np.ndarray, config: tf_style.StyleConfig) -> None:
        from tf_style.network.extractor import load_extractor

        self.weights = dict(config.loss.style_layers)
        self.extractor = load_extractor(config.network, layers=self.weights)
        self.targets = self.grams(style)

    def grams(self, image: np.ndarray) -> "dict[str, tf.Tensor]":
        """Returns the Gram matrices by layer."""
        import tensorflow as tf

        features = self.extractor(tf.constant(image))
        return {name: tf_style.gram_matrix(features[name]) for name in self.weights}

    def __call__(self, image: np.ndarray) -> float:
        """Returns the weighted sum of the layers' losses."""
        grams = self.grams(image)
        losses = [
            weight * float(tf_style.style_loss(grams[name], self.targets[name]))
            for name, weight in self.weights.items()
        ]
        return sum(losses)


def changed(
    result: np.ndarray, content: np.ndarray, arguments: argparse.Namespace
) -> Iterator[tuple[str, np.ndarray]]:
    """Yields the processed results, each with its name."""
    for share in arguments.mixes:
        yield f"mix {share:g}", share * result + (1.0 - share) * content
    for fidelity in arguments.fidelities:
        yield f"poisson {fidelity:g}", screened_poisson(result, content, fidelity=fidelity)
    for radius in arguments.radii:
        for epsilon in arguments.epsilons:
            picture = guided_filter(result, content, radius=radius, epsilon=epsilon)
            yield f"affine {radius} {epsilon:g}", picture


def main() -> None:
    """Stylizes, prints the table and writes the sheet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("content")
    parser.add_argument("style")
    parser.add_argument("--output", type=Path, required=True, help="the sheet")
    parser.add_argument("--preset", default="default")
    parser.add_argument("--size", type=int, default=192, help="longer edge, px")
    parser.add_argument("--steps", type=int, default=8, help="optimizer steps")
    parser.add_argument("--mixes", type=float, nargs="*", default=[0.75, 0.5, 0.25])
    fidelities = [3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003]
    parser.add_argument("--fidelities", type=float, nargs="*", default=fidelities)
    parser.add_argument("--radii", type=int, nargs="*", default=[2, 4, 8, 16])
    parser.add_argument("--epsilons", type=float, nargs="*", default=[1e-4, 1e-3])
    arguments = parser.parse_args()
    process.set_environment()

    config = tf_style.preset(arguments.preset).replace(size=arguments.size, steps=arguments.steps)
    inputs = prepare_inputs(arguments.content, arguments.style, config)
    content = inputs.content
    result = tf_style.stylize(arguments.content, arguments.style, config=config).image
    loss = StyleLoss(inputs.styles[0], config)
    edges = magnitude(content)
    flat = edges <= np.quantile(edges, 1.0 / 3.0)
    start, reached = (loss(np.clip(picture, 0.0, 1.0)) for picture in (content, result))

    pictures = []
    print("picture            edges   noise   style     loss", flush=True)
    for name, picture in [
        ("content", content),
        ("result", result),
        *changed(result, content, arguments),
    ]:
        picture = np.clip(picture, 0.0, 1.0)
        own, found = magnitude(picture), loss(picture)
        correlation = np.corrcoef(own.ravel(), edges.ravel())[0, 1]
        noise = own[flat].mean() / edges[flat].mean()
        kept = 100.0 * (start - found) / (start - reached)
        print(
            f"{name:16s} {correlation:7.3f} {noise:7.2f} {kept:6.1f}% {found / start:8.4f}",
            flush=True,
        )
        pictures.append((name, Image.fromarray(writing.to_pixels(picture))))
    contact_sheet(pictures, columns=COLUMNS).save(arguments.output)


if __name__ == "__main__":
    main()
