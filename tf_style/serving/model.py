"""Runs a SavedModel's signatures. Takes a folder, arrays and a timeout; gives arrays.

It uses `tf.compat.v1.Session` instead of `tf.saved_model.load` because a session's runs take a
timeout (`RunOptions`), after which TensorFlow ends them even in the middle of a loop. TensorFlow
Serving uses sessions, too.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import json_format

from tf_style.serving.errors import HTTP_STATUS, RequestError
from tf_style.serving.signatures import Signature, TensorInfo

_CODES = {getattr(tf.errors, name): status for name, status in HTTP_STATUS.items()}


class SavedModel:
    """A loaded SavedModel.

    Attributes:
        signatures: the signatures that requests may call, by name.
        definitions: every SignatureDef of the file, by name.
    """

    def __init__(self, folder: Path) -> None:
        """Loads the model.

        Args:
            folder: a SavedModel with the tag `serve`.

        Raises:
            OSError, ValueError, RuntimeError, tf.errors.OpError: if it cannot be loaded.
        """
        config = tf.compat.v1.ConfigProto()
        config.gpu_options.allow_growth = True
        graph = tf.Graph()
        self._session = tf.compat.v1.Session(graph=graph, config=config)
        try:
            with graph.as_default():
                meta_graph = tf.compat.v1.saved_model.load(
                    self._session, [tf.saved_model.SERVING], str(folder)
                )
        except BaseException:
            self._session.close()
            raise
        self.definitions = dict(meta_graph.signature_def)
        self.signatures = {
            name: _signature(name, definition)
            for name, definition in self.definitions.items()
            if not name.startswith("__")  # Internal ones, such as the initializer.
        }

    def run(
        self, signature: Signature, inputs: Mapping[str, np.ndarray], *, timeout_s: float
    ) -> dict[str, np.ndarray]:
        """Returns the outputs by name.

        Args:
            signature: one of this model's signatures.
            inputs: arrays for all inputs of the signature, by name.
            timeout_s: seconds after which the run is ended.

        Raises:
            RequestError: with the HTTP status of TensorFlow's error; 504 after a timeout.
        """
        definition = self.definitions[signature.name]
        feeds = {definition.inputs[name].name: array for name, array in inputs.items()}
        fetches = {name: info.name for name, info in definition.outputs.items()}
        options = tf.compat.v1.RunOptions(timeout_in_ms=max(1, round(1e3 * timeout_s)))
        try:
            values = self._session.run(fetches, feeds, options=options)
        except tf.errors.DeadlineExceededError:
            raise RequestError(
                504,
                f"Signature {signature.name!r} did not finish in time. Ask for less (fewer "
                "steps, a smaller picture), or start the server with a larger --timeout_s.",
            ) from None
        except tf.errors.OpError as error:
            status = _CODES.get(error.error_code, 500)
            raise RequestError(status, plain_message(error.message)) from None
        except UnicodeDecodeError as error:
            # A model's own check quotes its input, and Python fails on that message.
            message = error.object.decode("utf-8", "backslashreplace")
            raise RequestError(400, plain_message(message)) from None
        return {
            name: np.asarray(value, signature.outputs[name].dtype) for name, value in values.items()
        }

    def metadata(self) -> dict[str, Any]:
        """Returns the signatures in the form of TensorFlow Serving's metadata."""
        return {
            name: json_format.MessageToDict(
                definition,
                preserving_proto_field_name=True,
                always_print_fields_with_no_presence=True,
            )
            for name, definition in self.definitions.items()
        }

    def close(self) -> None:
        """Frees the model's memory."""
        self._session.close()


def _signature(name: str, definition: Any) -> Signature:
    return Signature(
        name=name,
        inputs={key: _tensor_info(info) for key, info in definition.inputs.items()},
        outputs={key: _tensor_info(info) for key, info in definition.outputs.items()},
        defaults={
            key: np.asarray(tf.make_ndarray(value)) for key, value in definition.defaults.items()
        },
    )


def _tensor_info(info: Any) -> TensorInfo:
    dtype = tf.dtypes.as_dtype(info.dtype)
    shape = info.tensor_shape
    return TensorInfo(
        dtype=np.dtype(dtype.as_numpy_dtype),
        dtype_name=dtype.name,
        shape=None
        if shape.unknown_rank
        else tuple(None if dim.size < 0 else dim.size for dim in shape.dim),
    )


def plain_message(text: str) -> str:
    """Returns a TensorFlow error's message without node names and lines of code.

    Args:
        text: the full message.
    """
    text = text.removeprefix("Graph execution error:")
    root = re.search(r"\(0\) \w+: (.*)", text)  # "2 root error(s) found.\n  (0) CODE: ..."
    line = root[1] if root else next((line for line in text.splitlines() if line.strip()), "")
    return re.sub(r"\s*\[?\[\{\{node .*?\}\}\]\]?", "", line).strip() or "The model failed."
