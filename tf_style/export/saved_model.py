"""Exports a config as a self-contained SavedModel.

Takes a config; writes a folder with the graphs and the weights. To run it, TensorFlow, TensorFlow
Serving or TensorFlow's C library is enough.
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
from tf_style.engine.assembly import load_problem
from tf_style.engine.graph_stages import check_graph
from tf_style.export.options import ABOUT, MAX_PIXELS
from tf_style.export.signatures import NAMES, Signatures, measured
from tf_style.export.tiny_requests import tiny_requests
from tf_style.export.warm_up import write_requests
from tf_style.files.new_folder import check_new_folder, new_folder, num_bytes
from tf_style.network.arithmetic import arithmetic
from tf_style.network.extractor import STORED_WINOGRAD
from tf_style.provenance.description import describe


@dataclasses.dataclass(frozen=True, kw_only=True)
class Exported:
    """An export that was written.

    Attributes:
        path: its folder.
        signatures: names of the functions that it offers.
        num_bytes: its size on disk, in bytes.
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
    """Writes a SavedModel that stylizes pictures and computes features, losses and gradients.

    Its signatures are `features`, `targets`, `loss_and_gradient`,
    `loss_and_gradient_from_targets`, `stylize` and `stylize_png`, which is the default. They take
    pictures of any size, as float32 RGB 0..1 or, for `stylize_png`, as the bytes of files.
    `stylize` gives the same picture as the command line, up to rounding; only with `init="noise"`
    the random numbers differ.

    Args:
        output_dir: a folder that is new or empty. TensorFlow Serving requires a number as its
            name: `models/tf_style/1`.
        config: all options; the default preset if omitted. Its size, steps and weights become
            default values of the signatures' inputs.
        max_pixels: the model refuses inputs and results with more pixels than this; a batch in
            one tensor counts as a whole.
        for_gpu: compute convolutions as TensorFlow does on GPUs, not by Winograd's algorithm.
        notify: called with a line of text before weights are downloaded.

    Returns:
        The export that was written.

    Raises:
        TypeError: if `config` is not a StyleConfig.
        ValueError: if the config cannot be exported, or the weights are invalid.
        OSError: if the folder is not empty or cannot be written, or the weights cannot be
            downloaded.
    """
    config = StyleConfig() if config is None else config
    check_exportable(config)
    output = check_new_folder(output_dir)
    check_number("max_pixels", max_pixels, minimum=1, maximum=2**31 - 1)
    kind = arithmetic(config.compute.precision, deterministic=True, jit_compile=for_gpu)
    stored = STORED_WINOGRAD if kind == "winograd" else kind
    loaded = load_problem(measured(config), kind=stored, is_shared=False, notify=notify)
    module = Signatures(loaded.problem, config, max_pixels=max_pixels)
    about = {**about_model(config, loaded.weights_sha256, kind), "max_pixels": max_pixels}
    try:
        with new_folder(output) as folder, tempfile.TemporaryDirectory() as assets:
            file = Path(assets) / ABOUT
            file.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
            module.about = tf.saved_model.Asset(str(file))
            functions = {name: getattr(module, name) for name in NAMES}
            functions["serving_default"] = module.stylize_png
            tf.saved_model.save(module, str(folder), signatures=functions)
            write_requests(folder, tiny_requests(module, config), model="tf_style")
    except tf.errors.OpError as error:
        raise OSError(f"`output_dir` cannot be written: {error.message}.") from error
    return Exported(
        path=output,
        signatures=NAMES,
        num_bytes=num_bytes(output),
        weights_sha256=loaded.weights_sha256,
    )


def about_model(config: StyleConfig, weights_sha256: str, kind: str) -> dict[str, Any]:
    """Returns the record of how a model was exported, in plain JSON types."""
    return describe(config, weights_sha256, arithmetic=kind)


def check_exportable(config: StyleConfig) -> None:
    """Raises ValueError if a config has an option that an exported graph cannot honor."""
    check_graph(config)
    if config.compute.deterministic:
        raise ValueError(
            "Cannot export `deterministic`. This is because the program that runs the model "
            "sets it, in TensorFlow by `tf.config.experimental.enable_op_determinism()`. "
            "Received: deterministic=True. Leave it out."
        )
