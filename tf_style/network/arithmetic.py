"""Chooses the arithmetic of the convolutions on this machine.

Takes a precision ("float32", "bfloat16" or "auto"), gives one of `extractor.ARITHMETICS`.
"""

import functools
import threading
import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tf_style.network import bfloat16, convolution, onednn
from tf_style.network.extractor import LAID_OUT_BFLOAT16
from tf_style.network.processor import processor_features

_WORTH = {"direct": 0.8, "winograd": 0.65}
"""bfloat16 must take less than this fraction of the time of a direct convolution in float32, to be
chosen instead of each arithmetic: Winograd's algorithm saves a third of an evaluation."""

_ROUNDS = 100  # Of a few milliseconds each, so that some are free of other work on the machine.
_ENOUGH, _AS_FAST = 7, 1.1
_MEASURING = threading.Lock()


def arithmetic(precision: str, *, deterministic: bool = False, jit_compile: bool = False) -> str:
    """Returns the entry of `extractor.ARITHMETICS` for a `precision` on this machine.

    'float32' means Winograd's algorithm on CPUs. On GPUs and with `jit_compile` it means "direct":
    TensorFlow or XLA chooses the algorithm. 'auto' means bfloat16 where it is faster. Processors
    with matrix units (AMX) are known to be, those that only emulate bfloat16 are known not to be,
    and so is XLA on CPUs; others are measured. With `deterministic`, 'auto' means float32, so that
    the result does not depend on the machine.
    """
    has_gpu = bool(tf.config.list_logical_devices("GPU"))
    float32 = "direct" if jit_compile or has_gpu else "winograd"
    if precision == "auto":
        is_out = deterministic or (jit_compile and not has_gpu)
        pays = not is_out and _is_known_to_pay(has_gpu)
        return "bfloat16" if (bfloat16_pays(float32) if pays is None else pays) else float32
    return precision if precision == "bfloat16" else float32


def _is_known_to_pay(has_gpu: bool) -> bool | None:
    """Returns whether bfloat16 pays by what Linux lists of an x86 processor; None if unknown."""
    features = processor_features()
    if has_gpu or not features:
        return None
    if "amx_bf16" in features:
        return True
    return None if "avx512_bf16" in features else False


def laid_out(kind: str, *, jit_compile: bool = False) -> str:
    """Returns an arithmetic for graphs that stay in this process: the same, with less work."""
    on_cpu = not jit_compile and not tf.config.list_logical_devices("GPU")
    is_possible = kind == "bfloat16" and on_cpu and onednn.is_available()
    return LAID_OUT_BFLOAT16 if is_possible else kind


def bfloat16_pays(float32: str) -> bool:
    """Returns whether convolutions are faster in bfloat16 than in this arithmetic.

    It is measured once for each process, in a few tenths of a second; threads that ask meanwhile
    wait.
    """
    with _MEASURING:
        return _measured(float32)


@functools.cache
def _measured(float32: str) -> bool:
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=shape) for shape in ([1, 24, 24, 256], [3, 3, 256, 256], [256])]
    exact, rounded = (
        [tf.constant(values, dtype) for values in weights] for dtype in (tf.float32, tf.bfloat16)
    )
    is_laid_out = laid_out("bfloat16", jit_compile=float32 == "direct") == LAID_OUT_BFLOAT16
    convolve = onednn.convolve if is_laid_out else bfloat16.convolve

    @tf.function(autograph=False)
    def in_float32() -> tf.Tensor:
        return convolution.convolution_relu(*exact)

    @tf.function(autograph=False)
    def in_bfloat16() -> tf.Tensor:
        inputs, kernel, bias = rounded
        return convolve(inputs, kernel, "SAME", bias)

    seconds, seconds_float32 = _seconds(in_bfloat16, in_float32)
    return seconds < _WORTH[float32] * seconds_float32


def _seconds(*functions: Callable[[], tf.Tensor]) -> list[float]:
    """Returns the shortest time of each function, in seconds, after a first call that traces.

    They are called in turn, so that other work on the machine hits all of them alike, until each
    has been about as fast as ever several times.
    """
    times: list[list[float]] = [[] for _ in functions]
    for number in range(1 + _ROUNDS):
        for function, taken in zip(functions, times, strict=True):
            began = time.perf_counter()
            _ = function().numpy().flat[0]
            if number:
                taken.append(time.perf_counter() - began)
        if number and all(_is_settled(taken) for taken in times):
            break
    return [min(taken) for taken in times]


def _is_settled(times: list[float]) -> bool:
    return sum(each < _AS_FAST * min(times) for each in times) >= _ENOUGH
