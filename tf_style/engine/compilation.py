"""What XLA compiles in a run on this machine."""

import functools

import tensorflow as tf

from tf_style.config.compute import ComputeConfig


def compiled_part(config: ComputeConfig) -> str:
    """Returns what XLA compiles: nothing ("off"), the "objective", or the "loop" of the optimizer.

    'auto' means the loop if TensorFlow sees a GPU on which XLA works, else nothing. The loop, not
    the objective: between evaluations of a few milliseconds, the optimizer's many small operations
    would cost as much as an evaluation. 'auto' also means nothing if the run is to be
    deterministic, because XLA chooses algorithms by their speed, or has a time budget, because
    nobody knows beforehand how long compilation takes.
    """
    if config.jit_compile != "auto":
        return config.jit_compile
    is_excluded = config.deterministic or config.time_budget
    if is_excluded or not tf.config.list_logical_devices("GPU") or not _works():
        return "off"
    return "loop"


@functools.cache
def _works() -> bool:
    """Returns whether XLA compiles a small function; on GPUs it needs parts of CUDA for that."""
    power = tf.function(tf.pow, autograph=False, jit_compile=True)
    try:
        power(tf.constant([2.0]), tf.constant([0.5]))
    except tf.errors.OpError:
        return False
    return True
