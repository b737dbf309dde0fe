"""Exports a config's features, loss and gradient as files for other runtimes.

Takes a config; writes one file for each function: SavedModel, LiteRT or ONNX. Each file is then
checked: its own runtime runs it on small random pictures, and the outputs must match TensorFlow's.
"""

import dataclasses
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tf_style.config.style_config import StyleConfig
from tf_style.export.options import ABOUT, PortableOptions
from tf_style.files.new_folder import check_new_folder, new_folder, num_bytes
from tf_style.network.extractor import make_extractor
from tf_style.network.weights import load_weights
from tf_style.portable import to_litert, to_onnx
from tf_style.portable.captured_output import captured_output
from tf_style.portable.comparison import (
    LARGEST_DIFFERENCES,
    Difference,
    difference,
    in_tensorflow,
    sample_inputs,
    shapes,
)
from tf_style.portable.objective import PortableObjective
from tf_style.provenance import description as provenance


class ConversionError(ValueError):
    """Raised if a function cannot be converted; the message quotes the converter's reason."""


@dataclasses.dataclass(frozen=True)
class Conversion:
    """A file that was written and checked.

    Attributes:
        path: the file, or for "saved_model" the folder.
        format: one of `FORMATS`.
        signature: one of `export.options.SIGNATURES`, or "paint" of a style network.
        precision: one of `export.options.PRECISION_NAMES`.
        num_bytes: its size on disk, in bytes.
        inputs: shapes by name, with None for open dimensions; all inputs are float32.
        outputs: likewise.
        differences: differences from TensorFlow on random pictures, by output name.
    """

    path: Path
    format: str
    signature: str
    precision: str
    num_bytes: int
    inputs: dict[str, list[int | None]]
    outputs: dict[str, list[int | None]]
    differences: dict[str, Difference]

    @property
    def relative(self) -> float:
        """The largest relative difference of any output."""
        return max(difference.relative for difference in self.differences.values())


class Format(NamedTuple):
    """A file format.

    Attributes:
        suffix: the suffix of file names.
        check_installed: raises ImportError if a package that the format needs is missing.
        write: takes the module that holds the weights, a function, a precision and a path;
            writes the file.
        run: takes the path of a file and its inputs by name; returns its outputs by name.
    """

    suffix: str
    check_installed: Callable[[], object]
    write: Callable[[tf.Module, tf.function, str, Path], object]
    run: Callable[[Path, Mapping[str, np.ndarray]], dict[str, np.ndarray]]


def _save_model(weights: tf.Module, function: tf.function, precision: str, path: Path) -> None:
    del precision
    # One signature only, because OpenVINO's converter reads every signature of a model.
    tf.saved_model.save(weights, str(path), signatures={"serving_default": function})


