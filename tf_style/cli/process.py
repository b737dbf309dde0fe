"""Process-wide settings of TensorFlow, and stderr: for programs (the CLI, tools), not the library.

Takes flags; changes the environment and TensorFlow's configuration. TensorFlow is imported only by
`tune_tensorflow`.
"""

import contextlib
import gc
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path


def set_environment(*, quiet: bool = True) -> None:
    """Sets environment variables that TensorFlow and Keras read at import.

    It has no effect once they have been imported. What the user has set is kept, except for Keras'
    backend, which must be TensorFlow.

    TensorFlow's CPU allocator returns every large buffer to the system, which then zeroes it page
    by page for the next operation. The pooling ("BFC") allocator keeps the buffers, which saves a
    fifth of each evaluation at 1024 px (docs/notes/cli.md). Its limit, by default 64 GB, is set to
    the machine's memory.

    Args:
        quiet: whether to turn TensorFlow's logs off.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "true")
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        os.environ.setdefault("TF_CPU_BFC_MEM_LIMIT_IN_MB", str(memory // 2**20))
    if quiet:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def tune_tensorflow() -> None:
    """Starts TensorFlow, on CPUs without its graph optimizer (Grappler).

    The optimizer takes 3 of the 12 seconds to the first evaluation. On a CPU it does not make the
    graphs here any faster. With a GPU it stays on, because it chooses the layout of convolutions.
    """
    with _without_collection():
        import tensorflow as tf

    if hasattr(os, "sched_getaffinity") and len(os.sched_getaffinity(0)) < 2:
        # In an evaluation by tiles, one thread waits for results of another.
        with contextlib.suppress(RuntimeError):  # TensorFlow has already started.
            tf.config.threading.set_inter_op_parallelism_threads(2)
    if not tf.config.list_physical_devices("GPU"):
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    tf.config.list_logical_devices()


@contextlib.contextmanager
def _without_collection() -> Iterator[None]:
    """Turns the search for cyclic garbage off, and exempts what exists at the end from it.

    TensorFlow's import creates half a million objects that stay, so searching through them again
    and again finds nothing; it takes a quarter of the time of the import (docs/notes/cli.md).
    """
    if "tensorflow" in sys.modules or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()


@contextlib.contextmanager
def quiet_stderr(enabled: bool = True) -> Iterator[None]:
    """Discards what is written to file descriptor 2, such as TensorFlow's messages at import."""
    if not enabled:
        yield
        return
    saved = os.dup(2)
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(sink)


def seconds_since_start() -> float:
    """Returns the age of the process in seconds, or of this module if that is unknown."""
    try:
        stat = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        uptime = float(Path("/proc/uptime").read_text().split()[0])
        return uptime - float(stat[19]) / os.sysconf("SC_CLK_TCK")  # Field 22, starttime.
    except (OSError, ValueError, IndexError):
        return time.perf_counter() - _IMPORTED


_IMPORTED = time.perf_counter()
