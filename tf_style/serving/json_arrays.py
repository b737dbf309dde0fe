"""Converts JSON values to arrays and back, by the mapping of TensorFlow Serving's REST API.

`to_array` takes a value from `json.loads` and gives an array; `rows` and `text` take an array and
give JSON text. Strings are bytes in arrays of dtype object. Each step handles all values of a
nesting level at once, in about a microsecond per number, and lets other threads run.

References:
    TensorFlow Serving, "RESTful API": JSON mapping, Encoding binary values, JSON conformance.
"""

import base64
import binascii
import itertools
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from tf_style.serving.errors import RequestError, bad_request, brief
from tf_style.serving.signatures import TensorInfo

_TOO_LARGE = 2**1024 - 2**970
"""The smallest whole number that overflows float64."""
_MAX_RANK = 32
_ROW = 4096
"""Numbers written at a time; other threads can run in between."""


def to_array(value: Any, info: TensorInfo, argument: str) -> np.ndarray:
    """Returns a JSON value as an array.

    Args:
        value: a scalar, or nested lists of scalars; strings may be `{"b64": "..."}`.
        info: the type. Its shape is ignored.
        argument: the value's name in errors, such as `inputs.image`.

    Raises:
        RequestError: 400 if lists are ragged or a value has the wrong type; 501 if JSON cannot
            represent the type.
    """
    shape, leaves = _flatten(value, argument)

    def where(index: int) -> str:
        places = np.unravel_index(index, shape) if shape else ()
        return argument + "".join(f"[{place}]" for place in places)

    kind = info.dtype.kind
    if kind == "O":
        array = np.empty(len(leaves), object)
        array[:] = [_to_bytes(leaf, where, index) for index, leaf in enumerate(leaves)]
    elif kind == "b":
        _check_kinds(leaves, {bool}, where, "be true or false")
        array = np.array(leaves, info.dtype)
    elif kind in "iu":
        array = _to_integers(leaves, info, where)
    elif kind == "f" or info.dtype_name == "bfloat16":
        array = _to_floats(leaves, info, where)
    else:
        raise _not_in_json(info.dtype_name, argument)
    return array.reshape(shape)


def rows(array: np.ndarray, *, name: str, dtype_name: str) -> list[str]:
    """Returns the JSON text of each `array[i]`.

    Args:
        array: `[batch, ...]`.
        name: the output's name. Strings are written in base64 if it ends in `_bytes`.
        dtype_name: TensorFlow's name of the type.

    Raises:
        RequestError: 501 for a type that JSON cannot represent; 500 for invalid UTF-8.
    """
    texts = iter(_leaf_texts(array, name, dtype_name))
    for axis in range(array.ndim - 1, 0, -1):  # From the innermost lists outwards.
        texts = _lists(texts, array.shape[axis], math.prod(array.shape[:axis]))
    return list(texts)


def text(array: np.ndarray, *, name: str, dtype_name: str) -> str:
    """Returns the JSON text of an array; see `rows`."""
    (whole,) = rows(array[np.newaxis], name=name, dtype_name=dtype_name)
    return whole


def _lists(texts: Iterator[str], size: int, count: int) -> Iterator[str]:
    """Yields `count` lists of `size` texts each."""
    for _ in range(count):
        yield "[" + ", ".join(itertools.islice(texts, size)) + "]"


def _flatten(value: Any, argument: str) -> tuple[tuple[int, ...], list[Any]]:
    """Returns the shape of nested lists, and their scalars in order."""
    shape: list[int] = []
    level = [value]
    while level and (kinds := set(map(type, level))) & {list}:
        sizes = set(map(len, level)) if kinds == {list} else set()
        if len(sizes) != 1:
            first = level[0]
            same = next(
                index
                for index, item in enumerate(level)
                if type(item) is not type(first) or (sizes and len(item) != len(first))
            )
            places = np.unravel_index(same, shape)
            path = argument + "".join(f"[{place}]" for place in places)
            raise bad_request(
                path,
                f"be of the same kind and length as the values before it ({brief(first)})",
                brief(level[same]),
                "Nested lists must not be ragged.",
            )
        shape.append(sizes.pop())
        if len(shape) > _MAX_RANK:
            raise bad_request(argument, f"have at most {_MAX_RANK} dimensions", "a deeper list")
        level = list(itertools.chain.from_iterable(level))
    return tuple(shape), level


Where = Callable[[int], str]
"""Returns the name of the value with this index, for an error."""


def _check_kinds(leaves: list[Any], kinds: set[type], where: Where, rule: str) -> None:
    if not set(map(type, leaves)) <= kinds:
        index = next(index for index, leaf in enumerate(leaves) if type(leaf) not in kinds)
        raise bad_request(where(index), rule, brief(leaves[index]))


def _to_integers(leaves: list[Any], info: TensorInfo, where: Where) -> np.ndarray:
    rule = f"be a whole number without a decimal point, for {info.dtype_name}"
    _check_kinds(leaves, {int}, where, rule)
    limits = np.iinfo(info.dtype)
    low, high = int(limits.min), int(limits.max)
    # Differs from TensorFlow Serving, where 8-bit and 16-bit integers silently wrap around.
    if leaves and not (low <= min(leaves) and max(leaves) <= high):
        index = next(index for index, leaf in enumerate(leaves) if not low <= leaf <= high)
        raise bad_request(where(index), f"lie within {low}..{high}", brief(leaves[index]))
    return np.array(leaves, info.dtype)


