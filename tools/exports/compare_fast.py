"""Exports a style network in each format, and compares sizes, pictures and milliseconds with Keras.

Run: python tools/exports/compare_fast.py PHOTO [--style=great_wave] (about 3 minutes)

The photograph is cut to a square of each of `--sizes`. Prints for each format and precision: the
file's size; the largest and the mean difference from the Keras model's picture, in steps of 8 bits;
and the milliseconds of a run on `--threads` threads, the fastest of `--repeats`. "any" files take
pictures of any size, "fixed" ones of one size. "one" is Keras for batches that are known to be of
one picture.
"""

import argparse
import functools
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from compare_formats import runner_of, timed

from tf_style.cli import process
from tf_style.export.options import FORMAT_NAMES, PRECISION_NAMES
from tf_style.images import reading, resizing
from tf_style.portable.captured_output import captured_output

Paint = Callable[[np.ndarray], np.ndarray]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photo")
    parser.add_argument("--network", default="default")
    parser.add_argument("--style", default="", help="the network's first if left out")
    parser.add_argument("--sizes", nargs="+", type=int, default=[256, 512], help="sides, px")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=10, help="timings of each file")
    arguments = parser.parse_args()
    process.set_environment()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    from tf_style.feedforward import load
    from tf_style.portable.network import export_network

    network, style = arguments.network, arguments.style
    image = reading.read_picture(arguments.photo).image
    contents = {side: resizing.cover(image, (side, side)) for side in arguments.sizes}
    painter = load(network, style=style or None)
    expected = {side: painter(content).numpy() for side, content in contents.items()}
    head = "".join(f"{f'{side} px:':>10s} {'max':>6s} {'mean':>6s} {'ms':>6s}" for side in contents)
    print(f"{arguments.threads} threads; differences in steps of 8 bits\n{'':26s} {'MB':>5s}{head}")

    def row(label: str, size: float, paints: dict[int, Paint]) -> None:
        cells = [f"{label:26s} {f'{size / 1e6:.2f}' if size else '':>5s}"]
        for side, paint in paints.items():
            with captured_output():
                found, seconds = timed(functools.partial(paint, contents[side]), arguments.repeats)
            gap = 255.0 * np.abs(found - expected[side])
            cells.append(f"{'':10s} {gap.max():6.2f} {gap.mean():6.3f} {1000.0 * seconds:6.1f}")
        print("".join(cells), flush=True)

    for precision in ("float32", "bfloat16"):
        model = load(network, style=style or None, precision=precision)
        for label, batch in (("any", None), ("one", 1)):
            spec = tf.TensorSpec([batch, None, None, 3], tf.float32)
            graph = tf.function(model, input_signature=[spec], autograph=False)
            row(f"keras {precision} {label}", 0, dict.fromkeys(contents, in_keras(graph)))
    for kind in FORMAT_NAMES:
        for precision in PRECISION_NAMES[: 1 if kind == "saved_model" else None]:
            for label in ("any", "fixed")[: 2 if kind == "litert" else 1]:
                with tempfile.TemporaryDirectory() as folder:
                    paints, size = {}, 0
                    for side in contents:
                        sides = {"height": side, "width": side} if label == "fixed" else {}
                        made = export_network(
                            Path(folder) / str(side),
                            network=network,
                            style=style,
                            format=kind,
                            file_precision=precision,
                            **sides,
                        )
                        size = made.num_bytes
                        paints[side] = painter_of(made.path, kind, threads=arguments.threads)
                    row(f"{kind} {precision} {label}", size, paints)


def in_keras(graph: Callable) -> Paint:
    """Returns a graph of the Keras model as a function of images."""
    return lambda content: graph(content).numpy()


def painter_of(path: Path, kind: str, *, threads: int) -> Paint:
    """Returns an exported network as a function of images."""
    if kind == "saved_model":
        import tensorflow as tf

        model = tf.saved_model.load(str(path))
        return lambda content: model.paint(content=tf.constant(content))["image"].numpy()
    with captured_output():
        run = runner_of(path, kind, threads=threads)
    return lambda content: run({"content": content})["image"]


if __name__ == "__main__":
    main()
