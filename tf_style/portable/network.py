"""Exports a style network: a SavedModel for servers, or a LiteRT or ONNX file of one style.

Takes a network; writes a folder. The result is then checked: its own runtime runs it on random
pictures, and they must be those of the Keras model.
"""

import dataclasses
import functools
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tf_style._checks import check_number
from tf_style._version import __version__
from tf_style.export.network_signatures import (
    NETWORK_SIGNATURES,
    NetworkSignatures,
    pass_variables,
    style_of,
    tiny_network_requests,
)
from tf_style.export.options import ABOUT, MAX_PIXELS, check_network_options
from tf_style.export.warm_up import write_requests
from tf_style.feedforward.architecture import LEAST_SIDE
from tf_style.feedforward.bundled import DEFAULT, named_network
from tf_style.feedforward.model import load
from tf_style.feedforward.network_file import StyleNetwork
from tf_style.feedforward.painting import paint
from tf_style.feedforward.styles import shares_of
from tf_style.files.new_folder import check_new_folder, new_folder, num_bytes
from tf_style.portable.conversion import FORMATS, Conversion, Format, convert_function, described

_LIMITS = {"float32": 0.001, "float16": 0.01, "bfloat16": 0.01, "int8": 0.1}
"""The largest relative difference from the Keras model, by precision: ten times what is typical."""

_SAMPLE = (2, 61, 50)  # Sides that are no multiples of anything.


def export_network(
    output_dir: str | os.PathLike,
    *,
    network: str | StyleNetwork = DEFAULT,
    style: str = "",
    format: str = "saved_model",
    file_precision: str = "float32",
    precision: str = "float32",
    height: int = 0,
    width: int = 0,
    local_contrast: float | None = None,
    max_pixels: int = MAX_PIXELS,
    notify: Callable[[str], None] | None = None,
) -> Conversion:
    """Writes a style network for other programs, runs it, and compares it with the Keras model.

    A SavedModel has all styles, for batches of any size: `paint` takes "content", float32
    `[b, h, w, 3]`, RGB 0..1, and gives "image"; `paint_png`, the default, takes "content_bytes",
    `[b]`, of PNG or JPEG files, and gives "png_bytes". Both take "style", `[1 or b]`, names.
    LiteRT and ONNX files have one style: "content" to "image". Every folder also gets
    `tf_style.json`, a SavedModel among its assets. While a converter runs, the standard output and
    standard error of the process are captured.

    Args:
        output_dir: a folder that is new or empty. TensorFlow Serving requires a number as its
            name: `models/wave/1`.
        network: "default", the path of a `.tfstyle` file, or a `StyleNetwork`.
        style: a name, or a blend "name:weight,name:weight"; of a SavedModel the default of
            requests. The network's first style if omitted.
        format: "saved_model", "litert" or "onnx".
        file_precision: how LiteRT and ONNX files store the kernels: "float32"; "float16"; or
            "int8", with a scale for each filter. With "int8" LiteRT also rounds what convolutions
            take to 8 bits, by its range in each picture, so that nothing is calibrated.
        precision: what a SavedModel computes its features in: "float32" or "bfloat16".
        height: height of pictures in px, if a LiteRT or ONNX file is to take no others; 0 for any.
            Runtimes are faster if they know it.
        width: likewise.
        local_contrast: what weak contrasts of a photograph are raised towards before it is painted,
            0..1, where black is 0 and white is 1; 0 leaves them. That of the network, 0.2, if
            omitted.
        max_pixels: a SavedModel refuses batches with more pixels than this.
        notify: called with a line of text before the conversion.

    Returns:
        What was written.

    Raises:
        ConversionError: if the converter fails, or the file does not reproduce the Keras model's
            pictures. The folder is then removed.
        ImportError: if a package of the format is missing; names the pip command.
        OSError: if the folder is not empty or cannot be written, or the network cannot be read.
        ValueError: if an option is wrong, or the network has no styles.
    """
    check_network_options(
        format=format,
        file_precision=file_precision,
        precision=precision,
        height=height,
        width=width,
        local_contrast=local_contrast,
        max_pixels=max_pixels,
    )
    for name, side in (("height", height), ("width", width)):
        check_number(name, side or LEAST_SIDE, minimum=LEAST_SIDE, maximum=30_000)
    output = check_new_folder(output_dir)
    FORMATS[format].check_installed()
    found = network if isinstance(network, StyleNetwork) else named_network(network)
    found = found.with_local_contrast(local_contrast)
    if not found.styles:
        raise ValueError("`network` must have a style. Received: a network without any.")
    style = style or next(iter(found.styles))
    shares_of(style, list(found.styles))  # Raises if it is unknown.
    if notify is not None:
        notify(f"Converting '{style}' ({format}, {file_precision})")
    sides = (height, width) if height else (None, None)
    with new_folder(output) as folder:
        if format == "saved_model":
            module = NetworkSignatures(found, style, max_pixels=max_pixels, precision=precision)
            function, path = module.paint, folder
            kind = Format("", lambda: None, functools.partial(_save, _about(found, style)), _run)
        else:
            # On phones there is one picture at a time; ONNX files take batches, too.
            batch = 1 if format == "litert" else None
            module = _OneStyle(found, style, (batch, *sides))
            function, kind = module.paint, FORMATS[format]
            path = folder / f"paint_{file_precision}{kind.suffix}"
        content = _sample(function.input_signature[0].shape)
        painter = load(found, style=style, precision=precision)
        conversion = convert_function(
            function,
            module,
            signature="paint",
            format=format,
            precision=file_precision,
            path=path,
            inputs={"content": content},
            expected=lambda: {"image": painter(content).numpy()},
            kind=kind,
            limit=_LIMITS[precision if format == "saved_model" else file_precision],
            way_out="Use another format.",
        )
        if format != "saved_model":
            about = {**_about(found, style), "files": [described(conversion)]}
            (folder / ABOUT).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    done = output / path.relative_to(folder)
    return dataclasses.replace(conversion, path=done, num_bytes=num_bytes(done))


