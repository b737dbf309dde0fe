"""Exported StableHLO programs, run and timed by JAX in processes without TensorFlow."""

import importlib
import json
import os
import subprocess
import sys

import jax
import numpy as np
import pytest
from mini_network import make_mini_layers, use_mini_network
from places import ROOT, TOOLS

import tf_style
from tf_style.export.stablehlo import PROGRAMS, export_stablehlo

pytestmark = pytest.mark.slow

SETTINGS = {"scales": "none", "steps": 2, "history": 3}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def without_tensorflow(tmp_path_factory):
    """The environment of a machine that lacks TensorFlow and this package."""
    folder = tmp_path_factory.mktemp("without")
    for name in ("tensorflow", "tf_style"):
        (folder / f"{name}.py").write_text("raise ImportError(__name__)")
    return {**os.environ, "PYTHONPATH": str(folder)}


def run(environment, *words, python=sys.executable):
    done = subprocess.run(
        [python, *words], capture_output=True, text=True, env=environment, check=False
    )
    rows = [line.split(" | ") for line in done.stdout.splitlines() if " | " in line]
    return done, rows


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    with pytest.MonkeyPatch.context() as monkeypatch:
        use_mini_network(monkeypatch, make_mini_layers())
        folder = tmp_path_factory.mktemp("stablehlo") / "programs"
        config = tf_style.StyleConfig().replace(**SETTINGS)
        return export_stablehlo(folder, config=config, height=32, width=40).path


def test_jax_computes_the_same_numbers_and_compiles_each_program_once(
    programs, cache, without_tensorflow
):
    tool = TOOLS / "exports/run_stablehlo.py"
    kept = []
    for _ in range(2):
        done, rows = run(without_tensorflow, tool, programs, "--repeats=1", f"--cache={cache}")
        assert done.returncode == 0, done.stderr
        assert [row[0] for row in rows] == ["program", *PROGRAMS]
        # A program that is compiled again is written again.
        kept.append({path.name: path.stat().st_mtime_ns for path in cache.glob("*-cache")})
    assert kept[0] == kept[1]
    assert len(kept[0]) >= len(PROGRAMS)


def test_the_other_jax_does_so_too(programs, cache, without_tensorflow):
    python = ROOT / ".venv-jax/bin/python"
    if not python.exists():
        pytest.skip("needs .venv-jax: tools/exports/other_jax.sh makes it, from a Python 3.12")
    tool = TOOLS / "exports/run_stablehlo.py"
    words = [tool, programs, "--repeats=1", f"--cache={cache}"]
    done, rows = run(without_tensorflow, *words, python=python)
    assert done.returncode == 0, done.stderr
    assert [row[0] for row in rows] == ["program", *PROGRAMS]
    other = done.stdout.split()[1].strip(",")
    assert {each.rpartition(".")[0] for each in (other, jax.__version__)} == {"0.10", "0.11"}


def test_a_wrong_result_is_noticed(programs, cache, without_tensorflow, tmp_path):
    for path in programs.iterdir():
        (tmp_path / path.name).symlink_to(path)
    wrong = {name: 1.01 * array for name, array in np.load(programs / "expected.npz").items()}
    (tmp_path / "expected.npz").unlink()
    np.savez(tmp_path / "expected.npz", **wrong)
    tool = TOOLS / "exports/run_stablehlo.py"
    done, _ = run(without_tensorflow, tool, tmp_path, "--repeats=1", f"--cache={cache}")
    assert done.returncode == 1, done.stderr


@pytest.mark.parametrize(
    ("precision", "exact"),
    [
        ("float32", {"convolution", "dot_general"}),
        ("TF32-convolutions", {"dot_general"}),
        ("TF32", set()),
    ],
)
def test_products_keep_all_bits_where_the_precision_says_so(
    precision, exact, programs, monkeypatch
):
    monkeypatch.syspath_prepend(TOOLS / "exports")
    stablehlo_jax = importlib.import_module("stablehlo_jax")
    program = (programs / "loss_and_gradient_from_targets.mlir").read_bytes()
    text = stablehlo_jax._exported(program, precision).mlir_module()
    for name in ("convolution", "dot_general"):
        lines = [line for line in text.splitlines() if f"stablehlo.{name}" in line]
        assert lines
        assert all(("HIGHEST" in line) == (name in exact) for line in lines)


