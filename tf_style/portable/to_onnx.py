"""Converts portable graphs to ONNX files, and runs such files.

`tf2onnx` writes the files, ONNX Runtime runs them. Height and width stay open, and have names: see
`_name_sides`.
"""

import importlib
import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

SUFFIX = ".onnx"
OPSET = 18
"""The ONNX operator set of 2022-12, the newest that tf2onnx 1.17 supports."""

_MINIMUM_WEIGHTS = 256  # Entries. Smaller arrays (biases, shapes) are not converted.


def onnx_model(function: tf.function, precision: str) -> bytes:
    """Returns the ONNX file of a function, which keeps the names of its inputs and outputs.

    Args:
        function: from `PortableObjective.signature`.
        precision: how the file stores the weights: "float32"; "float16"; or "int8", with a scale
            for each filter. The arithmetic is always float32.

    Raises:
        ImportError: if `onnx` or `tf2onnx` is not installed.
        Exception: of any type, from the converter.
    """
    model, _ = _imported("tf2onnx.convert").from_function(
        function, input_signature=function.input_signature, opset=OPSET
    )
    _name_sides(model.graph)
    if precision in _STORED:
        _store_smaller(model, _STORED[precision])
    return model.SerializeToString()


def _name_sides(graph: Any) -> None:
    """Names the open sides of the inputs and outputs.

    They are `height` and `width` of the image and all that has its size; of the style and of
    features, the same after the name of the input or of the layer.
    """
    for value in (*graph.input, *graph.output):
        sides = value.type.tensor_type.shape.dim
        layer = value.name.removeprefix("content_")
        owner = "" if layer in _OF_IMAGE_SIZE else f"{layer}_"
        if len(sides) == 4:
            for side, word in zip(sides[1:3], ("height", "width"), strict=True):
                if side.dim_value <= 0:
                    side.dim_param = f"{owner}{word}"


_OF_IMAGE_SIZE = ("image", "content", "gradient")


def run_onnx(model: bytes, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Runs an ONNX file on float32 arrays by input name; returns its outputs by name.

    Raises:
        ImportError: if `onnxruntime` is not installed.
        Exception: of any type, from the runtime.
    """
    runtime = _imported("onnxruntime")
    model_runner = runtime.InferenceSession(model, providers=["CPUExecutionProvider"])
    names = [output.name for output in model_runner.get_outputs()]
    return dict(zip(names, model_runner.run(names, dict(inputs)), strict=True))


def _float16(array: np.ndarray, name: str) -> tuple[dict[str, np.ndarray], str, dict[str, Any]]:
    float32 = _imported("onnx").TensorProto.FLOAT
    return {f"{name}_float16": array.astype(np.float16)}, "Cast", {"to": float32}


def _int8(array: np.ndarray, name: str) -> tuple[dict[str, np.ndarray], str, dict[str, Any]]:
    """Rounds to -127..127, times one scale for each filter; filters are the first axis in ONNX."""
    rest = tuple(range(1, array.ndim))
    scale = np.abs(array).max(rest, keepdims=True) / 127.0
    scale = np.where(scale > 0.0, scale, 1.0).astype(np.float32)
    rounded = np.rint(array / scale).astype(np.int8)
    parts = {f"{name}_int8": rounded, f"{name}_scale": scale.ravel()}
    return parts, "DequantizeLinear", {"axis": 0}


_STORED: dict[str, Callable] = {"float16": _float16, "int8": _int8}
"""How weights are stored, by precision.

Each function takes an array and its name. It returns the smaller arrays to store, by name, and the
ONNX operation, with its attributes, that restores the array from them.
"""


def _store_smaller(model: Any, stored: Callable) -> None:
    """Replaces a model's large float32 arrays by smaller ones and nodes that restore them."""
    onnx = _imported("onnx")
    nodes = []
    initializers = []
    for tensor in model.graph.initializer:
        array = onnx.numpy_helper.to_array(tensor)
        if array.dtype != np.float32 or array.size < _MINIMUM_WEIGHTS or array.ndim < 2:
            initializers.append(tensor)
            continue
        parts, operation, attributes = stored(array, tensor.name)
        initializers += [onnx.numpy_helper.from_array(part, name) for name, part in parts.items()]
        nodes.append(onnx.helper.make_node(operation, list(parts), [tensor.name], **attributes))
    del model.graph.initializer[:]
    model.graph.initializer.extend(initializers)
    nodes += model.graph.node
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def check_installed() -> None:
    """Raises ImportError if a package to write or run ONNX files is missing."""
    for name in ("onnx", "tf2onnx.convert", "onnxruntime"):
        _imported(name)


def _imported(name: str) -> Any:
    """Imports a module; restores TensorFlow's log level, which tf2onnx changes on import."""
    level = os.environ.get("TF_CPP_MIN_LOG_LEVEL")
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"ONNX files need {name.partition('.')[0]}. Install it with "
            "`pip install 'tf-style[onnx]'`."
        ) from error
    finally:
        os.environ.pop("TF_CPP_MIN_LOG_LEVEL", None)
        if level is not None:
            os.environ["TF_CPP_MIN_LOG_LEVEL"] = level
