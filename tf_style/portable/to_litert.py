"""Converts portable graphs to LiteRT (TensorFlow Lite) files, and runs such files.

TensorFlow's own converter writes the files, `ai-edge-litert` runs them. Height and width stay open.
"""

import importlib
from collections.abc import Mapping
from types import ModuleType

import numpy as np
import tensorflow as tf

SUFFIX = ".tflite"


def litert_model(weights: tf.Module, function: tf.function, precision: str) -> bytes:
    """Returns the LiteRT file of a function, which keeps the names of its inputs and outputs.

    Args:
        weights: the module that holds the variables that the function reads.
        function: from `PortableObjective.signature`.
        precision: "float32"; "float16", which stores the weights in 16 bits and computes in
            float32; or "int8", LiteRT's dynamic range quantization, which stores the weights in
            8 bits and rounds the inputs of convolutions to 8 bits at run time.

    Raises:
        Exception: of any type, from the converter.
    """
    graph = function.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([graph], weights)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    return converter.convert()


def run_litert(model: bytes, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Runs a LiteRT file on float32 arrays by input name; returns its outputs by name.

    Raises:
        ImportError: if `ai-edge-litert` is not installed.
        Exception: of any type, from the runtime.
    """
    interpreter = runtime().Interpreter(model_content=model)
    return interpreter.get_signature_runner()(**inputs)


def runtime() -> ModuleType:
    """Returns `ai_edge_litert.interpreter`.

    Raises:
        ImportError: if it is not installed.
    """
    try:
        return importlib.import_module("ai_edge_litert.interpreter")
    except ImportError as error:
        raise ImportError(
            "LiteRT files need ai-edge-litert. Install it with `pip install 'tf-style[litert]'`."
        ) from error
