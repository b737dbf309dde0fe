"""Portable graphs to ONNX files, and running those.

`tf2onnx` writes them, ONNX Runtime runs them. Height and width stay open.
"""

import importlib
import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

SUFFIX = ".onnx"
OPSET = 18
"""ONNX's version of 2022-12, the newest that tf2onnx 1.17 knows."""

_MINIMUM_WEIGHTS = 256  # Smaller arrays, biases and shapes, stay as they are.


def onnx_model(function: tf.function, precision: str) -> bytes:
    """Returns the file of a function, with the names of its inputs and outputs.

    Args:
        function: of `PortableObjective.signature`.
        precision: "float32"; or of the weights as they are stored, "float16" or "int8", the
            latter with a scale for each filter: the arithmetic stays in float32.

    Raises:
        ImportError: without `onnx` and `tf2onnx`.
        Exception: whatever the converter raises.
    """
    model, _ = _imported("tf2onnx.convert").from_function(
        function, input_signature=function.input_signature, opset=OPSET
    )
    if precision in _STORED:
        _store_smaller(model, _STORED[precision])
    return model.SerializeToString()


def run_onnx(model: bytes, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns the outputs of a file, by name.

    Args:
        model: the file.
        inputs: float32 arrays by the names of the signature's inputs.

    Raises:
        ImportError: without `onnxruntime`.
        Exception: whatever the runtime raises.
    """
    runtime = _imported("onnxruntime")
    model_runner = runtime.InferenceSession(model, providers=["CPUExecutionProvider"])
    names = [output.name for output in model_runner.get_outputs()]
    return dict(zip(names, model_runner.run(names, dict(inputs)), strict=True))


def _float16(array: np.ndarray, name: str) -> tuple[dict[str, np.ndarray], str, dict[str, Any]]:
    float32 = _imported("onnx").TensorProto.FLOAT
    return {f"{name}_float16": array.astype(np.float16)}, "Cast", {"to": float32}


def _int8(array: np.ndarray, name: str) -> tuple[dict[str, np.ndarray], str, dict[str, Any]]:
    """Rounds to -127..127 times a scale for each entry of the first axis, the filters."""
    rest = tuple(range(1, array.ndim))
    scale = np.abs(array).max(rest, keepdims=True) / 127.0
    scale = np.where(scale > 0.0, scale, 1.0).astype(np.float32)
    rounded = np.rint(array / scale).astype(np.int8)
    parts = {f"{name}_int8": rounded, f"{name}_scale": scale.ravel()}
    return parts, "DequantizeLinear", {"axis": 0}


_STORED: dict[str, Callable] = {"float16": _float16, "int8": _int8}
"""How weights are stored, by precision: an array and its name to the arrays in its place, by
name, and the operation (with attributes) that makes it of them."""


def _store_smaller(model: Any, stored: Callable) -> None:
    """Replaces a model's large float arrays by smaller ones from which it makes them."""
    onnx = _imported("onnx")
    nodes = []
    kept = []
    for tensor in model.graph.initializer:
        array = onnx.numpy_helper.to_array(tensor)
        if array.dtype != np.float32 or array.size < _MINIMUM_WEIGHTS or array.ndim < 2:
            kept.append(tensor)
            continue
        parts, operation, attributes = stored(array, tensor.name)
        kept += [onnx.numpy_helper.from_array(part, name) for name, part in parts.items()]
        nodes.append(onnx.helper.make_node(operation, list(parts), [tensor.name], **attributes))
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    nodes += model.graph.node
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def check_installed() -> None:
    """Raises ImportError unless all that is needed is installed."""
    for name in ("onnx", "tf2onnx.convert", "onnxruntime"):
        _imported(name)


def _imported(name: str) -> Any:
    """Returns a module; tf2onnx's import sets TensorFlow's log level, which is set back."""
    level = os.environ.get("TF_CPP_MIN_LOG_LEVEL")
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"ONNX files need {name.partition('.')[0]}. Install it with "
            "`pip install 'tf_style[onnx]'`."
        ) from error
    finally:
        os.environ.pop("TF_CPP_MIN_LOG_LEVEL", None)
        if level is not None:
            os.environ["TF_CPP_MIN_LOG_LEVEL"] = level
