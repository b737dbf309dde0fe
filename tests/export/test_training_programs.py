"""The step of a training as a StableHLO program, run by JAX, against TensorFlow's own step."""

import importlib
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from mini_network import make_mini_layers, use_mini_network
from PIL import Image
from places import ROOT, TOOLS
from tiny_style_network import TINY, make_tiny_network

from tf_style.config.training import TrainingConfig
from tf_style.export.training_programs import export_training, trained_network
from tf_style.training.assembly import load_objective
from tf_style.training.choices import STYLE_SIDE, Reached, choices
from tf_style.training.photographs import Photographs
from tf_style.training.state import state_of
from tf_style.training.state_file import StateFileError, read_state, write_state
from tf_style.training.step import Batch, StepLosses
from tf_style.training.training import Training

pytestmark = pytest.mark.slow

SIDE = 64
OPTIONS = {"crops": f"{SIDE}", "batch": 3, "steps": 10}
EVERYTHING = {"any_share": 0.34, "adversarial_weight": 0.1}


def paintings(rng):
    rows, columns = np.mgrid[:80, :72] / 9.0
    waves = [np.sin(rows * a + columns * b)[..., np.newaxis] for a, b in ((1.0, 0.3), (0.2, 1.4))]
    noise = rng.uniform(0.0, 0.3, (1, 80, 72, 3))
    return {
        f"wave{number}": np.clip(0.4 + 0.3 * wave + noise, 0.0, 1.0).astype(np.float32)
        for number, wave in enumerate(waves)
    }


def batch_of(config, pictures, step, rng):
    """Returns a batch as arrays, by the names of `Batch`."""
    chosen = choices(config, pictures, step=step, share=0.5, side=SIDE)._asdict()
    photographs = rng.uniform(size=(config.batch, SIDE + 8, SIDE + 8, 3)).astype(np.float32)
    count = 1 if config.any_share else 0
    style = rng.uniform(size=(count, STYLE_SIDE, STYLE_SIDE, 3)).astype(np.float32)
    noise = np.random.default_rng(chosen.pop("seed")).normal(size=(config.batch, SIDE, SIDE, 3))
    found = {**chosen, "photographs": photographs, "style": style, "noise": noise}
    return {
        name: np.asarray(value, np.int32 if name in ("named", "move") else np.float32)
        for name, value in found.items()
    }


