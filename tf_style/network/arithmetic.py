"""Which arithmetic the convolutions use on this machine."""

import functools
import time
from pathlib import Path

import tensorflow as tf

from tf_style.network import convolution, winograd

_WORTH = 0.8  # Of float32's time at most, or its precision is given up for nothing.


def arithmetic(precision: str, *, deterministic: bool = False, jit_compile: bool = False) -> str:
    """Returns the `extractor.ARITHMETICS` that a `precision` means on this machine.

    float32 is Winograd's algorithm on CPUs, and TensorFlow's or XLA's own choice on GPUs and
    with `jit_compile`. 'auto' is
    bfloat16 where that is measured to be faster, and float32 where processors only emulate it;
    deterministic, it is float32, so that chance in the measurement decides nothing.
    """
    direct = jit_compile or tf.config.list_logical_devices("GPU")
    float32 = "direct" if direct else "winograd"
    if precision == "float32" or (precision == "auto" and deterministic):
        return float32
    if precision == "bfloat16" or (_may_pay() and bfloat16_pays(float32)):
        return "bfloat16"
    return float32


def _may_pay() -> bool:
    """Returns whether to measure at all: Linux on x86 names what the processor lacks."""
    try:
        features = Path("/proc/cpuinfo").read_text()
    except OSError:
        return True
    on_x86 = "avx2" in features and not tf.config.list_logical_devices("GPU")
    return not on_x86 or "avx512_bf16" in features or "amx_bf16" in features


@functools.lru_cache(maxsize=2)
def bfloat16_pays(float32: str) -> bool:
    """Returns whether a convolution is faster in bfloat16; measured once, a tenth of a second."""
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

    return _seconds(in_bfloat16) < _WORTH * _seconds(in_float32)


def _seconds(function: tf.types.experimental.PolymorphicFunction) -> float:
    """Returns the least of three times, after a first call that traces."""
    times = []
    for _ in range(4):
        began = time.perf_counter()
        _ = function().numpy().flat[0]
        times.append(time.perf_counter() - began)
    return min(times[1:])
