"""Exports a config as StableHLO programs, for machines that have XLA but no TensorFlow.

StableHLO is XLA's portable program format. Takes a config and a picture size; writes a folder with
the programs, the weights (arguments of the programs, not part of them), sample pictures, and the
expected results for these.
"""

import json
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tf_style._checks import check_choice, check_number
from tf_style._keras import keras
from tf_style.config.style_config import StyleConfig
from tf_style.engine.assembly import load_problem
from tf_style.export.options import ABOUT, PROGRAMS, STEPS_PER_CALL
from tf_style.export.programs import Program, check_program, make_programs
from tf_style.export.saved_model import Exported, about_model, check_exportable
from tf_style.files.new_folder import check_new_folder, new_folder, num_bytes
from tf_style.inputs.sizes import smallest_side


def export_stablehlo(
    output_dir: str | os.PathLike,
    *,
    config: StyleConfig | None = None,
    height: int,
    width: int,
    signatures: Sequence[str] = PROGRAMS,
    steps_per_call: int = STEPS_PER_CALL,
    check: bool = True,
    notify: Callable[[str], None] | None = None,
) -> Exported:
    """Writes the targets, the loss with its gradient, and the optimization as StableHLO programs.

    `stylize` is the whole optimization of a picture, from coarse to fine. `step` continues one at
    the full size by a few steps, for films: it takes the picture of the frame before, and the
    history of the optimizer that its last call gave (zeros at first), and gives the next ones.

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
        steps_per_call: steps of L-BFGS that a call of `step` makes, at least 1.
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
    check_number("steps_per_call", steps_per_call, minimum=1)
    for name in signatures:
        check_choice("signatures", name, PROGRAMS)
        check_program(name, config)
    kind = "bfloat16" if config.compute.precision == "bfloat16" else "direct"
    problem, weights_sha256 = load_problem(config, kind=kind, is_shared=False, notify=notify)
    programs = make_programs(problem, config, height, width, steps_per_call=steps_per_call)
    chosen = {name: programs[name] for name in signatures}
    with new_folder(output) as folder:
        described = write_programs(folder, chosen, problem.objective.extractor, check=check)
        about = {**about_model(config, weights_sha256, kind), "programs": described}
        (folder / ABOUT).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    return Exported(
        path=output,
        signatures=tuple(signatures),
        num_bytes=num_bytes(output),
        weights_sha256=weights_sha256,
    )


def write_programs(
    folder: Path, programs: Mapping[str, Program], extractor: keras.Model, *, check: bool
) -> dict[str, dict[str, list[str]]]:
    """Writes programs with the extractor's weights, and with `check` sample inputs and results.

    Returns:
        The names of each program's arguments and results, in order.
    """
    weights = {
        f"weight_{number}": tf.convert_to_tensor(variable)
        for number, variable in enumerate(extractor.variables)
    }
    described: dict[str, dict[str, list[str]]] = {}
    arguments: dict[str, np.ndarray] = {}
    expected: dict[str, np.ndarray] = {}
    for name, program in programs.items():
        function = tf.function(program.function, autograph=False, jit_compile=True)
        given = [*program.inputs.values(), *weights.values()]
        results = sorted(function.get_concrete_function(*given).structured_outputs)
        (folder / f"{name}.mlir").write_bytes(_stablehlo_of(function, given))
        # Results are in the order of `tf.nest.flatten`.
        described[name] = {"arguments": [*program.inputs, *weights], "results": results}
        if check:
            found = function(*given)
            arguments |= {key: value.numpy() for key, value in program.inputs.items()}
            expected |= {f"{name}:{key}": found[key].numpy() for key in results}
    arrays = {"weights": {name: value.numpy() for name, value in weights.items()}}
    if check:
        arrays |= {"arguments": arguments, "expected": expected}
    for name, values in arrays.items():
        np.savez(folder / f"{name}.npz", allow_pickle=False, **values)
    return described


def _stablehlo_of(function: Any, given: Sequence[tf.Tensor]) -> bytes:
    """Returns the serialized StableHLO program of a compiled function for these arguments."""
    compiled = function.experimental_get_compiler_ir(*given)
    device = given[0].device
    with warnings.catch_warnings():
        # Without a device name, TensorFlow finds the device by drawing a random number. With
        # deterministic operations enabled, it refuses to draw one without a seed.
        warnings.filterwarnings("ignore", "device_name is being deprecated")
        return compiled(stage="stablehlo_serialized", device_name=device)
