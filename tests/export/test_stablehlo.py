"""StableHLO programs: what a folder holds. `test_stablehlo_tools.py` runs them with JAX."""

import json

import numpy as np
import pytest
import tensorflow as tf
from mini_network import make_mini_layers, use_mini_network

import tf_style
from tf_style.cli import main
from tf_style.export.stablehlo import export_stablehlo

pytestmark = pytest.mark.usefixtures("mini_network")


def settings(**options):
    return tf_style.StyleConfig().replace(**{"scales": "none", "steps": 2, "history": 3, **options})


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    with pytest.MonkeyPatch.context() as monkeypatch:
        use_mini_network(monkeypatch, make_mini_layers())
        folder = tmp_path_factory.mktemp("stablehlo") / "programs"
        tf.config.experimental.enable_op_determinism()  # Fails if a program draws random numbers.
        return export_stablehlo(folder, config=settings(), height=32, width=40)


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
    with pytest.raises(ValueError, match="`init` must be one of 'content', 'style', 'noise'"):
        export_stablehlo(tmp_path / "p", config=settings(init="a.png"), height=32, width=40)
    assert main.main(["export", f"--output_dir={tmp_path}/q", "--format=stable"]) == 2
    assert not list(tmp_path.iterdir())
