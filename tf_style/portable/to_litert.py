"""Portable graphs to LiteRT (TensorFlow Lite) files, and running those.

TensorFlow's own converter writes them; `ai-edge-litert` runs them. Height and width stay open.
"""

import importlib
from collections.abc import Mapping
from types import ModuleType

import numpy as np
import tensorflow as tf

SUFFIX = ".tflite"


def litert_model(weights: tf.Module, function: tf.function, precision: str) -> bytes:
    """Returns the file of a function, with the names of its inputs and outputs.

    Args:
        weights: what holds the variables that the function reads.
        function: of `PortableObjective.signature`.
        precision: "float32"; "float16", which stores the weights in 16 bits and computes in
            float32; or "int8", LiteRT's dynamic range quantization: weights in 8 bits, and what a
            convolution reads is rounded to 8 bits as it runs.

    Raises:
        Exception: whatever the converter raises.
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
    """Returns the outputs of a file, by name.

    Args:
        model: the file.
        inputs: float32 arrays by the names of the signature's inputs.

    Raises:
        ImportError: without `ai-edge-litert`.
        Exception: whatever the runtime raises.
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
            "LiteRT files need ai-edge-litert. Install it with `pip install 'tf_style[litert]'`."
        ) from error
