"""The choice of the arithmetic, on simulated machines."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tf_style.network import arithmetic, extractor


@pytest.fixture
def machine(monkeypatch):
    """Simulates a machine: processor features, GPUs, and whether bfloat16 measures faster."""

    def make(*, features=None, gpus=(), faster=False):
        measured = []

        def read_text(path, *arguments, **options):
            assert str(path) == "/proc/cpuinfo"
            if features is None:
                raise FileNotFoundError(path)
            return f"processor : 0\nflags\t: fpu sse2 {features}\n"

        monkeypatch.setattr(Path, "read_text", read_text)
        monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: list(gpus))
        monkeypatch.setattr(
            arithmetic, "bfloat16_pays", lambda float32: measured.append(float32) or faster
        )
        return measured

    return make


OLD, NEW = "avx2 fma", "avx2 avx512f avx512_bf16"


@pytest.mark.parametrize(
    ("wanted", "deterministic", "gpus", "faster", "expected"),
    [
        ("auto", False, [], True, "bfloat16"),
        ("auto", False, [], False, "winograd"),
        ("auto", False, ["gpu"], True, "bfloat16"),
        ("auto", False, ["gpu"], False, "direct"),
        ("auto", True, [], True, "winograd"),
        ("auto", True, ["gpu"], True, "direct"),
        ("float32", False, [], True, "winograd"),
        ("float32", False, ["gpu"], True, "direct"),
        ("bfloat16", False, [], False, "bfloat16"),
        ("bfloat16", True, [], False, "bfloat16"),
        ("bfloat16", False, ["gpu"], False, "bfloat16"),
    ],
)
def test_each_precision_gives_the_expected_arithmetic(
    machine, wanted, deterministic, gpus, faster, expected
):
    measured = machine(features=NEW, gpus=gpus, faster=faster)
    assert arithmetic.arithmetic(wanted, deterministic=deterministic) == expected
    assert expected in extractor.ARITHMETICS
    # It measures only if nothing else decides, and compares with this machine's float32.
    undecided = wanted == "auto" and not deterministic
    assert measured == (["direct" if gpus else "winograd"] if undecided else [])


@pytest.mark.parametrize(
    ("features", "gpus", "jit_compile", "known"),
    [
        (OLD, [], False, False),
        ("avx2 avx512f avx512_vnni", [], False, False),
        (NEW, [], False, None),
        ("avx2 avx512_bf16 amx_bf16 amx_tile", [], False, True),
        ("avx2 avx512_bf16 amx_bf16 amx_tile", [], True, False),  # XLA does not use these units.
        (OLD, ["gpu"], False, None),
        (OLD, ["gpu"], True, None),
        ("neon bf16", [], False, None),
        (None, [], False, None),
    ],
)
def test_processors_that_are_known_are_not_measured(machine, features, gpus, jit_compile, known):
    for faster in (True, False):
        measured = machine(features=features, gpus=gpus, faster=faster)
        chosen = arithmetic.arithmetic("auto", jit_compile=jit_compile)
        assert (chosen == "bfloat16") == (faster if known is None else known)
        assert bool(measured) == (known is None)


@pytest.mark.parametrize(
    ("float32", "seconds", "pays"),
    [
        ("direct", 0.79, True), ("direct", 0.81, False), ("direct", 1.0, False),
        ("winograd", 0.64, True), ("winograd", 0.66, False),
    ],
)  # fmt: skip
def test_bfloat16_must_be_faster_by_a_margin(monkeypatch, float32, seconds, pays):
    times = {"in_float32": 1.0, "in_bfloat16": seconds}
    monkeypatch.setattr(
        arithmetic, "_seconds", lambda *timed: [times[function.__name__] for function in timed]
    )
    arithmetic._measured.cache_clear()
    assert arithmetic.bfloat16_pays(float32) is pays
    arithmetic._measured.cache_clear()


@pytest.mark.parametrize("float32", ["direct", "winograd"])
def test_the_measurement_runs_on_any_machine(float32):
    arithmetic._measured.cache_clear()
    assert arithmetic.bfloat16_pays(float32) in (True, False)
    arithmetic._measured.cache_clear()


def test_threads_that_ask_at_once_wait_for_one_measurement(monkeypatch):
    measured = []

    def seconds(*functions):
        time.sleep(0.05)  # All threads ask meanwhile.
        measured.append(len(functions))
        return [0.6 * len(measured), 1.0]  # A second measurement would choose otherwise.

    monkeypatch.setattr(arithmetic, "_seconds", seconds)
    monkeypatch.setattr(arithmetic, "_is_known_to_pay", lambda has_gpu: None)
    arithmetic._measured.cache_clear()
    chosen, barrier = [], threading.Barrier(8)

    def ask():
        barrier.wait()
        chosen.append(arithmetic.arithmetic("auto"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    arithmetic._measured.cache_clear()
    assert measured == [2]
    assert len(chosen) == 8
    assert set(chosen) == {"bfloat16"}


@pytest.mark.parametrize("seed", range(20))
def test_other_work_on_the_machine_does_not_decide(monkeypatch, seed):
    rng, clock = np.random.default_rng(seed), [0.0]
    monkeypatch.setattr(arithmetic.time, "perf_counter", lambda: clock[0])

    def taking(seconds):
        def function():
            # Every other call is delayed by up to ten times its own time.
            clock[0] += seconds * (1.0 + rng.integers(2) * rng.uniform(0.0, 10.0))
            return tf.zeros([1])

        return function

    fast, slow = arithmetic._seconds(taking(0.5), taking(1.0))
    assert 0.48 < fast / slow < 0.52


@pytest.mark.parametrize(
    ("kind", "jit_compile", "gpus", "available", "expected"),
    [
        ("bfloat16", False, [], True, extractor.LAID_OUT_BFLOAT16),
        ("bfloat16", False, [], False, "bfloat16"),
        ("bfloat16", True, [], True, "bfloat16"),
        ("bfloat16", False, ["gpu"], True, "bfloat16"),
        ("winograd", False, [], True, "winograd"),
        ("direct", False, [], True, "direct"),
    ],
)
def test_kernels_are_laid_out_only_for_graphs_on_processors_that_have_the_operation(
    machine, monkeypatch, kind, jit_compile, gpus, available, expected
):
    machine(features=NEW, gpus=gpus)
    monkeypatch.setattr(arithmetic.onednn, "is_available", lambda: available)
    assert arithmetic.laid_out(kind, jit_compile=jit_compile) == expected
