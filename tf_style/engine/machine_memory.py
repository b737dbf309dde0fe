"""The memory that this process may use, as reported by Linux. No TensorFlow here."""

import math
from pathlib import Path


def available() -> float | None:
    """Returns the bytes that this process can use, those in use included; None if unknown.

    What is left is the minimum of the machine's available memory and the rest of the control
    group's limit.
    """
    held = _kilobytes(Path("/proc/self/status"), "VmRSS:")
    left = _kilobytes(Path("/proc/meminfo"), "MemAvailable:")
    if held is None or left is None:
        return None
    for most, current, statistics, cached in _GROUPS:
        used = _number(current)
        if used is not None:  # Cached files are dropped when memory is needed.
            used -= _field(statistics, cached) or 0.0
            left = min(left, (_number(most) or math.inf) - used)
    return held + _SHARE * left


def total() -> float | None:
    """Returns a fixed share of all memory of the machine or the control group; None if unknown."""
    machine = _kilobytes(Path("/proc/meminfo"), "MemTotal:")
    limits = [machine, *(_number(most) for most, *_ in _GROUPS)]
    known = [limit for limit in limits if limit is not None]
    return _SHARE * min(known) if known else None


_SHARE = 0.95  # The rest is for other processes.

_V1, _V2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
_GROUPS = (
    (_V2 / "memory.max", _V2 / "memory.current", _V2 / "memory.stat", "inactive_file"),
    (
        _V1 / "memory.limit_in_bytes",
        _V1 / "memory.usage_in_bytes",
        _V1 / "memory.stat",
        "total_inactive_file",
    ),
)
"""For control groups, versions 2 and 1: limit, usage, statistics, and the field of cached files."""


def _number(path: Path) -> float | None:
    try:
        return float(path.read_text())
    except (OSError, ValueError):  # No such file, or "max".
        return None


def _field(path: Path, name: str) -> float | None:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return None
    values = [line.split()[1] for line in lines if line.split()[:1] == [name]]
    return float(values[0]) if values else None


def _kilobytes(path: Path, name: str) -> float | None:
    kibibytes = _field(path, name)
    return None if kibibytes is None else 1024.0 * kibibytes