@pytest.fixture(scope="module")
def exported(request, tmp_path_factory):
    """A folder with programs, the training of the same config in TensorFlow, and the paintings."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        use_mini_network(monkeypatch, make_mini_layers())
        config = TrainingConfig(**OPTIONS, **request.param)
        styles = paintings(np.random.default_rng(5))
        folder = tmp_path_factory.mktemp("training") / "programs"
        options = {"config": config, "styles": styles, "architecture": TINY}
        export_training(folder, **options, check=False)
        training = Training(load_objective(config), photographs=Photographs([]), **options)
        yield folder, training, list(styles.values())


with_everything = pytest.mark.parametrize(
    "exported", [EVERYTHING], ids=["everything"], indirect=True
)


@pytest.mark.parametrize("exported", [{}, EVERYTHING], ids=["default", "everything"], indirect=True)
def test_three_steps_are_those_of_tensorflow(exported, monkeypatch):
    folder, training, pictures = exported
    # XLA is slow at eigenvalues: see `matrix_root.roots_by_products`.
    assert b"Eigh" not in (folder / f"train_{SIDE}.mlir").read_bytes()
    monkeypatch.syspath_prepend(TOOLS / "exports")
    stablehlo_jax = importlib.import_module("stablehlo_jax")
    name = f"train_{SIDE}"
    program = stablehlo_jax.compiled(
        folder / f"{name}.mlir", stablehlo_jax.described(folder)[name], "float32"
    )
    given = {**np.load(folder / "weights.npz"), **np.load(folder / "paintings.npz")}
    given |= read_state(folder / "start.bin").arrays
    graph = tf.function(training.step, autograph=False)
    state, rng = training.initial(), np.random.default_rng(8)
    for number in range(3):
        batch = batch_of(training.config, pictures, number, rng)
        given |= {f"{key}_{SIDE}": batch[key] for key in ("photographs", "parts", "noise")} | batch
        found = program.execute(given)
        given |= found
        state, losses = graph(state, Batch(**batch), training.paintings)
        for key in StepLosses._fields[:-1]:
            expected = getattr(losses, key).numpy()
            np.testing.assert_allclose(found[f"loss/{key}"], expected, rtol=1e-4, atol=1e-7)
        if not number:  # Later, rounding has moved the points at which gradients are taken.
            assert_near(found, state, ("first", "second"), 1e-3)
            np.testing.assert_allclose(found["loss/slope"], losses.slope, rtol=1e-3)
    assert float(found["step"]) == 3.0
    # Adam and Muon make steps of one length: where a gradient is nearly 0, rounding turns them.
    assert_near(found, state, ("parameters", "averages"), 1e-3)


def assert_near(found, state, parts, most):
    """Asserts that the norms of differences are small, relative to those of the parts."""
    for part in parts:
        theirs = getattr(state, part)
        assert {f"{part}/{name}" for name in theirs} == {
            name for name in found if name.startswith(f"{part}/")
        }
        flat = [(np.ravel(found[f"{part}/{name}"]), np.ravel(theirs[name])) for name in theirs]
        ours, wanted = map(np.concatenate, zip(*flat, strict=True))
        assert np.linalg.norm(ours - wanted) <= most * np.linalg.norm(wanted), part


@with_everything
def test_a_state_becomes_the_network_that_the_training_would_give(exported, tmp_path):
    folder, training, _ = exported
    arrays = read_state(folder / "start.bin").arrays
    rng = np.random.default_rng(1)
    arrays |= {
        name: rng.normal(size=value.shape).astype(np.float32)
        for name, value in arrays.items()
        if name.startswith("averages/")
    }
    write_state(tmp_path / "state.bin", arrays, Reached(7, 2.5))
    found = trained_network(folder, tmp_path / "state.bin")
    expected = training.network(state_of(arrays), {})
    assert list(found.styles) == ["wave0", "wave1"]
    for part in ("parameters", "styles"):
        for name, value in getattr(expected, part).items():
            np.testing.assert_allclose(getattr(found, part)[name], value, rtol=1e-6)
    assert found.about["step"] == 7
    assert TrainingConfig(**found.about["config"]) == training.config


def test_a_state_of_added_styles_becomes_the_network_with_its_older_styles(
    tmp_path, mini_network, rng
):
    base = make_tiny_network("older")
    folder, styles, config = tmp_path / "programs", paintings(rng), TrainingConfig(**OPTIONS)
    added = {"config": config, "styles": styles, "base": base, "only_styles": True}
    export_training(folder, **added, check=False)
    arrays = read_state(folder / "start.bin").arrays
    own = rng.normal(size=arrays["averages/styles"].shape).astype(np.float32)
    write_state(tmp_path / "state.bin", {**arrays, "averages/styles": own}, Reached(7, 2.5))
    found = trained_network(folder, tmp_path / "state.bin")
    training = Training(load_objective(config), photographs=Photographs([]), **added)
    start = training.network(training.initial(), {})
    assert list(found.styles) == ["older", "wave0", "wave1"]
    half = {"rtol": 1e-3, "atol": 1e-6}  # The folder holds the base in 16 bits.
    np.testing.assert_allclose(found.styles["older"], base.styles["older"], **half)
    for name, value in base.parameters.items():
        np.testing.assert_allclose(found.parameters[name], value, **half)
    for name, row in zip(styles, own, strict=True):
        np.testing.assert_allclose(found.styles[name], start.styles[name] + row, rtol=1e-5)


@with_everything
def test_a_state_that_is_cut_or_none_is_refused(exported, tmp_path):
    folder, *_ = exported
    data = (folder / "start.bin").read_bytes()
    for wrong in (data[:-9], b"nothing"):
        (tmp_path / "state.bin").write_bytes(wrong)
        with pytest.raises(StateFileError, match="state.bin"):
            read_state(tmp_path / "state.bin")


@pytest.fixture
def without_tensorflow(tmp_path):
    """The environment of a machine with the sources of this package, but not TensorFlow."""
    folder = tmp_path / "without"
    folder.mkdir()
    for name in ("tensorflow", "keras"):
        (folder / f"{name}.py").write_text("raise ImportError(__name__)")
    return {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}


@with_everything
def test_jax_trains_without_tensorflow_and_goes_on_with_its_state(
    exported, tmp_path, without_tensorflow, rng
):
    folder, training, _ = exported
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(3):
        coarse = Image.fromarray(rng.integers(0, 256, (9, 11, 3), np.uint8))
        coarse.resize((110, 90), Image.Resampling.BICUBIC).save(photos / f"{number}.png")
    tool, words = (
        TOOLS / "exports/train_stablehlo.py",
        [f"--photos={photos}", f"--cache={tmp_path}"],
    )
    ends = []
    for limit in (0, 5, 5):
        done = subprocess.run(
            [sys.executable, tool, "run", folder, *words, f"--limit={limit}"],
            capture_output=True, text=True, env=without_tensorflow, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        ends.append(read_state(folder / "state.bin").reached.step)
    assert ends == [1, 10, 10]
    assert "step" not in done.stdout  # Nothing was left to do.
    # The same pictures, moves and rates as in a training by TensorFlow, but other noise.
    whole = Training(
        training.step.objective, training.config, photographs=Photographs(sorted(photos.iterdir())),
        architecture=TINY, styles=training._styles,
    )  # fmt: skip
    *_, last = whole.steps(whole.initial())
    found = read_state(folder / "state.bin").arrays
    start = whole.initial().parameters
    ours, theirs = (
        np.concatenate([np.ravel(values[name] - start[name]) for name in start])
        for values in (state_of(found).parameters, last.state.parameters)
    )
    assert np.corrcoef(ours, theirs)[0, 1] > 0.95
