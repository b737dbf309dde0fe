"""A config's features, loss and gradient as files for other runtimes.

Each file is checked before it is declared good: it is run in its own runtime on small random
pictures, and its outputs are compared with TensorFlow's.
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
    """What was asked for cannot be converted; says why, in the converter's words."""


@dataclasses.dataclass(frozen=True)
class Conversion:
    """A file that was written and checked.

    Attributes:
        path: of the file; of the folder for "saved_model".
        format: of `FORMATS`.
        signature: of `export_options.SIGNATURES`.
        precision: of `export_options.PRECISION_NAMES`.
        num_bytes: its size.
        inputs: their shapes by name, None for what may vary; all are float32.
        outputs: as `inputs`.
        differences: from TensorFlow, by the names of the outputs, on random pictures.
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
    """A kind of file.

    Attributes:
        suffix: of its name.
        check_installed: raises ImportError unless all that is needed is installed.
        write: writes a function, of these weights, in a precision to a path.
        run: the path of a file, and inputs by name, to outputs by name.
    """

    suffix: str
    check_installed: Callable[[], object]
    write: Callable[[tf.Module, tf.function, str, Path], object]
    run: Callable[[Path, Mapping[str, np.ndarray]], dict[str, np.ndarray]]


def _save_model(weights: tf.Module, function: tf.function, precision: str, path: Path) -> None:
    del precision
    # One signature, as OpenVINO's converter reads all that there are.
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
"""Kinds of files by name."""


def export_portable(
    output_dir: str | os.PathLike,
    *,
    config: StyleConfig | None = None,
    options: PortableOptions | None = None,
    notify: Callable[[str], None] | None = None,
) -> list[Conversion]:
    """Writes a config's features, loss and gradient as files of one format, and checks each.

    Beside them goes `tf_style.json`: version, the weights' hash, the config, and the inputs
    and outputs of each file. While a converter works the process's standard output and error
    are kept off the terminal.

    Args:
        output_dir: a folder that is not there yet, or is empty.
        config: network and loss; the default preset if left out. Its other options play no part:
            the arithmetic is float32.
        options: format, precision and functions; SavedModels if left out.
        notify: called with a line of text before weights are fetched and for each file.

    Returns:
        What was written, a file for each function of `options.names`.

    Raises:
        ConversionError: if a converter refuses, or a file does not give TensorFlow's numbers.
            Then nothing is left of the folder.
        ImportError: if the format's packages are missing; names the pip command.
        OSError: if the folder is not empty or cannot be written, or weights cannot be had.
        ValueError: if the weights cannot be used.
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
            "files": [_described(conversion) for conversion in conversions],
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
        objective: what is converted.
        signature: of `export_options.SIGNATURES`.
        options: format and precision.
        folder: an existing one.

    Raises:
        ConversionError: as `export_portable`.
    """
    kind = FORMATS[options.format]
    function = objective.signature(signature)
    path = folder / f"{signature}_{options.precision}{kind.suffix}"
    inputs = sample_inputs(objective, signature)
    refused = f"`{signature}` cannot be converted to {options.format}"
    with captured_output(loggers=["tf2onnx", "tensorflow"]) as printed:
        try:
            kind.write(objective, function, options.precision, path)
            found = kind.run(path, inputs)
            error = None
        except Exception as raised:  # Converters raise whatever they like.
            error = raised
    if error is not None:
        raise ConversionError(
            f"{refused}. The converter says: {_reason(error, printed)}. Leave it out of "
            "`signatures`, or use another format."
        ) from error
    expected = in_tensorflow(function, inputs)
    if shapes(found) != shapes(expected):
        raise ConversionError(f"{refused}: its outputs became {shapes(found)}.")
    differences = {name: difference(found[name], expected[name]) for name in expected}
    conversion = Conversion(
        path=path,
        format=options.format,
        signature=signature,
        precision=options.precision,
        num_bytes=num_bytes(path),
        inputs={spec.name: spec.shape.as_list() for spec in function.input_signature},
        outputs={
            name: spec.shape.as_list()
            for name, spec in function.get_concrete_function().structured_outputs.items()
        },
        differences=differences,
    )
    if not conversion.relative <= LARGEST_DIFFERENCES[options.precision]:
        raise ConversionError(
            f"{refused}: run there, its outputs differ from TensorFlow's: "
            + ", ".join(f"{name} by {value.relative:.2g}" for name, value in differences.items())
        )
    return conversion


def _reason(error: Exception, printed: list[str]) -> str:
    """Returns what a converter says, in one line; the whole of it is the error's cause."""
    told = [
        line.rpartition("error: ")[2].strip()
        for line in (*printed, *str(error).splitlines())
        if "error: " in line or "is not supported" in line
    ]
    words = "; ".join(dict.fromkeys(told)) or " ".join(str(error).split()) or type(error).__name__
    return words if len(words) <= _LONGEST_REASON else words[:_LONGEST_REASON] + " ..."


_LONGEST_REASON = 600


def _described(conversion: Conversion) -> dict[str, Any]:
    """Returns a file's part of the description, in plain JSON types."""
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