def _to_floats(leaves: list[Any], info: TensorInfo, where: Where) -> np.ndarray:
    _check_kinds(leaves, {int, float}, where, f"be a number, for {info.dtype_name}")
    try:
        wide = np.array(leaves, np.float64)
    except OverflowError:
        index = next(
            i for i, leaf in enumerate(leaves) if type(leaf) is int and abs(leaf) >= _TOO_LARGE
        )
        raise _lossy(where(index), leaves[index], info) from None
    with np.errstate(over="ignore"):
        array = wide.astype(info.dtype)
    finite = np.isfinite(wide)
    digits = 8 if info.dtype_name == "bfloat16" else np.finfo(info.dtype).nmant + 1
    suspects = finite & (np.abs(np.where(finite, wide, 0.0)) >= 2.0**digits)
    for index in np.flatnonzero(suspects).tolist():
        # Differs from TensorFlow Serving, which refuses every whole number with more than
        # `digits` binary digits. Here those that the type holds exactly, such as 2**24, pass.
        if not np.isfinite(array[index]) or _binary_digits(leaves[index]) > digits:
            raise _lossy(where(index), leaves[index], info)
    return array


def _binary_digits(number: float) -> int:
    """Returns the number of significant binary digits of an integer; 0 for a float."""
    if type(number) is not int:
        return 0
    return abs(number).bit_length() - ((number & -number).bit_length() - 1)


def _lossy(argument: str, number: Any, info: TensorInfo) -> RequestError:
    return bad_request(
        argument,
        f"be a number that {info.dtype_name} can hold without loss of precision",
        brief(number),
    )


def _to_bytes(leaf: Any, where: Where, index: int) -> bytes:
    if type(leaf) is str:
        try:
            return leaf.encode()
        except UnicodeEncodeError:  # Half of a surrogate pair, such as "\ud800".
            raise bad_request(where(index), "be valid Unicode", "half a surrogate pair") from None
    if type(leaf) is dict and leaf.keys() == {"b64"} and type(leaf["b64"]) is str:
        return _decode_base64(leaf["b64"], where(index))
    raise bad_request(
        where(index), 'be a string, or {"b64": "..."} with bytes in base64', brief(leaf)
    )


def _decode_base64(characters: str, argument: str) -> bytes:
    """Returns the decoded bytes.

    Both alphabets of RFC 4648 are read, so "-" is "+" and "_" is "/". Padding may be left out;
    white space is skipped, and so is the head of a data URL, "data:image/png;base64,".
    Differs from TensorFlow Serving, which reads the standard alphabet without a head only.
    """
    argument += ".b64"
    packed = "".join(characters.split()) if any(map(characters.count, " \n\r\t")) else characters
    if packed[:5].lower() == "data:":
        head, comma, packed = packed.partition(",")
        if not comma or not head.lower().endswith(";base64"):
            rule = "have the form data:image/png;base64,TEXT if it is a data URL"
            raise bad_request(argument, rule, brief(head))
    packed = packed.rstrip("=").translate(_STANDARD)
    try:
        return base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        wrong = re.search("[^A-Za-z0-9+/]", packed)
        raise bad_request(
            argument,
            "be base64 (RFC 4648: A-Z, a-z, 0-9, + or -, / or _)",
            f"a string of {len(characters)} characters"
            + (f", with {wrong[0]!a} among them" if wrong else ""),
            "" if wrong else "It may have been cut off.",
        ) from error


_STANDARD = str.maketrans("-_", "+/")


def _leaf_texts(array: np.ndarray, name: str, dtype_name: str) -> Iterable[str]:
    kind = array.dtype.kind
    flat = array.reshape(-1)
    if kind == "O":
        return _string_texts(flat, name)
    if kind == "b":
        return ["true" if value else "false" for value in flat.tolist()]
    if kind in "iu":
        return map(str, flat.tolist())
    if kind == "f" or dtype_name == "bfloat16":
        return _float_texts(flat if array.dtype == np.float64 else flat.astype(np.float32))
    raise _not_in_json(dtype_name, name)


def _string_texts(flat: np.ndarray, name: str) -> Iterable[str]:
    if name.endswith("_bytes"):
        return ['{"b64": "' + base64.b64encode(value).decode() + '"}' for value in flat]
    try:
        return [json.dumps(value.decode(), ensure_ascii=False) for value in flat]
    except UnicodeDecodeError as error:
        raise RequestError(
            500,
            f"The model's output {name!r} holds bytes that are not valid UTF-8, which JSON cannot "
            "represent. Export it under a name that ends in '_bytes': it is then sent in base64.",
        ) from error


def _float_texts(flat: np.ndarray) -> Iterable[str]:
    """Yields numbers as text: six digits if that is exact, else all; whole numbers as 3.0.

    References:
        TensorFlow Serving's `json_tensor`; the text is the same, digit for digit.
    """
    short, full = "%.6g", "%.9g" if flat.dtype == np.float32 else "%.17g"
    for start in range(0, flat.size, _ROW):
        part = flat[start : start + _ROW]
        numbers = part.tolist()
        texts = [short % number for number in numbers]
        parsed = np.array([float(digits) for digits in texts]).astype(flat.dtype)
        for index in np.flatnonzero(parsed != part).tolist():
            texts[index] = full % numbers[index]
        for digits in texts:
            yield _NOT_FINITE.get(digits) or (
                digits if "." in digits or "e" in digits else digits + ".0"
            )


_NOT_FINITE = {"nan": "NaN", "-nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def _not_in_json(dtype_name: str, name: str) -> RequestError:
    return RequestError(
        501,
        f"`{name}` has the type {dtype_name}, which TensorFlow Serving's JSON cannot represent. "
        "Export the model with an input or output of another type.",
    )
