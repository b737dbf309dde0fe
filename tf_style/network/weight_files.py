"""Reads and checks VGG-19 weights from a user's file: `.npz`, Keras `.h5`, `.weights.h5`.

Takes a path, gives a dict of Keras layer name to (kernel float32 `[3, 3, in, filters]`,
bias float32 `[filters]`). Supported layouts:

- `.npz`: `block1_conv1/kernel` and `block1_conv1/bias`, or `block1_conv1_W` and `_b`;
- `.h5` of Keras 1 and 2: a group for each layer, a 4-D and a 1-D array somewhere in it;
- `.weights.h5` of Keras 3: `layers/conv2d`, `layers/conv2d_1`, ... in the network's order,
  or groups by layer name.

Other layers, such as a classifier's, are ignored. The deepest convolutions may be missing.
No TensorFlow here.
"""

import contextlib
import functools
import importlib.resources
import math
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tf_style import vgg19
from tf_style._checks import one_line

_MOST_BYTES = 8 * 3 * 3 * 512 * 512 + 65536  # The largest kernel in float64, and a header.

LayerArrays = dict[str, tuple[np.ndarray, np.ndarray]]
"""(kernel float32 `[3, 3, in, filters]`, bias float32 `[filters]`) by Keras layer name."""


def read_weights_file(path: Path) -> LayerArrays:
    """Returns the weights of the convolutions in a file, checked layer by layer.

    Raises:
        FileNotFoundError: if there is no file at `path`.
        ValueError: if the suffix is unknown, the file is damaged, or a layer is missing, has the
            wrong shape, is not finite or not oriented HWIO; names the layer and the reason.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"`weights` must be 'vgg19-8bit', 'imagenet' or an existing file. Received: "
            f"weights='{path}', which is not a file."
        )
    if path.suffix == ".npz":
        arrays = _read_npz(path)
    elif path.suffix in (".h5", ".hdf5"):
        arrays = _read_h5(path)
    else:
        raise ValueError(
            "`weights` must be a .npz, .h5 or .weights.h5 file. Received: "
            f"weights='{path}'. Save the model's weights with Keras' `save_weights`."
        )
    return check_layers(arrays, source=str(path))


def check_layers(arrays: dict[str, list[np.ndarray]], *, source: str) -> LayerArrays:
    """Returns the arrays as (kernel, bias) pairs after checking each layer.

    Args:
        arrays: dict of Keras layer name to its arrays, in any order.
        source: name of the file, for error messages.

    Raises:
        ValueError: if a layer is wrong; names the first such layer and the reason.
    """
    present = [layer for layer in vgg19.CONVOLUTIONS if layer in arrays]
    missing = next((layer for layer in vgg19.CONVOLUTIONS if layer not in arrays), None)
    if not present:
        raise ValueError(
            f"No VGG-19 layer found in '{source}'. A Keras VGG19 weights file has groups "
            "'block1_conv1', ... or 'layers/conv2d', ...; an .npz has 'block1_conv1/kernel', ..."
        )
    if missing and vgg19.CONVOLUTIONS.index(missing) < len(present):
        raise ValueError(f"Layer '{missing}' is missing in '{source}'.")
    checked = {}
    for layer in present:
        kernels = [array for array in arrays[layer] if array.ndim == 4]
        biases = [array for array in arrays[layer] if array.ndim == 1]
        if len(kernels) != 1 or len(biases) != 1:
            shapes = [array.shape for array in arrays[layer]]
            raise ValueError(
                f"Layer '{layer}' in '{source}' must have one 4-D kernel and one 1-D bias. "
                f"Received: shapes {shapes}."
            )
        _check_kernel(layer, kernels[0], source)
        filters = vgg19.KERNEL_SHAPES[layer][3]
        if biases[0].shape != (filters,):
            raise ValueError(
                f"The bias of layer '{layer}' in '{source}' must have shape ({filters},). "
                f"Received: {biases[0].shape}."
            )
        with np.errstate(over="ignore", invalid="ignore"):  # Checked next.
            pair = (kernels[0].astype(np.float32), biases[0].astype(np.float32))
        if not all(np.isfinite(array).all() for array in pair):
            raise ValueError(f"Layer '{layer}' in '{source}' holds values that are not finite.")
        checked[layer] = pair
    _check_orientation(checked[vgg19.CONVOLUTIONS[0]][0], source)
    return checked


def _check_kernel(layer: str, kernel: np.ndarray, source: str) -> None:
    expected = vgg19.KERNEL_SHAPES[layer]
    if kernel.shape == expected:
        return
    height, width, channels, filters = expected
    reason = ""
    if kernel.shape == (filters, channels, height, width):
        reason = " It is stored OIHW (as PyTorch does): transpose it with (2, 3, 1, 0)."
    elif kernel.shape == (height, width, filters, channels):
        reason = " Its input and output channels are swapped: transpose it with (0, 1, 3, 2)."
    raise ValueError(
        f"The kernel of layer '{layer}' in '{source}' must be HWIO with shape {expected}. "
        f"Received: {kernel.shape}.{reason}"
    )


def _check_orientation(kernel: np.ndarray, source: str) -> None:
    """Raises if the first kernel is the known one with its axes swapped or reversed.

    Swapping height and width, or RGB and BGR, keeps every shape, but makes the pictures
    subtly wrong. Weights from another training match none of these variants and pass.
    """
    reference = _reference_kernel()
    turns = {
        "has height and width swapped: it is stored WHIO, transpose it with (1, 0, 2, 3)": (
            kernel.transpose(1, 0, 2, 3)
        ),
        "is rotated by 180 degrees: it is a true convolution's, reverse its first two axes": (
            kernel[::-1, ::-1]
        ),
        "takes RGB input, where Keras' VGG-19 takes BGR: reverse its third axis": (
            kernel[:, :, ::-1]
        ),
    }
    as_it_is = _correlation(kernel, reference)
    for what, turned in turns.items():
        if _correlation(turned, reference) > max(0.9, as_it_is):
            raise ValueError(
                f"The kernel of layer 'block1_conv1' in '{source}' must be HWIO with BGR input. "
                f"Received: a kernel that {what}."
            )


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a.astype(np.float64), b.astype(np.float64)  # Squares of large float32 overflow.
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(np.vdot(a, b)) / norm if norm > 0 else 0.0


@functools.cache
def _reference_kernel() -> np.ndarray:
    with (importlib.resources.files("tf_style.network") / "data/vgg19_block1_conv1.npz").open(
        "rb"
    ) as file:
        return np.load(file)["kernel"]


def _read_npz(path: Path) -> dict[str, list[np.ndarray]]:
    arrays: dict[str, list[np.ndarray]] = {}
    with _reporting_damage(path), path.open("rb") as file:
        if file.read(2) != b"PK":
            raise ValueError("it is not a .npz archive")
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                layer = re.split(r"/|_W$|_b$", member.filename.removesuffix(".npy"))[0]
                if layer in vgg19.CONVOLUTIONS:
                    with _reporting_damage(path, layer):
                        _check_size(member.file_size, len(arrays.get(layer, ())))
                        arrays.setdefault(layer, []).append(_floats(archive.read(member)))
    return arrays


def _floats(data: bytes) -> np.ndarray:
    """Returns the floats of a .npy file.

    Differs from `numpy.load`, which allocates memory for whatever shape a header states, warns
    about some headers and parses them as Python literals.

    References:
        NumPy's NEP 1, "A Simple File Format for NumPy Arrays".
    """
    width = 2 if data[6:7] == b"\1" else 4  # Bytes of the length field; 4 from version 2 on.
    start = 8 + width
    end = start + int.from_bytes(data[8:start], "little")
    header = data[start:end]
    descr = re.search(rb"'descr': *'([<>=|]?f[248])'", header)
    order = re.search(rb"'fortran_order': *(True|False)", header)
    sides = re.search(rb"'shape': *\(((?: *\d{1,9} *,?)*) *\)", header)
    if not (data.startswith(b"\x93NUMPY") and descr and order and sides):
        raise ValueError("it is not an array of floats in NumPy's format")
    shape = tuple(map(int, re.findall(rb"\d+", sides[1])))
    dtype = np.dtype(descr[1].decode())
    if len(data) - end != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"its number of values does not fit the shape {shape} in its header")
    flat = np.frombuffer(data, dtype, offset=end)
    return flat.reshape(shape, order="F" if order[1] == b"True" else "C")


def _read_h5(path: Path) -> dict[str, list[np.ndarray]]:
    import h5py

    arrays: dict[str, list[np.ndarray]] = {}

    def visit(name: str, item: object) -> None:
        layer = _h5_layer(name)
        if layer and isinstance(item, h5py.Dataset) and item.dtype.kind == "f" and item.shape:
            with _reporting_damage(path, layer):
                # Such data may read other files, or unpack to a thousand times its size.
                if item.external or item.is_virtual or item.id.get_create_plist().get_nfilters():
                    raise ValueError(
                        "its values are compressed or in other files, which is not supported; save "
                        "it with Keras' `save_weights`"
                    )
                stored = math.prod(item.chunks or item.shape) * item.dtype.itemsize
                _check_size(max(stored, item.nbytes), len(arrays.get(layer, ())))
                arrays.setdefault(layer, []).append(item[()])

    with _reporting_damage(path), h5py.File(path, "r") as file:
        file.visititems(visit)
    return arrays


def _check_size(num_bytes: int, num_before: int) -> None:
    """Raises ValueError if an array is larger than any kernel or is the third of its layer."""
    if num_bytes > _MOST_BYTES:
        raise ValueError(f"it has {num_bytes:,} bytes, more than the largest kernel")
    if num_before > 1:
        raise ValueError("it has more than two arrays")


@contextlib.contextmanager
def _reporting_damage(path: Path, layer: str = "") -> Iterator[None]:
    """Turns any exception of a reader into a ValueError that names the file and the layer."""
    try:
        yield
    except _DamagedError:
        raise
    except Exception as error:  # NumPy, zlib and HDF5 raise almost anything on damaged files.
        where = f"Layer '{layer}' in the weights file" if layer else "The weights file"
        raise _DamagedError(f"{where} '{path}' is damaged: {one_line(error)}.") from error


class _DamagedError(ValueError):
    """Raised for a damaged file; its message already names the file."""


def _h5_layer(dataset: str) -> str | None:
    """Returns the layer to which a dataset in a Keras file belongs; None if there is none."""
    groups = dataset.split("/")[:-1]
    named = [group for group in groups if group in vgg19.CONVOLUTIONS]
    if named:
        return named[0]
    for group in groups:
        match = re.fullmatch(r"conv2d(?:_(\d+))?", group)
        if match and int(match[1] or 0) < len(vgg19.CONVOLUTIONS):
            return vgg19.CONVOLUTIONS[int(match[1] or 0)]
    return None
