"""StableHLO programs: what a folder holds. `test_stablehlo_tools.py` runs them with JAX."""

import functools
import importlib
import json

import numpy as np
import pytest
import tensorflow as tf
from jax.interpreters.mlir import make_ir_context
from jaxlib.mlir import ir
from jaxlib.mlir.dialects import stablehlo
from mini_network import make_mini_layers, use_mini_network
from places import TOOLS

import tf_style
from tf_style.cli import main
from tf_style.engine.assembly import load_problem
from tf_style.engine.graph_step import History
from tf_style.engine.pictures import Pictures
from tf_style.export.stablehlo import export_stablehlo
from tf_style.optimizers.lbfgs import minimize_lbfgs

OLD_VERSION = "1.8.0"
"""Of StableHLO, older than JAX 0.10: what it can say, JAX 0.10 and 0.11 read."""

pytestmark = pytest.mark.usefixtures("mini_network")


PROGRAMS = ("targets", "loss_and_gradient_from_targets", "stylize", "step")
STEPS = 4
PORTABLE = {"stablehlo", "chlo", "func", "builtin"}
"""The dialects of a StableHLO program; "builtin" has the module itself."""


def settings(**options):
    options = {"scales": "0.5:1,1:2", "steps": 2, "history": 3, **options}
    return tf_style.StyleConfig().replace(**options)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    with pytest.MonkeyPatch.context() as monkeypatch:
        use_mini_network(monkeypatch, make_mini_layers())
        folder = tmp_path_factory.mktemp("stablehlo") / "programs"
        tf.config.experimental.enable_op_determinism()  # Fails if a program draws random numbers.
        return export_stablehlo(
            folder, config=settings(), height=32, width=40, steps_per_call=STEPS
        )


@pytest.fixture
def step(done, monkeypatch):
    """The compiled program `step`."""
    monkeypatch.syspath_prepend(TOOLS / "exports")
    stablehlo_jax = importlib.import_module("stablehlo_jax")
    names = stablehlo_jax.described(done.path)["step"]
    return stablehlo_jax.compiled(done.path / "step.mlir", names, "float32").execute


def operations(path):
    """Returns the names of a program's operations, one for each, after serializing it portably."""
    with make_ir_context():
        module = ir.Module.parse(path.read_bytes())
        names = []

        def visit(operation):
            names.append(operation.name)
            return ir.WalkResult.ADVANCE

        module.operation.walk(visit)
        stablehlo.serialize_portable_artifact(module, OLD_VERSION)  # Changes the module.
    return names


def dialects(names):
    return {name.split(".")[0] for name in names}


@pytest.mark.slow
def test_programs_are_small_and_hold_operations_of_portable_dialects_alone(done, tmp_path):
    large = tmp_path / "large"
    names = ("stylize", "step")
    export_stablehlo(
        large, config=tf_style.StyleConfig(), height=384, width=512, signatures=names, check=False
    )
    paths = [*done.path.glob("*.mlir"), *large.glob("*.mlir")]
    assert len(paths) == len(PROGRAMS) + len(names)
    for path in paths:
        found = operations(path)
        assert dialects(found) <= PORTABLE, path
        assert len(found) <= 15_000
        assert path.stat().st_size <= 1_000_000


@pytest.mark.parametrize("optimizer", ["adam", "tfp_lbfgs"])
def test_other_optimizers_need_no_other_dialects(tmp_path, optimizer):
    folder, config = tmp_path / "programs", settings(optimizer=optimizer, scales="none")
    options = {"height": 32, "width": 40, "signatures": ["stylize"], "check": False}
    export_stablehlo(folder, config=config, **options)
    assert dialects(operations(folder / "stylize.mlir")) <= PORTABLE


