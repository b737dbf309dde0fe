"""Programs of XLA as files: for a GPU, or any machine, that has XLA but no TensorFlow.

StableHLO is XLA's portable form. The weights are arguments of the programs, not part of them,
and lie beside them with pictures to try them on and the numbers to be expected.
"""

import json
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tf_style._checks import check_number
from tf_style.config import StyleConfig
from tf_style.export import Exported, about_model, build_problem, check_exportable
from tf_style.graph_transfer import stylize_at_size
from tf_style.inputs import smallest_side
from tf_style.new_folder import check_new_folder, new_folder
from tf_style.objective import Targets
from tf_style.problem import Problem
from tf_style.scene import Pictures
from tf_style.weights import load_weights

_SEED = 2016


def export_stablehlo(
    output_dir: str | os.PathLike,
    *,
    config: StyleConfig | None = None,
    height: int,
    width: int,
    check: bool = True,
    notify: Callable[[str], None] | None = None,
) -> Exported:
    """Writes loss and gradient, the targets and the whole optimisation as StableHLO.

    The folder then holds, for each program, NAME.mlir (bytecode) and in `programs.json` its
    arguments in their order; `arguments.npz` with the weights and the pictures that the
    numbers in `expected.npz` belong to. `tools/run_stablehlo.py` runs them with JAX.

    Args:
        output_dir: a folder that is not there yet, or empty.
        config: every choice; the default preset if left out.
        height: of content, style and result, px.
        width: of content, style and result, px.
        check: also run the programs here and write the numbers to be expected; the whole
            optimisation takes as long as any.
        notify: called with a line of text before weights are fetched.

    Raises:
        ValueError: if the config cannot be exported, or a side is too small.
        OSError: if the folder holds files or cannot be written, or weights cannot be fetched.
    """
    config = StyleConfig() if config is None else config
    check_exportable(config)
    if config.init != "content":
        raise ValueError(f"`init` must be 'content' for StableHLO. Received: init={config.init!r}.")
    output = check_new_folder(output_dir)
    for name, side in (("height", height), ("width", width)):
        check_number(name, side, minimum=smallest_side(config), maximum=30_000)
    weights = load_weights(config.network.weights, notify=notify)
    kind = "bfloat16" if config.compute.precision == "bfloat16" else "direct"
    problem = build_problem(weights, config, kind)
    pictures = _pictures(height, width)
    programs = _programs(problem, config, pictures)
    variables = {
        f"weight_{number}": variable.value
        for number, variable in enumerate(problem.objective.extractor.variables)
    }
    arguments = {name: variable.numpy() for name, variable in variables.items()}
    expected: dict[str, np.ndarray] = {}
    described = {}
    with new_folder(output) as folder:
        for name, (function, inputs) in programs.items():
            concrete = function.get_concrete_function(*inputs.values())
            code = function.experimental_get_compiler_ir(*inputs.values())(
                stage="stablehlo_serialized"
            )
            (folder / f"{name}.mlir").write_bytes(code)
            captured = [_name_of(handle, variables) for handle in concrete.captured_inputs]
            results = sorted(concrete.structured_outputs)  # As nests are flattened.
            described[name] = {"arguments": [*inputs, *captured], "results": results}
            arguments |= {key: value.numpy() for key, value in inputs.items()}
            if check:
                found = function(*inputs.values())
                expected |= {f"{name}:{key}": found[key].numpy() for key in results}
        np.savez(folder / "arguments.npz", allow_pickle=False, **arguments)
        np.savez(folder / "expected.npz", allow_pickle=False, **expected)
        about = {**about_model(config, weights.sha256, kind), "programs": described}
        (folder / "programs.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    num_bytes = sum(path.stat().st_size for path in output.iterdir())
    return Exported(
        path=output,
        signatures=tuple(programs),
        num_bytes=num_bytes,
        weights_sha256=weights.sha256,
    )


def _programs(problem: Problem, config: StyleConfig, pictures: tuple[tf.Tensor, ...]) -> dict:
    """Returns each program with its inputs: a compiled function, and values by name."""
    content, style = pictures
    objective = problem.objective
    targets = objective.targets(content, style)

    def loss_and_gradient(image: tf.Tensor, *flat: tf.Tensor) -> dict[str, tf.Tensor]:
        given: Targets = tf.nest.pack_sequence_as(targets, flat)
        terms, gradient = objective.terms_and_gradient(image, given)
        return {"total": terms.total, "gradient": gradient}

    def make_targets(content: tf.Tensor, style: tf.Tensor) -> dict[str, tf.Tensor]:
        return dict(zip(flat, tf.nest.flatten(objective.targets(content, style)), strict=True))

    def stylize(content: tf.Tensor, style: tf.Tensor) -> dict[str, tf.Tensor]:
        return stylize_at_size(problem, Pictures(content, style, content), config)._asdict()

    flat = {f"target_{i}": target for i, target in enumerate(tf.nest.flatten(targets))}
    both = {"content": content, "style": style}

    def compiled(function: Callable) -> Any:
        return tf.function(function, autograph=False, jit_compile=True)

    return {
        "targets": (compiled(make_targets), both),
        "loss_and_gradient": (compiled(loss_and_gradient), {"image": content, **flat}),
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
