"""Compares the style losses on one pair of pictures with the same steps.

Run: python tools/looks/compare_style_losses.py CONTENT STYLE --output=sheet.png [--size=256]
[--steps=25] (a default run for each loss: 10 minutes at 256 px on two cores)

Relative losses still pull with different force. To make them comparable, each style weight is
chosen so that, at full size and at the photograph, the gradient of the weighted style loss is as
long (Euclidean norm over the pixels) as with "gram" and the default weight. The table shows the
factor on that weight.

Prints the factor, the seconds of an evaluation of loss and gradient (the fastest of `--repeats`,
losses in turn), and for each result the "gram" style loss relative to the photograph's and the
content loss relative to that of the "gram" result. The sheet, a PNG, shows the results with their
names; the table is written beside it as text.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from contact_sheet import contact_sheet
from PIL import Image

from tf_style.cli import process


def seconds_each(evaluations: dict[str, Any], *, repeats: int) -> dict[str, float]:
    """Returns each function's fastest time; they run in turn, so that other load hits all."""
    times: dict[str, list[float]] = {name: [] for name in evaluations}
    for _ in range(repeats):
        for name, evaluate in evaluations.items():
            start = time.perf_counter()
            evaluate()
            times[name].append(time.perf_counter() - start)
    return {name: min(seconds) for name, seconds in times.items()}


def main() -> int:
    """Measures and runs each loss, prints the table and writes the sheet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("content")
    parser.add_argument("style")
    parser.add_argument("--output", type=Path, required=True, help="the sheet, a .png file")
    parser.add_argument("--size", type=int, default=256, help="longer edge, px")
    parser.add_argument("--steps", type=int, default=25, help="optimizer steps")
    parser.add_argument("--repeats", type=int, default=7, help="timings of each loss")
    parser.add_argument("--columns", type=int, default=4, help="pictures in a row")
    options = parser.parse_args()
    if options.output.suffix.lower() != ".png":
        parser.error("--output must end in .png")
    process.set_environment()
    process.tune_tensorflow()
    import tensorflow as tf

    import tf_style
    from tf_style.config.loss import STYLE_LOSS_NAMES
    from tf_style.images import resizing, writing
    from tf_style.inputs.preparation import prepare_inputs
    from tf_style.network.arithmetic import arithmetic
    from tf_style.network.extractor import make_extractor
    from tf_style.transfer.painting import paint

    config = tf_style.StyleConfig(size=options.size)
    config = config.replace(steps=options.steps, precision="float32")
    inputs = prepare_inputs(options.content, options.style, config)
    content, style = tf.constant(inputs.content), tf.constant(inputs.styles[0])
    extractor = make_extractor(
        tf_style.load_weights(config.network.weights).layers,
        config.network,
        layers=config.loss.layers,
        arithmetic=arithmetic("float32"),
    )
    objectives = {
        name: tf_style.Objective(extractor, config.replace(style_loss=name).loss)
        for name in STYLE_LOSS_NAMES
    }
    targets = {name: each.targets(content, style) for name, each in objectives.items()}

    def as_picture(image: Any) -> Image.Image:
        return Image.fromarray(writing.to_pixels(image))

    alone = tf_style.LossWeights(0.0, config.loss.style_weight, 0.0)
    norms = {}
    for name, each in objectives.items():
        _, gradient = each.terms_and_gradient(content, targets[name], weights=alone)
        norms[name] = float(tf.norm(gradient))
    factors = {name: norms["gram"] / norm for name, norm in norms.items()}

    def evaluation(name: str) -> Any:
        return lambda: objectives[name].value_and_gradient(content, targets[name])[1].numpy()

    evaluations = {name: evaluation(name) for name in objectives}
    for evaluate in evaluations.values():  # Traces the graph.
        evaluate()
    seconds = seconds_each(evaluations, repeats=options.repeats)

    gram = objectives["gram"]
    start = gram.terms(content, targets["gram"])
    lines = ["style loss | weight x | s each | x gram | style by gram | content by gram's"]
    contents: dict[str, float] = {}
    captioned = [
        ("the photograph", as_picture(inputs.content)),
        ("the style", as_picture(resizing.resize(inputs.styles[0], inputs.content.shape[1:3]))),
    ]
    for name, factor in factors.items():
        chosen = config.replace(style_loss=name, style_weight=config.loss.style_weight * factor)
        result = paint(inputs, chosen)
        terms = gram.terms(tf.constant(result.image), targets["gram"])
        contents[name] = float(terms.content)
        slower = seconds[name] / seconds["gram"]
        line = f"{name} | {factor:.3g} | {seconds[name]:.3f} | {slower:.2f} | "
        line += f"{float(terms.style) / float(start.style):.3f} | "
        line += f"{contents[name] / contents['gram']:.2f}"
        lines.append(line)
        print("\n".join(lines) if len(lines) == 2 else line, flush=True)
        caption = f"{name}: {seconds[name]:.2f} s, {slower:.2f} x gram"
        captioned.append((caption, as_picture(result.image)))
    contact_sheet(captioned, columns=options.columns).save(options.output)
    table = options.output.with_suffix(".txt")
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"Wrote {options.output} and {table}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
