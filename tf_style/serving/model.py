"""A SavedModel's signatures, run by `tf.compat.v1.Session`. Takes a folder, arrays and seconds.

A session, not `tf.saved_model.load`, as its runs can be given a time (`RunOptions`), after which
TensorFlow ends them, also in the middle of a loop; it is also what TensorFlow Serving runs.
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
        signatures: those that can be called, by name.
        definitions: every SignatureDef of the file, by name.
    """

    def __init__(self, folder: Path) -> None:
        """Loads it.

        Args:
            folder: of the SavedModel, with the tag `serve`.

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
            if not name.startswith("__")  # As the initializer, which is no request's business.
        }

    def run(
        self, signature: Signature, inputs: Mapping[str, np.ndarray], *, timeout_s: float
    ) -> dict[str, np.ndarray]:
        """Returns the outputs by name.

        Args:
            signature: one of this model's.
            inputs: arrays for all of its inputs.
            timeout_s: seconds until the run is ended.

        Raises:
            RequestError: as TensorFlow's error is told over HTTP; 504 when the time is over.
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
                f"Signature {signature.name!r} did not end within its time. Ask for less (fewer "
                "steps, a smaller picture), or start the server with a larger --timeout_s.",
            ) from None
        except tf.errors.OpError as error:
            status = _CODES.get(error.error_code, 500)
            raise RequestError(status, plain_message(error.message)) from None
        return {
            name: np.asarray(value, signature.outputs[name].dtype) for name, value in values.items()
        }

    def metadata(self) -> dict[str, Any]:
        """Returns the signatures as TensorFlow Serving's metadata has them."""
        return {
            name: json_format.MessageToDict(
                definition,
                preserving_proto_field_name=True,
                always_print_fields_with_no_presence=True,
            )
            for name, definition in self.definitions.items()
        }

    def close(self) -> None:
        """Gives back the memory."""
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
    """Returns what went wrong, without the names of nodes and the lines of code.

    Args:
        text: a TensorFlow error's message.
    """
    text = text.removeprefix("Graph execution error:")
    root = re.search(r"\(0\) \w+: (.*)", text)  # "2 root error(s) found.\n  (0) CODE: ..."
    line = root[1] if root else next((line for line in text.splitlines() if line.strip()), "")
    return re.sub(r"\s*\[?\[\{\{node .*?\}\}\]\]?", "", line).strip() or "The model failed."
