"""Chooses the arithmetic of the convolutions on this machine.

Takes a precision ("float32", "bfloat16" or "auto"), gives one of `extractor.ARITHMETICS`.
"""

import functools
import threading
import time
from collections.abc import Callable
from pathlib import Path

import tensorflow as tf

from tf_style.network import convolution, winograd

_WORTH = 0.8  # bfloat16 must take less than this fraction of float32's time to be chosen.
_ROUNDS = 7
_MEASURING = threading.Lock()


def arithmetic(precision: str, *, deterministic: bool = False, jit_compile: bool = False) -> str:
    """Returns the entry of `extractor.ARITHMETICS` for a `precision` on this machine.

    'float32' means Winograd's algorithm on CPUs. On GPUs and with `jit_compile` it means "direct":
    TensorFlow or XLA chooses the algorithm. 'auto' means bfloat16 if a measurement shows that it is
    faster, else float32; processors that only emulate bfloat16 are not measured. With
    `deterministic`, 'auto' means float32, so that the result does not depend on a measurement.
    """
    direct = jit_compile or tf.config.list_logical_devices("GPU")
    float32 = "direct" if direct else "winograd"
    if precision == "float32" or (precision == "auto" and deterministic):
        return float32
    if precision == "bfloat16" or (_may_pay() and bfloat16_pays(float32)):
        return "bfloat16"
    return float32


def _may_pay() -> bool:
    """Returns whether to measure: no if Linux lists an x86 processor without bfloat16."""
    try:
        features = Path("/proc/cpuinfo").read_text()
    except OSError:
        return True
    on_x86 = "avx2" in features and not tf.config.list_logical_devices("GPU")
    return not on_x86 or "avx512_bf16" in features or "amx_bf16" in features


def bfloat16_pays(float32: str) -> bool:
    """Returns whether a convolution is faster in bfloat16 than in this arithmetic.

    It is measured once for each process, in about 0.1 s; threads that ask meanwhile wait.
    """
    with _MEASURING:
        return _measured(float32)


@functools.cache
def _measured(float32: str) -> bool:
    inputs = tf.ones([1, 48, 48, 256])
    kernel = tf.ones([3, 3, 256, 256]) * 1e-3
    bias = tf.zeros([256])
    if float32 == "winograd":
        points = winograd.winograd_kernel(kernel.numpy())

    @tf.function(autograph=False)
    def in_float32() -> tf.Tensor:
        if float32 == "winograd":
            return winograd.winograd_convolution(inputs, points)
        return convolution.convolution_relu(inputs, kernel, bias)

    @tf.function(autograph=False)
    def in_bfloat16() -> tf.Tensor:
        return convolution.bfloat16_relu(inputs, kernel, bias)

    seconds, seconds_float32 = _seconds(in_bfloat16, in_float32)
    return seconds < _WORTH * seconds_float32


def _seconds(*functions: Callable[[], tf.Tensor]) -> list[float]:
    """Returns the shortest time of each function, in seconds, after a first call that traces.

    They are called in turn, so that other work on the machine hits all of them alike.
    """
    rounds = []
    for _ in range(1 + _ROUNDS):
        times = []
        for function in functions:
            began = time.perf_counter()
            _ = function().numpy().flat[0]
            times.append(time.perf_counter() - began)
        rounds.append(times)
    return [min(times) for times in zip(*rounds[1:], strict=True)]
