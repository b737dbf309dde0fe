"""The memory that this process may use."""

import math
from pathlib import Path


def available() -> float | None:
    """Returns the bytes that this process may come to hold; None where the system does not tell.

    The least of what the machine has left and what the control group allows.
    """
    held = _kilobytes(Path("/proc/self/status"), "VmRSS:")
    left = _kilobytes(Path("/proc/meminfo"), "MemAvailable:")
    if held is None or left is None:
        return None
    for most, current, statistics, cached in _GROUPS:
        used = _number(current)
        if used is not None:  # Cached files go when memory is asked for.
            used -= _field(statistics, cached) or 0.0
            left = min(left, (_number(most) or math.inf) - used)
    return held + _SHARE * left


def total() -> float | None:
    """Returns the bytes of the machine or the control group that a process may plan with."""
    machine = _kilobytes(Path("/proc/meminfo"), "MemTotal:")
    limits = [machine, *(_number(most) for most, *_ in _GROUPS)]
    known = [limit for limit in limits if limit is not None]
    return _SHARE * min(known) if known else None


_SHARE = 0.95  # The rest is for what else the machine does.

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
"""Of control groups, versions 2 and 1: limit, use, and the field of cached files in statistics."""


def _number(path: Path) -> float | None:
    try:
        return float(path.read_text())
    except (OSError, ValueError):  # None, or "max".
        return None


def _field(path: Path, name: str) -> float | None:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.split()[:1] == [name]]
    return float(found[0]) if found else None


def _kilobytes(path: Path, name: str) -> float | None:
    found = _field(path, name)
    return None if found is None else 1024.0 * found
