"""The file of a style network, `.tfstyle`: its numbers, its styles and how it was trained.

Takes a `StyleNetwork` and gives one. Numbers are stored with 16 bits; a network that was read and
is written again keeps every bit. No TensorFlow here.
"""

import dataclasses
import hashlib
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from tf_style._checks import missing_file, one_line, user_path
from tf_style.feedforward.architecture import Architecture, parameter_shapes
from tf_style.files import array_file

SUFFIX = ".tfstyle"

_STYLE = "style/"


class NetworkFileError(ValueError):
    """Raised for a file that is not a style network, is damaged, or is from another version."""


_KIND = array_file.Kind(
    "network", 1, NetworkFileError, "Use the version of tf_style that wrote it, or train it anew."
)


class StyleNetwork(NamedTuple):
    """A trained network.

    Attributes:
        architecture: its layers.
        parameters: float32 arrays by name, as `architecture.parameter_shapes` lists them: the
            kernels, the last bias, and the predictor of styles.
        styles: float32 `[style_size]` by the painting's name, in the order of training.
        about: how it was trained, in plain JSON types; for the record.
    """

    architecture: Architecture
    parameters: Mapping[str, np.ndarray]
    styles: Mapping[str, np.ndarray]
    about: Mapping[str, Any]

    def with_local_contrast(self, local_contrast: float | None) -> "StyleNetwork":
        """Returns the network that raises local contrasts towards this; None leaves it as it is.

        Raises:
            TypeError: if it is no number.
            ValueError: if it is out of range.
        """
        if local_contrast is None:
            return self
        architecture = dataclasses.replace(self.architecture, local_contrast=local_contrast)
        return self._replace(architecture=architecture)


def write_network(path: str | os.PathLike, network: StyleNetwork) -> None:
    """Writes a network; the file appears only when it is complete.

    Raises:
        OSError: if it cannot be written; an older file is then unchanged.
        NetworkFileError: if a number is not finite, or too large for 16 bits; likewise.
    """
    styles = {f"{_STYLE}{name}": value for name, value in network.styles.items()}
    with np.errstate(over="ignore"):  # It is an error below.
        arrays = {
            name: np.asarray(value, np.float16)
            for name, value in {**network.parameters, **styles}.items()
        }
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise NetworkFileError(
                f"The network's numbers must be finite, and fit into 16 bits. Received: '{name}' "
                "with others. Train with a smaller `learning_rate`."
            )
    description = {
        "architecture": dataclasses.asdict(network.architecture),
        "about": dict(network.about),
    }
    array_file.write(user_path(path, "output"), _KIND, description, arrays)


def read_network(path: str | os.PathLike, *, argument: str = "network") -> StyleNetwork:
    """Returns the network in a file.

    Args:
        path: of a file that `write_network` wrote.
        argument: name of the argument in error messages.

    Raises:
        OSError: if the file cannot be read.
        NetworkFileError: if it is not a network, is damaged, or is from another version.
    """
    found = user_path(path, argument)
    if not found.is_file():
        raise FileNotFoundError(missing_file(argument, found))
    file = array_file.read(found, _KIND)
    try:
        architecture = Architecture(**file.description["architecture"])
        about = dict(file.description["about"])
        arrays = {name: file.arrays[name] for name in file.arrays}
        shapes = parameter_shapes(architecture)
        styles = {name: array for name, array in arrays.items() if name.startswith(_STYLE)}
        shapes.update(dict.fromkeys(styles, (architecture.style_size,)))
        for name, shape in shapes.items():
            if arrays[name].shape != shape or not np.isfinite(arrays[name]).all():
                raise ValueError(f"'{name}' is not {shape}, or not finite")
    except (ValueError, TypeError, KeyError) as error:
        raise NetworkFileError(
            f"'{found}' is not a network of this version of tf_style: {one_line(error)}. "
            f"{_KIND.remedy}"
        ) from error
    exact = {name: array.astype(np.float32) for name, array in arrays.items()}
    return StyleNetwork(
        architecture,
        {name: exact[name] for name in parameter_shapes(architecture)},
        {name.removeprefix(_STYLE): exact[name] for name in styles},
        about,
    )


def sha256_of(network: StyleNetwork) -> str:
    """Returns a hash of all numbers of a network and the names of its styles, as they are stored.

    It identifies the network, however it was trained and wherever it is.
    """
    digest = hashlib.sha256()
    for name, value in {**network.parameters, **network.styles}.items():
        digest.update(f"{name} {value.shape} ".encode())
        digest.update(np.ascontiguousarray(value, "<f2").tobytes())
    return digest.hexdigest()
