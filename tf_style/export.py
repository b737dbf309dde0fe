"""A config as a SavedModel, written with everything inside.

It needs nothing but TensorFlow (or TensorFlow Serving, or its C library) to run.
"""

import dataclasses
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

from tf_style._checks import check_number
from tf_style.config import INITS, StyleConfig
from tf_style.network import make_extractor
from tf_style.new_folder import check_new_folder, new_folder
from tf_style.objective import Objective
from tf_style.parametrization import PARAMETRIZATIONS
from tf_style.precision import arithmetic
from tf_style.problem import Problem
from tf_style.saving import describe
from tf_style.signatures import NAMES, Signatures
from tf_style.weights import Weights, load_weights

MAX_PIXELS = 4096 * 4096
"""Of a picture that an exported model takes or makes, if nothing else is said."""

ABOUT = "tf_style.json"
"""The asset that tells how a model was made."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Exported:
    """A folder that was written.

    Attributes:
        path: the folder.
        signatures: what it can do.
        num_bytes: on the disk.
        weights_sha256: hash of the network's weights.
    """

    path: Path
    signatures: tuple[str, ...]
    num_bytes: int
    weights_sha256: str


def export_saved_model(
    output_dir: str | os.PathLike,
    *,
    config: StyleConfig | None = None,
    max_pixels: int = MAX_PIXELS,
    for_gpu: bool = False,
    notify: Callable[[str], None] | None = None,
) -> Exported:
    """Writes a SavedModel that stylises, and gives features, losses and gradients.

    Signatures, for pictures of any size, float32 RGB 0..1 or the bytes of files: `features`,
    `targets`, `loss_and_gradient`, `loss_and_gradient_from_targets`, `stylize` and
    `stylize_png`, which is the default one. What `stylize` computes is what the command line
    does, to rounding.

    Args:
        output_dir: a folder that is not there yet, or empty. TensorFlow Serving wants a number
            as its name: `models/tf_style/1`.
        config: every choice; the default preset if left out. Sizes, steps and weights become
            the defaults of the signatures' inputs.
        max_pixels: larger pictures are refused, given or asked for.
        for_gpu: compute convolutions as TensorFlow does on GPUs, not by Winograd's algorithm.
        notify: called with a line of text before weights are fetched.

    Raises:
        ValueError: if the config cannot be exported, or the weights cannot be used.
        OSError: if the folder holds files or cannot be written, or weights cannot be fetched.
    """
    config = StyleConfig() if config is None else config
    check_exportable(config)
    output = check_new_folder(output_dir)
    check_number("max_pixels", max_pixels, minimum=1, maximum=2**31 - 1)
    weights = load_weights(config.network.weights, notify=notify)
    kind = arithmetic(config.compute.precision, deterministic=True, jit_compile=for_gpu)
    problem = build_problem(weights, config, "stored_winograd" if kind == "winograd" else kind)
    module = Signatures(problem, config, max_pixels=max_pixels)
    about = {**about_model(config, weights.sha256, kind), "max_pixels": max_pixels}
    try:
        with new_folder(output) as folder, tempfile.TemporaryDirectory() as assets:
            file = Path(assets) / ABOUT
            file.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
            module.about = tf.saved_model.Asset(str(file))
            functions = {name: getattr(module, name) for name in NAMES}
            functions["serving_default"] = module.stylize_png
            tf.saved_model.save(module, str(folder), signatures=functions)
    except tf.errors.OpError as error:
        raise OSError(f"`output_dir` cannot be written: {error.message}.") from error
    files = [path for path in output.rglob("*") if path.is_file()]
    num_bytes = sum(path.stat().st_size for path in files)
    return Exported(
        path=output, signatures=NAMES, num_bytes=num_bytes, weights_sha256=weights.sha256
    )


def build_problem(weights: Weights, config: StyleConfig, kind: str) -> Problem:
    """Returns the problem of a config, with convolutions of this `extractor.ARITHMETICS`."""
    extractor = make_extractor(
        weights.layers, config.network, layers=config.loss.layers, arithmetic=kind
    )
    adam = config.optimizer.optimizer == "adam"
    parametrization = "pixels" if adam else config.optimizer.parametrization
    return Problem(
        Objective(extractor, config.loss),
        PARAMETRIZATIONS[parametrization],
        gamut=config.optimizer.gamut,
    )


def about_model(config: StyleConfig, weights_sha256: str, kind: str) -> dict[str, Any]:
    """Returns what an exported model tells about its making, in plain JSON types."""
    return {**describe(config, weights_sha256), "arithmetic": kind}


def check_exportable(config: StyleConfig) -> None:
    """Raises ValueError if a config needs what only a running program has."""
    if not isinstance(config, StyleConfig):
        raise TypeError(f"`config` must be a StyleConfig. Received: {type(config).__name__}.")
    if config.init not in INITS:
        choices = ", ".join(repr(name) for name in INITS)
        raise ValueError(
            f"`init` must be one of {choices} to be exported, as a model holds no pictures. "
            f"Received: init={config.init!r}."
        )
    if config.compute.jit_compile != "off":
        raise ValueError(
            "Cannot export `jit_compile`. This is because XLA compiles for sizes it meets. "
            f"Received: jit_compile={config.compute.jit_compile!r}. Use format 'stablehlo'."
        )
    if config.compute.time_budget:
        raise ValueError(
            "Cannot export `time_budget`. This is because a graph does not plan by the clock. "
            f"Received: time_budget={config.compute.time_budget:g}. Use `steps`."
        )