class _OneStyle(tf.Module):
    """A network with one style, as a function of pictures."""

    def __init__(
        self, network: StyleNetwork, style: str, sizes: tuple[int | None, int | None, int | None]
    ) -> None:
        super().__init__(name="tf_style_network")
        self._architecture = network.architecture
        self._parameters = pass_variables(network)
        self._style = tf.Variable(style_of(network, style), trainable=False)
        spec = tf.TensorSpec([*sizes, 3], tf.float32, name="content")
        self.paint = tf.function(self._paint, input_signature=[spec], autograph=False)

    def _paint(self, content: tf.Tensor) -> dict[str, tf.Tensor]:
        parameters = {name: value.read_value() for name, value in self._parameters.items()}
        style = self._style.read_value()
        return {"image": paint(self._architecture, parameters, content, style)}


def _save(
    about: Mapping[str, Any], module: Any, function: tf.function, precision: str, path: Path
) -> None:
    """Writes a SavedModel with its record and its warm-up requests into an existing folder."""
    del function, precision
    with tempfile.TemporaryDirectory() as assets:
        file = Path(assets) / ABOUT
        file.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
        module.about = tf.saved_model.Asset(str(file))
        functions = {name: getattr(module, name) for name in NETWORK_SIGNATURES}
        functions["serving_default"] = module.paint_png
        tf.saved_model.save(module, str(path), signatures=functions)
    write_requests(path, tiny_network_requests(), model="tf_style")


def _run(path: Path, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    model = tf.saved_model.load(str(path))
    found = model.paint(content=tf.constant(inputs["content"]))
    return {name: value.numpy() for name, value in found.items()}


def _sample(shape: tf.TensorShape) -> np.ndarray:
    """Returns random pictures of a shape, float32 0..1; open sizes are those of `_SAMPLE`."""
    sizes = [known or usual for known, usual in zip(shape[:3], _SAMPLE, strict=True)]
    return np.random.default_rng(0).uniform(size=(*sizes, 3)).astype(np.float32)


def _about(network: StyleNetwork, style: str) -> dict[str, Any]:
    """Returns the record of what was exported, in plain JSON types."""
    return {
        "software": f"tf_style {__version__}",
        "network": {
            "architecture": dataclasses.asdict(network.architecture),
            "styles": list(network.styles),
            "about": dict(network.about),
        },
        "style": style,
    }
