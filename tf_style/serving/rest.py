"""TensorFlow Serving's REST API: request bodies to arrays, arrays to response bodies.

Pure functions of bytes, JSON values and arrays; no sockets, no TensorFlow.

References:
    TensorFlow Serving, "RESTful API" (tensorflow.org/tfx/serving/api_rest).
"""

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from tf_style._checks import suggestion
from tf_style.export.options import DEFAULT_SIGNATURE
from tf_style.serving import json_arrays
from tf_style.serving.errors import RequestError, bad_request, brief
from tf_style.serving.signatures import Shape, Signature, TensorInfo, shape_text


def parse_body(body: bytes | bytearray, *, max_values: int) -> dict[str, Any]:
    """Returns the JSON object in a body; NaN, Infinity and -Infinity are numbers.

    Args:
        body: UTF-8.
        max_values: limit on the number of values, lists and objects. They are counted before
            parsing, because each takes about ten times its text in memory.

    Raises:
        RequestError: 413 for too many values; 400 for anything but a JSON object.
    """
    if not body or body.isspace():
        raise RequestError(400, "JSON Parse error: The document is empty. Send a JSON object.")
    values = 1 + sum(body.count(mark) for mark in (b",", b"[", b"{"))
    if values > max_values:
        raise RequestError(
            413,
            f"The body must hold at most {max_values} values. Received: about {values}. Send "
            'pictures as PNG or JPEG, {"b64": "..."}, to a signature that accepts them, or start '
            "the server with a larger --max_values.",
        )
    try:
        document = json.loads(body.decode("utf-8-sig"), parse_float=_finite)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise RequestError(400, f"JSON Parse error: {reason}.") from error
    if type(document) is not dict:
        raise bad_request("body", "be a JSON object", brief(document), 'Send {"instances": [...]}.')
    return document


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"Number too big to be stored in double: {digits[:40]}")
    return number


def signature_of(document: Mapping[str, Any], signatures: Mapping[str, Signature]) -> Signature:
    """Returns the signature that a request names, or the default one.

    Raises:
        RequestError: 400 if the model has no signature of that name.
    """
    name = document.get("signature_name", "")
    if type(name) is not str:
        raise bad_request("signature_name", "be a string", brief(name))
    name = name or DEFAULT_SIGNATURE
    if name not in signatures:
        listed = ", ".join(map(repr, sorted(signatures)))
        raise RequestError(
            400,
            f"Serving signature name: {json.dumps(name[:80])} not found in signature def. "
            f"`signature_name` must be one of {listed}." + suggestion(name[:80], signatures),
        )
    return signatures[name]


def inputs_of(
    document: Mapping[str, Any], signature: Signature
) -> tuple[dict[str, np.ndarray], bool]:
    """Returns the arrays of a predict request, and whether they came as rows.

    Missing inputs get their defaults.

    Args:
        document: the body, with `instances` (rows) or `inputs` (columns).
        signature: the signature to run.

    Raises:
        RequestError: 400 for a wrong structure, name, type or shape.
    """
    keys = [key for key in ("instances", "inputs") if key in document]
    if len(keys) != 1:
        raise RequestError(
            400,
            ("Missing 'inputs' or 'instances' key. " if not keys else "")
            + "The body must have either `instances`, a list with one entry for each row of the "
            "batch, or `inputs`, an object with whole arrays. Received: "
            + (f"both {' and '.join(keys)}." if keys else brief(dict(document)) + "."),
        )
    (key,) = keys
    if key == "instances":
        _check_rows(signature)
    columns = _columns if key == "inputs" else _stacked_rows
    arrays = columns(document[key], signature)
    return completed(arrays, signature, key), key == "instances"


def completed(
    arrays: Mapping[str, np.ndarray], signature: Signature, argument: str
) -> dict[str, np.ndarray]:
    """Returns the arrays for all inputs of a signature: missing ones get their defaults.

    Args:
        arrays: by name.
        signature: the signature to run.
        argument: what messages call the arrays.

    Raises:
        RequestError: 400 for a wrong name, type or shape.
    """
    _check_names(arrays, signature, argument)
    for name, array in arrays.items():
        info = signature.inputs[name]
        if array.dtype != info.dtype:
            rule = f"be of type {info.dtype_name}"
            raise bad_request(f"{argument}.{name}", rule, f"an array of {array.dtype}")
        if not info.fits(array.shape):
            raise _wrong_shape(f"{argument}.{name}", info, array.shape)
    missing = signature.inputs.keys() - arrays.keys()
    return {**arrays, **{name: signature.defaults[name] for name in missing}}


def _columns(value: Any, signature: Signature) -> dict[str, np.ndarray]:
    if type(value) is not dict or value.keys() == {"b64"}:
        value = {_only_input(signature, "inputs", value): value}
    _check_names(value, signature, "inputs")
    return {
        name: json_arrays.to_array(item, signature.inputs[name], f"inputs.{name}")
        for name, item in value.items()
    }


