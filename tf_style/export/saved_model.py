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
from tf_style.config.style_config import StyleConfig
from tf_style.engine.assembly import make_problem
from tf_style.engine.graph_stages import check_graph
from tf_style.export.options import ABOUT, MAX_PIXELS
from tf_style.export.signatures import NAMES, Signatures
from tf_style.files.new_folder import check_new_folder, new_folder, num_bytes
from tf_style.network.arithmetic import arithmetic
from tf_style.network.extractor import STORED_WINOGRAD
from tf_style.network.weights import load_weights
from tf_style.provenance.description import describe


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
    """Writes a SavedModel that stylizes, and gives features, losses and gradients.

    Signatures, for pictures of any size, float32 RGB 0..1 or the bytes of files: `features`,
    `targets`, `loss_and_gradient`, `loss_and_gradient_from_targets`, `stylize` and
    `stylize_png`, which is the default one. What `stylize` computes is what the command line
    does, to rounding; but noise to start from is of other numbers.

    Args:
        output_dir: a folder that is not there yet, or empty. TensorFlow Serving wants a number
            as its name: `models/tf_style/1`.
        config: every choice; the default preset if left out. Sizes, steps and weights become
            the defaults of the signatures' inputs.
        max_pixels: larger pictures are refused, given or asked for; of several in one tensor,
            all together.
        for_gpu: compute convolutions as TensorFlow does on GPUs, not by Winograd's algorithm.
        notify: called with a line of text before weights are fetched.

    Returns:
        What was written.

    Raises:
        TypeError: if `config` is no StyleConfig.
        ValueError: if the config cannot be exported, or the weights cannot be used.
        OSError: if the folder holds files or cannot be written, or weights cannot be fetched.
    """
    config = StyleConfig() if config is None else config
    check_exportable(config)
    output = check_new_folder(output_dir)
    check_number("max_pixels", max_pixels, minimum=1, maximum=2**31 - 1)
    weights = load_weights(config.network.weights, notify=notify)
    kind = arithmetic(config.compute.precision, deterministic=True, jit_compile=for_gpu)
    stored = STORED_WINOGRAD if kind == "winograd" else kind
    problem = make_problem(weights.layers, config, stored)
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
    return Exported(
        path=output,
        signatures=NAMES,
        num_bytes=num_bytes(output),
        weights_sha256=weights.sha256,
    )


def about_model(config: StyleConfig, weights_sha256: str, kind: str) -> dict[str, Any]:
    """Returns what an exported model tells about its making, in plain JSON types."""
    return {**describe(config, weights_sha256), "arithmetic": kind}


def check_exportable(config: StyleConfig) -> None:
    """Raises ValueError if a config needs what only a running program has."""
    check_graph(config)
    if config.compute.deterministic:
        raise ValueError(
            "Cannot export `deterministic`. This is because the program that runs a model "
            "decides on it, in TensorFlow by `tf.config.experimental.enable_op_determinism()`. "
            "Received: deterministic=True. Leave it out."
        )