def test_bench_fast_gpu_prints_a_row_for_each_size_and_precision(
    cache, without_tensorflow, tmp_path
):
    tool, folder = TOOLS / "speed/bench_fast_gpu.py", tmp_path / "pass"
    done, _ = run(os.environ, tool, "write", folder, "--sizes", "64")
    assert done.returncode == 0, done.stderr
    words = [tool, "run", folder, "--repeats=1", f"--cache={cache}"]
    done, rows = run(without_tensorflow, *words)
    assert done.returncode == 0, done.stderr
    sizes = [f"64_{kind}" for kind in ("float32", "bfloat16")]
    assert [row[0] for row in rows[1:]] == [f"paint_{size}" for size in sizes]
    off = [[float(value) for value in row[3].split(",")] for row in rows[1:]]
    assert off[0][0] < 0.1  # Of 255, at most, from TensorFlow's.
    assert 0.0 < off[1][1] < 0.5  # In the mean, in bfloat16.
    done, _ = run(os.environ, tool, "write", folder, "--sizes", "64")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


ASK = """
import stablehlo_jax
stablehlo_jax._TUNING = {"xla_gpu_autotune_level": 1, "xla_gpu_no_such_option": 2}
stablehlo_jax.start()
print(list(stablehlo_jax._known_options()))
"""


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("", "['xla_gpu_autotune_level']"), ("--xla_gpu_autotune_level=3", "[]")],
)
def test_options_that_xla_does_not_know_or_the_user_sets_are_left_out(flags, expected, cache):
    environment = {
        **os.environ,
        "PYTHONPATH": str(TOOLS / "exports"),
        "XLA_FLAGS": flags,
        "JAX_COMPILATION_CACHE_DIR": str(cache),
    }
    done, _ = run(environment, "-c", ASK)
    assert done.stdout.strip() == expected, done.stderr


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    with pytest.MonkeyPatch.context() as monkeypatch:
        use_mini_network(monkeypatch, make_mini_layers())
        monkeypatch.syspath_prepend(TOOLS / "speed")
        bench_gpu = importlib.import_module("bench_gpu")
        folder = tmp_path_factory.mktemp("bench")
        bench_gpu.write(folder, [16], 16, (24, 16), **SETTINGS)
    return folder


def test_bench_gpu_prints_a_row_for_each_size_and_precision(bench, cache, without_tensorflow):
    tool = TOOLS / "speed/bench_gpu.py"
    words = [f"--read={bench}", "--repeats=1", f"--cache={cache}", "--peer_python=no/python"]
    done, rows = run(without_tensorflow, tool, *words)
    assert done.returncode == 0, done.stderr + done.stdout
    named = {"evaluation": "16x16", "stylize": "16x16", "step": "24x16"}
    programs = [(name, named[name]) for name in ("evaluation", "stylize", "step")]
    expected = [(*each, kind) for each in programs for kind in ("float32", "bfloat16")]
    expected += [("pastiche", "16x16", "float32")]
    assert [tuple(row[:3]) for row in rows[1:]] == expected
    for row in (dict(zip(rows[0], row, strict=True)) for row in rows[1:]):
        if row["program"] == "pastiche":
            assert row["note"].startswith("left out: ")
            continue
        assert float(row["ms"]) > 0.0
        assert float(row["planned, GiB"]) > 0.0
        if row["program"] == "evaluation":
            assert float(row["TFLOP/s"]) > 0.0
            assert row["share"].endswith("%")


def test_bench_gpu_keeps_its_limit_and_names_what_it_leaves_out(bench, cache, without_tensorflow):
    device, _ = run(without_tensorflow, TOOLS / "speed/bench_gpu_row.py", bench, "device")
    assert json.loads(device.stdout)["platform"] == "cpu"
    tool = TOOLS / "speed/bench_gpu.py"
    done, rows = run(without_tensorflow, tool, f"--read={bench}", "--limit=0")
    assert done.returncode == 1
    assert done.stderr == "JAX does not start: the limit of time\n"
    assert not rows