def _stacked_rows(value: Any, signature: Signature) -> dict[str, np.ndarray]:
    if type(value) is not list or not value:
        raise bad_request("instances", "be a list with at least one entry", brief(value))
    if not _is_object(value[0]):
        name = _only_input(signature, "instances", value[0])
        for index, item in enumerate(value):
            if _is_object(item):
                raise bad_request(
                    f"instances[{index}]", "be a value or a list, like the first", brief(item)
                )
        return {name: json_arrays.to_array(value, signature.inputs[name], "instances")}
    for index, item in enumerate(value):
        if not _is_object(item):
            rule = "be an object, like the first"
            raise bad_request(f"instances[{index}]", rule, brief(item))
        _check_names(item, signature, f"instances[{index}]")
        if item.keys() != value[0].keys():
            rule = "have the same keys as the first (" + ", ".join(map(repr, value[0])) + ")"
            raise bad_request(f"instances[{index}]", rule, brief(item))
    return {
        name: json_arrays.to_array(
            [item[name] for item in value], signature.inputs[name], f"instances.{name}"
        )
        for name in value[0]
    }


def _is_object(value: Any) -> bool:
    """Returns whether a value gives inputs by name, unlike a string in base64."""
    return type(value) is dict and not (value.keys() == {"b64"} and type(value["b64"]) is str)


def _only_input(signature: Signature, argument: str, value: Any) -> str:
    if len(signature.inputs) != 1:
        names = ", ".join(map(repr, sorted(signature.inputs)))
        rule = f"give inputs by name, as signature {signature.name!r} has several ({names})"
        entry = "[0]" if argument == "instances" else ""
        raise bad_request(argument + entry, rule, brief(value))
    return next(iter(signature.inputs))


def _check_names(value: Mapping[str, Any], signature: Signature, argument: str) -> None:
    unknown = [name for name in value if name not in signature.inputs]
    missing = [name for name in signature.required if name not in value]
    if unknown or missing:
        optional = sorted(name for name in signature.defaults if name in signature.inputs)
        rule = "have the keys " + ", ".join(map(repr, signature.required))
        if optional:
            rule += " and, optionally, " + ", ".join(map(repr, optional))
        received = (
            f"an object with the unknown key {unknown[0][:80]!r}"
            if unknown
            else f"an object without {missing[0]!r}"
        )
        hint = suggestion(unknown[0][:80], signature.inputs) if unknown else ""
        raise bad_request(argument, rule, received, hint.strip())


def _wrong_shape(argument: str, info: TensorInfo, shape: tuple[int, ...]) -> RequestError:
    way_out = ""
    if info.shape is not None and len(info.shape) == len(shape) + 1 and argument[:6] == "inputs":
        way_out = "Put a single row into a list."
    rule = f"have the shape {info.shape_text}"
    return bad_request(argument, rule, f"an array of shape {shape_text(shape)}", way_out)


def response_text(outputs: Mapping[str, np.ndarray], signature: Signature, *, as_rows: bool) -> str:
    """Returns the JSON of a predict response: `predictions` for rows, `outputs` for columns.

    Args:
        outputs: arrays by name.
        signature: the signature that gave them.
        as_rows: whether the request had `instances`.

    Raises:
        RequestError: 400 for rows if the outputs have no common batch dimension; 501 or 500 if
            JSON cannot represent them.
    """
    types = {name: signature.outputs[name].dtype_name for name in outputs}
    if not as_rows:
        texts = {
            name: json_arrays.text(array, name=name, dtype_name=types[name])
            for name, array in outputs.items()
        }
        return '{"outputs": ' + _object(texts) + "}"
    sizes = {len(array) if array.ndim else None for array in outputs.values()}
    if len(sizes) != 1 or None in sizes:
        raise _no_rows(signature, {name: array.shape for name, array in outputs.items()})
    columns = {
        name: json_arrays.rows(array, name=name, dtype_name=types[name])
        for name, array in outputs.items()
    }
    (size,) = sizes
    rows = [
        _object({name: column[index] for name, column in columns.items()})
        for index in range(size or 0)
    ]
    return '{"predictions": [' + ", ".join(rows) + "]}"


def _check_rows(signature: Signature) -> None:
    """Raises RequestError if the declared outputs cannot have a common first dimension."""
    shapes = {
        name: info.shape for name, info in signature.outputs.items() if info.shape is not None
    }
    known = {shape[0] for shape in shapes.values() if shape and shape[0] is not None}
    if () in shapes.values() or len(known) > 1:
        raise _no_rows(signature, shapes)


def _no_rows(signature: Signature, shapes: Mapping[str, Shape]) -> RequestError:
    texts = ", ".join(f"{name} {shape_text(shape)}" for name, shape in shapes.items())
    return RequestError(
        400,
        f"The outputs of signature {signature.name!r} have no common first dimension "
        f"({texts}), so they cannot be sent as rows. Send `inputs` instead of `instances`.",
    )


def _object(texts: Mapping[str, str]) -> str:
    """Returns a JSON object of these texts, or a single text without its name."""
    if len(texts) == 1:
        return next(iter(texts.values()))
    return "{" + ", ".join(f"{json.dumps(name)}: {texts[name]}" for name in sorted(texts)) + "}"


def document_text(document: Mapping[str, Any]) -> str:
    """Returns a document's JSON, laid out like TensorFlow Serving's status responses."""
    return json.dumps(document, indent=1, ensure_ascii=False)
