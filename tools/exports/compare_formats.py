"""Converts the default objective to each format, and compares sizes, numbers and seconds.

Run: python tools/exports/compare_formats.py CONTENT STYLE [--size=256] (about 10 minutes)

Each file runs in its own runtime on the pictures (the image is half content, half style) and is
compared with TensorFlow. Prints for features and for loss and gradient, by format and precision:
the file's size; the largest difference relative to the largest value, and |a - b| / |b|, of the
features (the worst layer) or the gradient; the relative difference of the total loss; the seconds
of a run (the fastest of `--repeats`), and of the conversion with its check. "tensorflow" is the
objective with automatic differentiation and Winograd's algorithm, as used in stylization; all
others are measured against it. "portable" is the hand-written reverse pass, in TensorFlow with
direct convolutions.
"""

import argparse
import functools
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import tf_style
from tf_style.cli import process
from tf_style.export.options import FORMAT_NAMES, PRECISION_NAMES, PortableOptions
from tf_style.images import reading, resizing
from tf_style.portable.captured_output import captured_output

if TYPE_CHECKING:
    import tensorflow as tf

SIGNATURES = ("features", "loss_and_gradient_from_targets")
Outputs = Mapping[str, np.ndarray]


def timed(function: Callable[[], Any], repeats: int) -> tuple[Any, float]:
    """Returns a function's result and the fastest of `repeats` calls after a first one."""
    result = function()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = function()
        seconds.append(time.perf_counter() - start)
    return result, min(seconds)


def runner_of(path: Path, kind: str, *, threads: int = 2) -> Callable[[Outputs], Outputs]:
    """Loads a file once and returns it as a function; `threads` are those of LiteRT and ONNX."""
    if kind == "saved_model":
        import tensorflow as tf

        function = tf.saved_model.load(str(path)).signatures["serving_default"]
        return lambda inputs: {
            name: output.numpy()
            for name, output in function(
                **{name: tf.constant(array) for name, array in inputs.items()}
            ).items()
        }
    if kind == "litert":
        from ai_edge_litert.interpreter import Interpreter

        runner = Interpreter(str(path), num_threads=threads).get_signature_runner()
        return lambda inputs: runner(**inputs)
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    model = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in model.get_outputs()]
    return lambda inputs: dict(zip(names, model.run(names, dict(inputs)), strict=True))


def row(label: str, size: float, found: Outputs, expected: Outputs, seconds: float) -> str:
    """Returns a row of the table."""
    from tf_style.portable import comparison

    arrays = [name for name, array in expected.items() if np.ndim(array)]
    gaps = [comparison.difference(found[name], expected[name]) for name in arrays]
    peaks = [np.abs(expected[name]).max() for name in arrays]
    largest = max(gap.largest / peak for gap, peak in zip(gaps, peaks, strict=True))
    relative = max(gap.relative for gap in gaps)
    loss = ""
    if "total_loss" in expected:
        loss = f"{abs(found['total_loss'] / expected['total_loss'] - 1.0):.1e}"
    megabytes = f"{size / 1e6:.1f}" if size else ""
    return f"{label:32s} {megabytes:>6s} {largest:9.1e} {relative:9.1e} {loss:>9s} {seconds:8.2f}"


def in_process(
    config: tf_style.StyleConfig, pictures: "dict[str, tf.Tensor]"
) -> dict[str, Callable[[], Outputs]]:
    """Returns the objective's functions in TensorFlow, the reference for all others."""
    import tensorflow as tf

    from tf_style.network.extractor import load_extractor

    extractor = load_extractor(config.network, layers=config.loss.layers, arithmetic="winograd")
    objective = tf_style.Objective(extractor, config.loss)
    targets = objective.targets(pictures["content"], pictures["style"])
    features = tf.function(extractor, autograph=False)

    def loss_and_gradient() -> Outputs:
        total, gradient = objective.value_and_gradient(pictures["image"], targets)
        return {"total_loss": total.numpy(), "gradient": gradient.numpy()}

    def all_features() -> Outputs:
        return {name: array.numpy() for name, array in features(pictures["image"]).items()}

    return {"features": all_features, "loss_and_gradient_from_targets": loss_and_gradient}


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("content")
    parser.add_argument("style")
    parser.add_argument("--size", type=int, default=256, help="longer edge, px")
    parser.add_argument("--repeats", type=int, default=3, help="timings of each file")
    parser.add_argument("--formats", nargs="+", default=list(FORMAT_NAMES), choices=FORMAT_NAMES)
    arguments = parser.parse_args()
    process.set_environment()
    import tensorflow as tf

    from tf_style.network.extractor import load_extractor
    from tf_style.portable import comparison, conversion
    from tf_style.portable.objective import PortableObjective

    config = tf_style.StyleConfig()
    content = reading.read_picture(arguments.content).image
    content = resizing.resize(content, resizing.fit(content.shape[1:3], arguments.size))
    style = resizing.cover(reading.read_picture(arguments.style).image, content.shape[1:3])
    arrays = {"image": 0.5 * (content + style), "content": content, "style": style}
    pictures = {name: tf.constant(array) for name, array in arrays.items()}
    extractor = load_extractor(config.network, layers=config.loss.layers)
    portable = PortableObjective(extractor, config.loss)
    pair = {name: arrays[name] for name in ("content", "style")}
    targets = comparison.in_tensorflow(portable.signature("targets"), pair)
    inputs = {
        "features": {"image": arrays["image"]},
        "loss_and_gradient_from_targets": {"image": arrays["image"], **targets},
    }

    height, width = content.shape[1:3]
    print(f"{width}x{height} px, {len(config.loss.layers)} layers", flush=True)
    print(f"{'':32s} {'MB':>6s} {'largest':>9s} {'relative':>9s} {'loss':>9s} {'seconds':>8s}")
    truth = in_process(config, pictures)
    expected = {}
    for name in SIGNATURES:
        print(f"{name}:")
        expected[name], seconds = timed(truth[name], arguments.repeats)
        print(row("  tensorflow", 0, expected[name], expected[name], seconds), flush=True)
        function = portable.signature(name)
        found, seconds = timed(
            functools.partial(comparison.in_tensorflow, function, inputs[name]),
            arguments.repeats,
        )
        print(row("  portable", 0, found, expected[name], seconds), flush=True)
        for kind in arguments.formats:
            for precision in PRECISION_NAMES[: 1 if kind == "saved_model" else None]:
                options = PortableOptions(format=kind, precision=precision)
                with tempfile.TemporaryDirectory() as folder:
                    start = time.perf_counter()
                    try:
                        made = conversion.convert_signature(portable, name, options, Path(folder))
                    except conversion.ConversionError as error:
                        print(f"  {kind} {precision}: {error}", flush=True)
                        continue
                    converting = time.perf_counter() - start
                    with captured_output():
                        run = runner_of(made.path, kind)
                        found, seconds = timed(
                            functools.partial(run, inputs[name]), arguments.repeats
                        )
                    line = row(
                        f"  {kind} {precision}", made.num_bytes, found, expected[name], seconds
                    )
                    print(f"{line} (made in {converting:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
