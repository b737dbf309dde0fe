"""Exports a config as StableHLO programs, for machines that have XLA but no TensorFlow.

StableHLO is XLA's portable program format. Takes a config and a picture size; writes a folder with
the programs, the weights (arguments of the programs, not part of them), sample pictures, and the
expected results for these.
"""

import json
import os
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tf_style._checks import check_choice, check_number
from tf_style.config.style_config import StyleConfig
from tf_style.engine.assembly import load_problem
from tf_style.engine.graph_stages import start_image, stylize_at_size
from tf_style.engine.pictures import Pictures
from tf_style.engine.problem import Problem
from tf_style.export.options import ABOUT
from tf_style.export.saved_model import Exported, about_model, check_exportable
from tf_style.export.tensor_names import named_targets, named_terms
from tf_style.files.new_folder import check_new_folder, new_folder, num_bytes
from tf_style.inputs.sizes import smallest_side
from tf_style.objective.targets import Targets

PROGRAMS = ("targets", "loss_and_gradient_from_targets", "stylize")
"""The programs that can be exported."""

_SEED = 2016


def export_stablehlo(
    output_dir: str | os.PathLike,
    *,
    config: StyleConfig | None = None,
    height: int,
    width: int,
    signatures: Sequence[str] = PROGRAMS,
    check: bool = True,
    notify: Callable[[str], None] | None = None,
) -> Exported:
    """Writes the targets, the loss with its gradient, and the whole optimization as StableHLO.

    The folder holds a file NAME.mlir (bytecode) for each program; `tf_style.json`, with the names
    of its arguments and results in order; and `weights.npz`. With `check` it also holds
    `arguments.npz`, sample inputs, and `expected.npz`, the results for them.
    `tools/exports/run_stablehlo.py` runs the programs with JAX.

    Args:
        output_dir: a folder that is new or empty.
        config: all options; the default preset if omitted.
        height: height of content, style and result, in px.
        width: width of content, style and result, in px.
        signatures: which of `PROGRAMS` to write.
        check: also run the programs and write their results. Running `stylize` takes as long as
            any optimization of that size.
        notify: called with a line of text before weights are downloaded.

    Returns:
        The export that was written.

    Raises:
        TypeError: if `config` is not a StyleConfig.
        ValueError: if the config cannot be exported, a side is out of range, or a program is
            unknown.
        OSError: if the folder is not empty or cannot be written, or the weights cannot be
            downloaded.
    """
    config = StyleConfig() if config is None else config
    check_exportable(config)
    output = check_new_folder(output_dir)
    for name, side in (("height", height), ("width", width)):
        check_number(name, side, minimum=smallest_side(config), maximum=30_000)
    for name in signatures:
        check_choice("signatures", name, PROGRAMS)
    kind = "bfloat16" if config.compute.precision == "bfloat16" else "direct"
    problem, weights_sha256 = load_problem(config, kind=kind, is_shared=False, notify=notify)
    programs = _programs(problem, config, _pictures(height, width))
    variables = {
        f"weight_{number}": variable.value
        for number, variable in enumerate(problem.objective.extractor.variables)
    }
    described: dict[str, dict[str, list[str]]] = {}
    arguments: dict[str, np.ndarray] = {}
    expected: dict[str, np.ndarray] = {}
    with new_folder(output) as folder:
        for name in signatures:
            function, inputs = programs[name]
            concrete = function.get_concrete_function(*inputs.values())
            (folder / f"{name}.mlir").write_bytes(_stablehlo_of(function, inputs))
            captured = [_name_of(handle, variables) for handle in concrete.captured_inputs]
            results = sorted(concrete.structured_outputs)  # The order of `tf.nest.flatten`.
            described[name] = {"arguments": [*inputs, *captured], "results": results}
            if check:
                found = function(*inputs.values())
                arguments |= {key: value.numpy() for key, value in inputs.items()}
                expected |= {f"{name}:{key}": found[key].numpy() for key in results}
        arrays = {"weights": {name: variable.numpy() for name, variable in variables.items()}}
        if check:
            arrays |= {"arguments": arguments, "expected": expected}
        for name, values in arrays.items():
            np.savez(folder / f"{name}.npz", allow_pickle=False, **values)
        about = {**about_model(config, weights_sha256, kind), "programs": described}
        (folder / ABOUT).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    return Exported(
        path=output,
        signatures=tuple(signatures),
        num_bytes=num_bytes(output),
        weights_sha256=weights_sha256,
    )


def _stablehlo_of(function: Any, inputs: dict[str, tf.Tensor]) -> bytes:
    """Returns the serialized StableHLO program of a compiled function for these inputs."""
    compiled = function.experimental_get_compiler_ir(*inputs.values())
    device = next(iter(inputs.values())).device
    with warnings.catch_warnings():
        # Without a device name, TensorFlow finds the device by drawing a random number. With
        # deterministic operations enabled, it refuses to draw one without a seed.
        warnings.filterwarnings("ignore", "device_name is being deprecated")
        return compiled(stage="stablehlo_serialized", device_name=device)


def _programs(problem: Problem, config: StyleConfig, pictures: tuple[tf.Tensor, ...]) -> dict:
    """Returns, by program name, a compiled function and its sample inputs by name."""
    content, style = pictures
    objective = problem.objective
    targets = objective.targets(content, style)

    def make_targets(content: tf.Tensor, style: tf.Tensor) -> dict[str, tf.Tensor]:
        return named_targets(objective.targets(content, style))

    def loss_and_gradient(image: tf.Tensor, *flat: tf.Tensor) -> dict[str, tf.Tensor]:
        packed: Targets = tf.nest.pack_sequence_as(targets, flat)
        terms, gradient = objective.terms_and_gradient(image, packed)
        return {**named_terms(terms), "gradient": gradient}

    def stylize(content: tf.Tensor, style: tf.Tensor) -> dict[str, tf.Tensor]:
        start = start_image(config, content, style)
        return stylize_at_size(problem, Pictures(content, (style,), start), config)._asdict()

    def compiled(function: Callable) -> Any:
        return tf.function(function, autograph=False, jit_compile=True)

    pair = {"content": content, "style": style}
    # Not the content itself: its content loss would be rounding error only.
    point = {"image": 0.5 * content + 0.25, **named_targets(targets)}
    return {
        "targets": (compiled(make_targets), pair),
        "loss_and_gradient_from_targets": (compiled(loss_and_gradient), point),
        "stylize": (compiled(stylize), pair),
    }


def _pictures(height: int, width: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns a sample content and style, float32 `[1, H, W, 3]`, RGB 0..1: waves with noise."""
    rng = np.random.default_rng(_SEED)
    rows, columns = np.mgrid[:height, :width].astype(np.float32) / 40.0
    drawn = []
    for _ in range(2):
        turns, phases = rng.uniform(0.2, 3.0, (2, 3)), rng.uniform(0.0, 6.0, 3)
        waves = [np.sin(turns[0, i] * rows + turns[1, i] * columns + phases[i]) for i in range(3)]
        noise = rng.normal(0.0, 0.05, (height, width, 3))
        drawn.append(np.clip(0.5 + 0.35 * np.stack(waves, -1) + noise, 0.0, 1.0))
    content, style = (tf.constant(picture[np.newaxis], tf.float32) for picture in drawn)
    return content, style


def _name_of(handle: tf.Tensor, variables: dict[str, tf.Variable]) -> str:
    """Returns the name of the variable whose resource handle a graph captured."""
    return next(name for name, variable in variables.items() if variable.handle is handle)
