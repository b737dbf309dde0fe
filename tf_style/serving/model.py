"""Runs a SavedModel's signatures. Takes a folder, arrays and a time limit; gives arrays.

It calls the graphs of `tf.saved_model.load` so that they can be canceled: a run that takes too
long, or whose outputs nobody waits for any more, ends at the next turn of a loop in its graph.
"""

import contextlib
import gc
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow.python.eager import cancellation, context, execute
from tensorflow.python.framework import ops
from tensorflow.python.saved_model.loader_impl import parse_saved_model

from tf_style.export import tensor_protos
from tf_style.export.options import ABOUT
from tf_style.export.warm_up import read_requests
from tf_style.graphs.messages import plain_message
from tf_style.serving.errors import HTTP_STATUS, RequestError
from tf_style.serving.signatures import Signature, TensorInfo
from tf_style.serving.stop import Stop

_CODES = {getattr(tf.errors, name): status for name, status in HTTP_STATUS.items()}
_CLIENT_GONE = HTTP_STATUS["CANCELLED"]


class SavedModel:
    """A loaded SavedModel.

    Attributes:
        signatures: the signatures that requests may call, by name.
        definitions: every SignatureDef of the file, by name.
        warm_up_requests: what the folder says should run before the model is served: names of
            signatures, and their inputs by name.
    """

    def __init__(self, folder: Path) -> None:
        """Loads the model.

        Args:
            folder: a SavedModel with the tag `serve`.

        Raises:
            OSError, ValueError, RuntimeError, tf.errors.OpError: if it cannot be loaded.
        """
        self.warm_up_requests = read_requests(folder)
        _grow_gpu_memory()
        self._loaded = _load(folder)
        self._functions = _shared(self._loaded.signatures)
        # The names of a function's inputs, in order. Its tensors may have other names.
        self._input_names = {
            name: [tf.compat.as_str(key) for key in function._arg_keywords]
            for name, function in self._loaded.signatures.items()
        }
        # TensorFlow's rewriting of a graph of tf_style takes seconds and makes it no faster.
        is_ours = (folder / "assets" / ABOUT).is_file()
        self._options = _call_options(rewrite=not is_ours)
        self.definitions = _definitions(folder)
        self.signatures = {
            name: _signature(name, definition)
            for name, definition in self.definitions.items()
            if name in self._functions
        }

    def run(
        self,
        signature: Signature,
        inputs: Mapping[str, np.ndarray],
        *,
        timeout_s: float,
        stop: Stop | None = None,
    ) -> dict[str, np.ndarray]:
        """Returns the outputs by name.

        Args:
            signature: one of this model's signatures.
            inputs: arrays for all inputs of the signature, by name.
            timeout_s: seconds after which the run is ended.
            stop: ends the run when it is set.

        Raises:
            RequestError: with the HTTP status of TensorFlow's error; 504 after a timeout, 499
                after a stop.
        """
        manager = cancellation.CancellationManager()
        end = time.monotonic() + timeout_s
        timer = threading.Timer(timeout_s, manager.start_cancel)
        timer.daemon = True
        timer.start()
        try:
            if stop is not None:
                stop.then(manager.start_cancel)
            return self._outputs(signature, inputs, manager)
        except tf.errors.OpError as error:
            ended = isinstance(error, tf.errors.CancelledError)
            if ended and stop is not None and stop.is_set:
                raise RequestError(_CLIENT_GONE, "The client has left.") from None
            if ended and time.monotonic() >= end:
                raise RequestError(
                    504,
                    f"Signature {signature.name!r} did not finish in time. Ask for less (fewer "
                    "steps, a smaller picture), or start the server with a larger --timeout_s.",
                ) from None
            status = _CODES.get(error.error_code, 500)
            raise RequestError(status, plain_message(error.message)) from None
        except UnicodeDecodeError as error:
            # A model's own check quotes its input, and Python fails on that message.
            message = error.object.decode("utf-8", "backslashreplace")
            raise RequestError(400, plain_message(message)) from None
        finally:
            timer.cancel()

    def _outputs(
        self, signature: Signature, inputs: Mapping[str, np.ndarray], manager: Any
    ) -> dict[str, np.ndarray]:
        function = self._functions[signature.name]
        with tf.device("CPU"):
            given = {
                name: tf.constant(array, signature.inputs[name].dtype_name)
                for name, array in inputs.items()
            }
        names = self._input_names[signature.name]
        # `CancellationManager.get_cancelable_function` would cancel the runs of other threads.
        found = execute.execute_with_cancellation(
            function.name.decode(),
            num_outputs=len(function.outputs),
            inputs=[*(given[name] for name in names), *function.captured_inputs],
            attrs=self._options,
            ctx=context.context(),
            cancellation_manager=manager,
        )
        found = tf.nest.pack_sequence_as(function.structured_outputs, found)
        return {
            name: np.asarray(value.numpy(), signature.outputs[name].dtype)
            for name, value in found.items()
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
        del self._loaded, self._functions
        gc.collect()  # Functions and their graphs refer to each other.


def _grow_gpu_memory() -> None:
    """Lets TensorFlow take the memory of GPUs as needed, if it has not taken it yet."""
    for device in tf.config.list_physical_devices("GPU"):
        with contextlib.suppress(RuntimeError):
            tf.config.experimental.set_memory_growth(device, True)


def _load(folder: Path) -> Any:
    """Returns the loaded model, without its custom gradients.

    TensorFlow would keep them, and through them every variable, until the process ends.
    """
    registry = ops.gradient_registry._registry
    known = set(registry)
    loaded = tf.saved_model.load(str(folder), tags=[tf.saved_model.SERVING])
    for name in registry.keys() - known:
        del registry[name]
    return loaded


def _shared(functions: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the functions by name, with one in place of all that have the same body.

    TensorFlow prepares each function at its first call. An export's `serving_default` calls what
    another signature does.
    """
    first: dict[Any, Any] = {}
    shared = {}
    for name, function in functions.items():
        body = type(function.function_def)()
        body.CopyFrom(function.function_def)
        body.signature.name = ""
        body.arg_attr.clear()  # Names of the captured tensors.
        captured = tuple(map(id, function.captured_inputs))
        outputs = tuple(sorted(function.structured_outputs))
        key = body.SerializeToString(deterministic=True), captured, outputs
        shared[name] = first.setdefault(key, function)
    return shared


def _call_options(*, rewrite: bool) -> tuple[str, Any, str, bytes]:
    """Returns the attributes of a call, with or without TensorFlow's rewriting of the graph."""
    config = tf.compat.v1.ConfigProto()
    config.CopyFrom(context.context().config)
    config.allow_soft_placement = True
    config.graph_options.rewrite_options.disable_meta_optimizer = not rewrite
    return "executor_type", "", "config_proto", config.SerializeToString()


def _definitions(folder: Path) -> dict[str, Any]:
    """Returns the file's SignatureDefs by name."""
    serving = [
        graph
        for graph in parse_saved_model(str(folder)).meta_graphs
        if set(graph.meta_info_def.tags) == {tf.saved_model.SERVING}
    ]
    return dict(serving[0].signature_def)


def read_signatures(folder: Path) -> dict[str, Signature]:
    """Returns the signatures of the SavedModel in a folder by name, without loading it."""
    return {
        name: _signature(name, each)
        for name, each in _definitions(folder).items()
        if not name.startswith("__")  # TensorFlow's own, such as `__saved_model_init_op`.
    }


def _signature(name: str, definition: Any) -> Signature:
    return Signature(
        name=name,
        # Sorted, because the maps of a file have no order, and messages list them.
        inputs={key: _tensor_info(info) for key, info in sorted(definition.inputs.items())},
        outputs={key: _tensor_info(info) for key, info in sorted(definition.outputs.items())},
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


def array_of(tensor: Any, argument: str, *, max_values: int) -> np.ndarray:
    """Returns `tensor_protos.array_of`, for requests.

    Args:
        tensor: as there, like the other arguments.
        argument: its name in messages.
        max_values: the limit.

    Raises:
        RequestError: 413 if it has too many values, 400 if anything else is wrong with it.
    """
    try:
        return tensor_protos.array_of(tensor, argument, max_values=max_values)
    except tensor_protos.TooManyValuesError as error:
        raise RequestError(413, str(error)) from None
    except ValueError as error:
        raise RequestError(400, str(error)) from None


def tensor_of(array: np.ndarray, info: TensorInfo) -> Any:
    """Returns an output's array as a TensorProto."""
    return tf.make_tensor_proto(array, info.dtype_name)
