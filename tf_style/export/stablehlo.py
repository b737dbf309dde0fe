"""Programs of XLA as files: for a GPU, or any machine, that has XLA but no TensorFlow.

StableHLO is XLA's portable form. The weights are arguments of the programs, not part of them,
and lie beside them with pictures to try them on and the numbers to be expected.
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
from tf_style.engine.assembly import make_problem
from tf_style.engine.graph_stages import start_image, stylize_at_size
from tf_style.engine.pictures import Pictures
from tf_style.engine.problem import Problem
from tf_style.export.options import ABOUT
from tf_style.export.saved_model import Exported, about_model, check_exportable
from tf_style.export.tensor_names import named_targets, named_terms
from tf_style.files.new_folder import check_new_folder, new_folder, num_bytes
from tf_style.inputs.sizes import smallest_side
from tf_style.network.weights import load_weights
from tf_style.objective.targets import Targets

PROGRAMS = ("targets", "loss_and_gradient_from_targets", "stylize")
"""What can be written."""

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
    """Writes loss and gradient, the targets and the whole optimization as StableHLO.

    The folder then holds, for each program, NAME.mlir (bytecode) and in `tf_style.json` the
    names of its arguments and results in their order; `weights.npz`; and with `check`
    `arguments.npz` and `expected.npz`, pictures to try it on and the numbers to be expected.
    `tools/run_stablehlo.py` runs them with JAX.

    Args:
        output_dir: a folder that is not there yet, or empty.
        config: every choice; the default preset if left out.
        height: of content, style and result, px.
        width: of content, style and result, px.
        signatures: which of `PROGRAMS` to write.
        check: also run the programs here and write the numbers to be expected; the whole
            optimization takes as long as any.
        notify: called with a line of text before weights are fetched.

    Returns:
        What was written.

    Raises:
        TypeError: if `config` is no StyleConfig.
        ValueError: if the config cannot be exported, a side is too small, or on an unknown program.
        OSError: if the folder holds files or cannot be written, or weights cannot be fetched.
    """
    config = StyleConfig() if config is None else config
    check_exportable(config)
    output = check_new_folder(output_dir)
    for name, side in (("height", height), ("width", width)):
        check_number(name, side, minimum=smallest_side(config), maximum=30_000)
    for name in signatures:
        check_choice("signatures", name, PROGRAMS)
    weights = load_weights(config.network.weights, notify=notify)
    kind = "bfloat16" if config.compute.precision == "bfloat16" else "direct"
    problem = make_problem(weights.layers, config, kind)
    programs = _programs(problem, config, _pictures(height, width))
    variables = {
        f"weight_{number}": variable.value
        for number, variable in enumerate(problem.objective.extractor.variables)
    }
    described: dict[str, dict[str, list[str]]] = {}
    given: dict[str, np.ndarray] = {}
    expected: dict[str, np.ndarray] = {}
    with new_folder(output) as folder:
        for name in signatures:
            function, inputs = programs[name]
            concrete = function.get_concrete_function(*inputs.values())
            (folder / f"{name}.mlir").write_bytes(_stablehlo_of(function, inputs))
            captured = [_name_of(handle, variables) for handle in concrete.captured_inputs]
            results = sorted(concrete.structured_outputs)  # As nests are flattened.
            described[name] = {"arguments": [*inputs, *captured], "results": results}
            if check:
                found = function(*inputs.values())
                given |= {key: value.numpy() for key, value in inputs.items()}
                expected |= {f"{name}:{key}": found[key].numpy() for key in results}
        arrays = {"weights": {name: variable.numpy() for name, variable in variables.items()}}
        if check:
            arrays |= {"arguments": given, "expected": expected}
        for name, values in arrays.items():
            np.savez(folder / f"{name}.npz", allow_pickle=False, **values)
        about = {**about_model(config, weights.sha256, kind), "programs": described}
        (folder / ABOUT).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    return Exported(
        path=output,
        signatures=tuple(signatures),
        num_bytes=num_bytes(output),
        weights_sha256=weights.sha256,
    )


def _stablehlo_of(function: Any, inputs: dict[str, tf.Tensor]) -> bytes:
    """Returns the serialized program of a compiled function for these inputs."""
    compiled = function.experimental_get_compiler_ir(*inputs.values())
    device = next(iter(inputs.values())).device
    with warnings.catch_warnings():
        # Without a device TensorFlow draws a random number to see where it lies, and where the
        # program asked for deterministic operations it refuses to draw without a seed.
        warnings.filterwarnings("ignore", "device_name is being deprecated")
        return compiled(stage="stablehlo_serialized", device_name=device)


def _programs(problem: Problem, config: StyleConfig, pictures: tuple[tf.Tensor, ...]) -> dict:
    """Returns each program with its inputs: a compiled function, and values by name."""
    content, style = pictures
    objective = problem.objective
    targets = objective.targets(content, style)

    def make_targets(content: tf.Tensor, style: tf.Tensor) -> dict[str, tf.Tensor]:
        return named_targets(objective.targets(content, style))

    def loss_and_gradient(image: tf.Tensor, *flat: tf.Tensor) -> dict[str, tf.Tensor]:
        given: Targets = tf.nest.pack_sequence_as(targets, flat)
        terms, gradient = objective.terms_and_gradient(image, given)
        return {**named_terms(terms), "gradient": gradient}

    def stylize(content: tf.Tensor, style: tf.Tensor) -> dict[str, tf.Tensor]:
        start = start_image(config, content, style)
        return stylize_at_size(problem, Pictures(content, (style,), start), config)._asdict()

    def compiled(function: Callable) -> Any:
        return tf.function(function, autograph=False, jit_compile=True)

    both = {"content": content, "style": style}
    # Not the content itself, whose loss is nothing but rounding.
    given = {"image": 0.5 * content + 0.25, **named_targets(targets)}
    return {
        "targets": (compiled(make_targets), both),
        "loss_and_gradient_from_targets": (compiled(loss_and_gradient), given),
        "stylize": (compiled(stylize), both),
    }


def _pictures(height: int, width: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns pictures drawn for trying the programs: shapes, and a texture of waves."""
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
    return next(name for name, variable in variables.items() if variable.handle is handle)
