"""TensorFlow's process-wide settings, for programs (the CLI, tools), not for the library.

They work only before TensorFlow is first imported.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path


def set_environment(*, quiet: bool = True) -> None:
    """Sets what TensorFlow reads at import, unless the user has set it.

    TensorFlow's CPU allocator returns every large buffer to the system and has it zeroed
    anew, page by page, for the next operation; its pooling ("BFC") allocator keeps them.
    At 1024 px that takes a fifth off each evaluation (BUILD_NOTES.md). Its limit, 64 GB of
    its own accord, is set to the machine's memory.
    """
    os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "true")
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        os.environ.setdefault("TF_CPU_BFC_MEM_LIMIT_IN_MB", str(memory // 2**20))
    if quiet:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def tune_tensorflow() -> None:
    """Starts TensorFlow without its graph rewriting, for programs, not for the library.

    It takes 3 of the 12 seconds to the first evaluation and, measured on a CPU, gives nothing
    back: the graphs here are written as they should run. With a GPU it stays on, as it chooses
    the layout of the convolutions there.
    """
    import tensorflow as tf

    if hasattr(os, "sched_getaffinity") and len(os.sched_getaffinity(0)) < 2:
        # An evaluation in tiles waits in one thread for what it computes in another.
        with contextlib.suppress(RuntimeError):  # TensorFlow has started before.
            tf.config.threading.set_inter_op_parallelism_threads(2)
    if not tf.config.list_physical_devices("GPU"):
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    tf.config.list_logical_devices()


@contextlib.contextmanager
def quiet_stderr(enabled: bool = True) -> Iterator[None]:
    """Drops what is written to file descriptor 2: TensorFlow's greetings at import."""
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
    """Returns the age of the process; where the system does not tell, since the first import."""
    try:
        stat = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        uptime = float(Path("/proc/uptime").read_text().split()[0])
        return uptime - float(stat[19]) / os.sysconf("SC_CLK_TCK")  # Field 22, starttime.
    except (OSError, ValueError, IndexError):
        return time.perf_counter() - _IMPORTED


_IMPORTED = time.perf_counter()
