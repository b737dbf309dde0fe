"""What `jit_compile` means on a machine with a GPU, which a stand-in plays, and without one."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

import tf_style
from tf_style.config.compute import ComputeConfig
from tf_style.config.style_config import StyleConfig
from tf_style.engine import compilation, memory_plan, plan
from tf_style.engine.batch_stages import can_share
from tf_style.engine.compilation import compiled_part
from tf_style.engine.graph_stages import check_graph
from tf_style.engine.memory_plan import SizePlan
from tf_style.optimizers.table import OPTIMIZERS

LAYERS = {"content_layers": "conv2_2", "style_layers": "conv1_1,conv2_1"}
"""Few: the compilation time grows with the layers."""


@pytest.fixture
def gpu(monkeypatch):
    """Lets TensorFlow list its processor as a GPU, too."""
    devices = tf.config.list_logical_devices("CPU")
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: devices)


@pytest.fixture
def compiled(monkeypatch):
    """Lists, for each stage that is made, whether XLA compiles its loop."""
    seen = []
    lbfgs = OPTIMIZERS["lbfgs"]

    def make(*arguments, jit_compile, **options):
        seen.append(jit_compile)
        return lbfgs.make(*arguments, jit_compile=jit_compile, **options)

    monkeypatch.setitem(OPTIMIZERS, "lbfgs", dataclasses.replace(lbfgs, make=make))
    return seen


def settings(**options):
    return StyleConfig().replace(
        **{"size": 40, "scales": "none", "steps": 3, "jit_compile": "auto", **options}
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "loop"),
        ({"precision": "float32"}, "loop"),
        ({"deterministic": True}, "off"),
        ({"time_budget": 20.0}, "off"),
    ],
)
def test_auto_is_the_loop_on_a_gpu_unless_something_excludes_it(gpu, options, expected):
    assert compiled_part(ComputeConfig(jit_compile="auto", **options)) == expected
    for chosen in ("off", "objective", "loop"):
        assert compiled_part(ComputeConfig(jit_compile=chosen, **options)) == chosen


def test_auto_is_off_on_a_processor():
    assert compiled_part(ComputeConfig(jit_compile="auto")) == "off"


def test_auto_is_off_where_xla_lacks_what_it_needs(gpu, monkeypatch):
    def fails(*_):
        raise tf.errors.InternalError(None, None, "libdevice not found")

    compilation._works.cache_clear()
    with monkeypatch.context() as patched:
        patched.setattr(tf, "function", lambda *_, **__: fails)
        assert compiled_part(ComputeConfig(jit_compile="auto")) == "off"
    compilation._works.cache_clear()
    assert compiled_part(ComputeConfig(jit_compile="auto")) == "loop"


@pytest.mark.slow
def test_on_a_gpu_auto_compiles_the_loop_and_the_picture_is_the_same(
    mini_network, rng, gpu, compiled
):
    pictures = [rng.uniform(size=(36, 40, 3)).astype(np.float32) for _ in range(2)]
    found, plain = (
        tf_style.stylize(*pictures, config=settings(jit_compile=chosen, **LAYERS))
        for chosen in ("auto", "off")
    )
    assert compiled == [True, False]
    np.testing.assert_allclose(found.image, plain.image, atol=1e-4)
    assert found.loss == pytest.approx(plain.loss, rel=1e-4)


def test_tiles_are_not_compiled(mini_network, rng, gpu, compiled, monkeypatch):
    pictures = [rng.uniform(size=(36, 40, 3)).astype(np.float32) for _ in range(2)]
    tiling = memory_plan._tiling(32, on_disk=False)
    monkeypatch.setattr(plan, "plan_sizes", lambda *_: [SizePlan(tiling, history=3)])
    tf_style.stylize(*pictures, config=settings(steps=1, **LAYERS))
    assert compiled == [False]


@pytest.mark.parametrize("options", [{"deterministic": True}, {"time_budget": 4.0}])
def test_runs_that_xla_would_spoil_are_not_compiled(mini_network, rng, gpu, compiled, options):
    pictures = [rng.uniform(size=(36, 40, 3)).astype(np.float32) for _ in range(2)]
    tf_style.stylize(*pictures, config=settings(**LAYERS, **options))
    assert compiled
    assert not any(compiled)


def test_batches_and_graphs_take_auto_as_off(gpu):
    assert can_share(settings(), (36, 40))
    assert not can_share(settings(jit_compile="loop"), (36, 40))
    check_graph(settings())