def test_two_calls_of_step_go_the_way_of_the_optimizer(done, step):
    given = {**np.load(done.path / "weights.npz"), **np.load(done.path / "arguments.npz")}
    image, losses = given["image"], []
    # The history before the first call is of zeros.
    assert not any(np.any(given[name]) for name in History._fields)
    for _ in range(2):
        found = step(given)
        given |= {name: np.asarray(found[name]) for name in ("image", *History._fields)}
        losses.append(float(found["loss"]))
    assert 0 < given["num_pairs"] <= 2 * STEPS

    problem, _ = load_problem(settings())
    content, style = (tf.constant(given[name]) for name in ("content", "style"))
    pictures = Pictures(content, (style,), tf.constant(image))
    stage = problem.at(pictures, exponent=settings().optimizer.exponent_at(1))
    arguments = (stage.data,)
    minimize = functools.partial(
        minimize_lbfgs, problem.value_and_gradient, stage.start, arguments=arguments, history=3
    )
    ends = [minimize(num_steps=steps) for steps in (0, STEPS, 2 * STEPS)]
    start, first, second = (end.loss for end in ends)
    np.testing.assert_allclose(losses, [first, second], rtol=1e-4)
    assert losses[1] < losses[0] < start
    expected = problem.parametrization.to_image(ends[-1].position, stage.data.basis)
    np.testing.assert_allclose(given["image"], expected, atol=1e-4)


def test_step_goes_on_with_other_targets_and_weights(done, step):
    given = {**np.load(done.path / "weights.npz"), **np.load(done.path / "arguments.npz")}
    found = step(given)
    given |= {name: np.asarray(found[name]) for name in ("image", *History._fields)}
    # Without style, the photograph itself has the smallest loss.
    given |= {"style_weight": np.float32(0.0), "tv_weight": np.float32(0.0)}
    before = np.abs(given["image"] - given["content"]).mean()
    losses = []
    for _ in range(3):
        found = step(given)
        given |= {name: np.asarray(found[name]) for name in ("image", *History._fields)}
        losses.append(float(found["loss"]))
    assert losses == sorted(losses, reverse=True)
    assert np.abs(given["image"] - given["content"]).mean() < before


def test_weights_are_arguments_and_the_folder_holds_sample_inputs(done):
    described = json.loads((done.path / "tf_style.json").read_text())
    given = {*np.load(done.path / "weights.npz"), *np.load(done.path / "arguments.npz")}
    for program in described["programs"].values():
        assert sum(name.startswith("weight_") for name in program["arguments"]) == 26
        assert set(program["arguments"]) <= given
    assert np.load(done.path / "arguments.npz")["content"].shape == (1, 32, 40, 3)
    # With the 13 kernels of the small network inside, the program would be larger.
    assert (done.path / "loss_and_gradient_from_targets.mlir").stat().st_size < 60_000
    assert tf_style.StyleConfig.from_dict(described["config"]) == settings()


def test_invalid_options_are_refused(tmp_path):
    with pytest.raises(ValueError, match="`height` must lie within 16..30000"):
        export_stablehlo(tmp_path / "p", config=settings(), height=8, width=40)
    with pytest.raises(ValueError, match="Cannot export `step` with this optimizer"):
        export_stablehlo(tmp_path / "p", config=settings(optimizer="adam"), height=32, width=40)
    with pytest.raises(ValueError, match="`steps_per_call` must be at least 1"):
        export_stablehlo(tmp_path / "p", config=settings(), height=32, width=40, steps_per_call=0)
    with pytest.raises(ValueError, match="`init` must be one of 'content', 'style', 'noise'"):
        export_stablehlo(tmp_path / "p", config=settings(init="a.png"), height=32, width=40)
    words = ["export", f"--output_dir={tmp_path}/q"]
    assert main.main([*words, "--format=stable"]) == 2
    assert main.main([*words, "--format=stablehlo", "--signatures=steps"]) == 2
    assert main.main([*words, "--format=onnx", "--steps_per_call=5"]) == 2
    assert not list(tmp_path.iterdir())
