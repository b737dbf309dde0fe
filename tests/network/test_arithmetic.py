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
    ("features", "gpus", "is_measured"),
    [
        (OLD, [], False),
        ("avx2 avx512f avx512_vnni", [], False),
        (NEW, [], True),
        ("avx2 amx_bf16 amx_tile", [], True),
        (OLD, ["gpu"], True),
        ("neon bf16", [], True),
        (None, [], True),
    ],
)
def test_processors_that_only_emulate_bfloat16_are_not_measured(
    machine, features, gpus, is_measured
):
    measured = machine(features=features, gpus=gpus, faster=True)
    assert (arithmetic.arithmetic("auto") == "bfloat16") == is_measured
    assert bool(measured) == is_measured


@pytest.mark.parametrize(("seconds", "pays"), [(0.79, True), (0.81, False), (1.0, False)])
@pytest.mark.parametrize("float32", ["direct", "winograd"])
def test_bfloat16_must_be_a_fifth_faster(monkeypatch, float32, seconds, pays):
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
        return [1.0, 1.0 + len(measured)]  # A second measurement would choose otherwise.

    monkeypatch.setattr(arithmetic, "_seconds", seconds)
    monkeypatch.setattr(arithmetic, "_may_pay", lambda: True)
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

    fast, slow = arithmetic._seconds(taking(0.7), taking(1.0))
    assert fast < arithmetic._WORTH * slow
