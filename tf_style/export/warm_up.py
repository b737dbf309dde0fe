"""Warm-up requests beside a SavedModel, in TensorFlow Serving's file of records.

`write_requests` takes inputs by signature and writes `assets.extra/tf_serving_warmup_requests`;
`read_requests` gives them back, also from files of other programs. TensorFlow Serving replays them
before it serves a model, and so does `tf_style serve`.

References:
    TensorFlow Serving, "SavedModel Warmup" (tensorflow.org/tfx/serving/saved_model_warmup).
"""

import functools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory
from tensorflow.core.framework import tensor_pb2

from tf_style.export.options import DEFAULT_SIGNATURE
from tf_style.export.tensor_protos import TooManyValuesError, array_of

Request = tuple[str, Mapping[str, np.ndarray]]
"""The name of a signature, and arrays for its inputs by name."""

_MAX_VALUES = 10_000_000
_FILE = Path("assets.extra") / "tf_serving_warmup_requests"
_FIELD = descriptor_pb2.FieldDescriptorProto
# Fields that matter here, as (name, number, type, message). Others are skipped when they are read.
_MESSAGES = {
    "PredictionLog": [("predict_log", 6, _FIELD.TYPE_MESSAGE, ".tf_style.PredictLog")],
    "PredictLog": [("request", 1, _FIELD.TYPE_MESSAGE, ".tf_style.PredictRequest")],
    "PredictRequest": [
        ("model_spec", 1, _FIELD.TYPE_MESSAGE, ".tf_style.ModelSpec"),
        ("inputs", 2, _FIELD.TYPE_MESSAGE, ".tf_style.Input"),
    ],
    "ModelSpec": [
        ("name", 1, _FIELD.TYPE_STRING, ""),
        ("signature_name", 3, _FIELD.TYPE_STRING, ""),
    ],
    # An entry of the map `inputs`.
    "Input": [
        ("key", 1, _FIELD.TYPE_STRING, ""),
        ("value", 2, _FIELD.TYPE_MESSAGE, ".tensorflow.TensorProto"),
    ],
}


def write_requests(folder: Path, requests: Iterable[Request], *, model: str) -> None:
    """Writes the warm-up requests of the SavedModel in a folder.

    Args:
        folder: the SavedModel.
        requests: at least one for each signature to prepare.
        model: the model's name in the requests; servers do not look at it.
    """
    (folder / _FILE).parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(folder / _FILE)) as writer:
        for signature, inputs in requests:
            log = _log_type()()
            request = log.predict_log.request
            request.model_spec.name, request.model_spec.signature_name = model, signature
            for name, array in inputs.items():
                entry = request.inputs.add(key=name)
                entry.value.CopyFrom(tf.make_tensor_proto(array))
            writer.write(log.SerializeToString(deterministic=True))


def read_requests(folder: Path) -> list[Request]:
    """Returns the warm-up requests of the SavedModel in a folder; none if it has no such file.

    Records of other kinds than `predict_log` are left out.

    Raises:
        ValueError: if the file is damaged, or its tensors have too many values.
    """
    path = folder / _FILE
    if not path.is_file():
        return []
    try:
        records = list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())
        logs = [_log_type().FromString(record) for record in records]
        return _read([log.predict_log.request for log in logs if log.HasField("predict_log")])
    except TooManyValuesError as error:
        raise ValueError(f"The warm-up requests in {path} are too large: {error}") from None
    except (tf.errors.OpError, message.DecodeError, ValueError, TypeError) as error:
        raise ValueError(f"The file of warm-up requests is damaged: {path}.") from error


def _read(requests: Iterable[Any]) -> list[Request]:
    """Returns the requests; all their values that were not sent count against one limit."""
    found: list[Request] = []
    left = _MAX_VALUES
    for request in requests:
        inputs = {}
        for entry in request.inputs:
            array = array_of(entry.value, f"inputs.{entry.key[:80]}", max_values=left)
            left -= 0 if entry.value.tensor_content else array.size
            inputs[entry.key] = array
        found.append((request.model_spec.signature_name or DEFAULT_SIGNATURE, inputs))
    return found


@functools.cache
def _log_type() -> Any:
    """Returns TensorFlow Serving's message PredictionLog, which TensorFlow alone does not have."""
    file = descriptor_pb2.FileDescriptorProto(
        name="prediction_log.proto",
        package="tf_style",
        syntax="proto3",
        dependency=[tensor_pb2.DESCRIPTOR.name],
    )
    for name, fields in _MESSAGES.items():
        kind_of_message = file.message_type.add(name=name)
        for field, number, kind, of in fields:
            repeated = of == ".tf_style.Input"
            label = _FIELD.LABEL_REPEATED if repeated else _FIELD.LABEL_OPTIONAL
            kind_of_message.field.add(
                name=field, number=number, type=kind, label=label, type_name=of or None
            )
    pool = descriptor_pool.Default()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tf_style.PredictionLog"))