def _run_saved_model(path: Path, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    function = tf.saved_model.load(str(path)).signatures["serving_default"]
    outputs = function(**{name: tf.constant(array) for name, array in inputs.items()})
    return {name: output.numpy() for name, output in outputs.items()}


FORMATS: dict[str, Format] = {
    "saved_model": Format("", lambda: None, _save_model, _run_saved_model),
    "litert": Format(
        to_litert.SUFFIX,
        to_litert.runtime,
        lambda weights, function, precision, path: path.write_bytes(
            to_litert.litert_model(weights, function, precision)
        ),
        lambda path, inputs: to_litert.run_litert(path.read_bytes(), inputs),
    ),
    "onnx": Format(
        to_onnx.SUFFIX,
        to_onnx.check_installed,
        lambda weights, function, precision, path: path.write_bytes(
            to_onnx.onnx_model(function, precision)
        ),
        lambda path, inputs: to_onnx.run_onnx(path.read_bytes(), inputs),
    ),
}
"""The file formats by name."""


def export_portable(
    output_dir: str | os.PathLike,
    *,
    config: StyleConfig | None = None,
    options: PortableOptions | None = None,
    notify: Callable[[str], None] | None = None,
) -> list[Conversion]:
    """Writes a config's features, loss and gradient as files of one format, and checks each.

    The folder also gets `tf_style.json`, with the version, the weights' hash, the config, and the
    inputs and outputs of each file. While a converter runs, the standard output and standard error
    of the process are captured.

    Args:
        output_dir: a folder that is new or empty.
        config: the network and the loss; the default preset if omitted. Its other options are
            ignored: the arithmetic is float32.
        options: format, precision and functions; float32 SavedModels of all functions if omitted.
        notify: called with a line of text before weights are downloaded and for each file.

    Returns:
        The files that were written, one for each function of `options.names`.

    Raises:
        ConversionError: if a converter fails, or a file does not reproduce TensorFlow's numbers.
            The folder is then removed.
        ImportError: if a package of the format is missing; names the pip command.
        OSError: if the folder is not empty or cannot be written, or the weights cannot be
            downloaded.
        ValueError: if the weights are invalid, or a loss has no gradient in forward operations.
    """
    config = StyleConfig() if config is None else config
    options = PortableOptions() if options is None else options
    output_dir = check_new_folder(output_dir)
    FORMATS[options.format].check_installed()
    weights = load_weights(config.network.weights, notify=notify)
    extractor = make_extractor(weights.layers, config.network, layers=config.loss.layers)
    objective = PortableObjective(extractor, config.loss)
    with new_folder(output_dir) as folder:
        conversions = []
        for signature in options.names:
            if notify is not None:
                notify(f"Converting '{signature}' ({options.format}, {options.precision})")
            conversions.append(convert_signature(objective, signature, options, folder))
        description = {
            **provenance.describe(config, weights.sha256),
            "files": [described(conversion) for conversion in conversions],
        }
        (folder / ABOUT).write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
    return [
        dataclasses.replace(conversion, path=output_dir / conversion.path.name)
        for conversion in conversions
    ]


def convert_signature(
    objective: PortableObjective, signature: str, options: PortableOptions, folder: Path
) -> Conversion:
    """Writes one function of an objective to a folder, and checks it.

    Args:
        objective: the objective to convert.
        signature: one of `export.options.SIGNATURES`.
        options: the format and the precision.
        folder: an existing folder.

    Raises:
        ConversionError: if the converter fails, or the file does not reproduce TensorFlow's
            numbers.
    """
    function = objective.signature(signature)
    inputs = sample_inputs(objective, signature)
    return convert_function(
        function,
        objective,
        signature=signature,
        format=options.format,
        precision=options.precision,
        path=folder / f"{signature}_{options.precision}{FORMATS[options.format].suffix}",
        inputs=inputs,
        expected=lambda: in_tensorflow(function, inputs),
    )


def convert_function(
    function: tf.function,
    weights: tf.Module,
    *,
    signature: str,
    format: str,
    precision: str,
    path: Path,
    inputs: Mapping[str, np.ndarray],
    expected: Callable[[], Mapping[str, np.ndarray]],
    kind: Format | None = None,
    limit: float | None = None,
    way_out: str = "Leave it out of `signatures`, or use another format.",
) -> Conversion:
    """Writes a function as a file, runs the file, and compares the outputs with the expected ones.

    Args:
        function: with an input signature; gives tensors by name.
        weights: the module that holds the variables that the function reads.
        signature: the function's name.
        format: one of `FORMATS`.
        precision: one of `export.options.PRECISION_NAMES`.
        path: the file to write.
        inputs: what the file is run on, by name.
        expected: gives the outputs that TensorFlow computes for the inputs, by name.
        kind: how to write and run the file, if not as `FORMATS` says.
        limit: the largest relative difference, if not as `LARGEST_DIFFERENCES` says.
        way_out: what to do if it cannot be converted, a sentence.

    Raises:
        ConversionError: if the converter fails, or the file does not reproduce TensorFlow's
            numbers.
    """
    kind = FORMATS[format] if kind is None else kind
    failure = f"`{signature}` cannot be converted to {format}"
    with captured_output(loggers=["tf2onnx", "tensorflow"]) as printed:
        try:
            kind.write(weights, function, precision, path)
            found = kind.run(path, inputs)
            error = None
        except Exception as raised:  # Converters raise exceptions of any type.
            error = raised
    if error is not None:
        raise ConversionError(
            f"{failure}. The converter says: {_reason(error, printed)}. {way_out}"
        ) from error
    outputs = dict(expected())
    if shapes(found) != shapes(outputs):
        raise ConversionError(f"{failure}: its outputs have other shapes, {shapes(found)}.")
    differences = {name: difference(found[name], outputs[name]) for name in outputs}
    conversion = Conversion(
        path=path,
        format=format,
        signature=signature,
        precision=precision,
        num_bytes=num_bytes(path),
        inputs={spec.name: spec.shape.as_list() for spec in function.input_signature},
        outputs={
            name: spec.shape.as_list()
            for name, spec in function.get_concrete_function().structured_outputs.items()
        },
        differences=differences,
    )
    if not conversion.relative <= (LARGEST_DIFFERENCES[precision] if limit is None else limit):
        raise ConversionError(
            f"{failure}: the outputs of the file differ from TensorFlow's: "
            + ", ".join(f"{name} by {value.relative:.2g}" for name, value in differences.items())
        )
    return conversion


def _reason(error: Exception, printed: list[str]) -> str:
    """Returns a converter's messages in one line; the full exception is chained as the cause."""
    messages = [
        line.rpartition("error: ")[2].strip()
        for line in (*printed, *str(error).splitlines())
        if "error: " in line or "is not supported" in line
    ]
    words = (
        "; ".join(dict.fromkeys(messages)) or " ".join(str(error).split()) or type(error).__name__
    )
    return words if len(words) <= _LONGEST_REASON else words[:_LONGEST_REASON] + " ..."


_LONGEST_REASON = 600  # Characters.


def described(conversion: Conversion) -> dict[str, Any]:
    """Returns the entry of a file in `tf_style.json`, in plain JSON types."""
    return {
        "file": conversion.path.name,
        "format": conversion.format,
        "function": conversion.signature,
        "precision": conversion.precision,
        "bytes": conversion.num_bytes,
        "inputs": conversion.inputs,
        "outputs": conversion.outputs,
        "relative_differences_from_tensorflow": {
            name: value.relative for name, value in conversion.differences.items()
        },
    }
