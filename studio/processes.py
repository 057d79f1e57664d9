"""Whether a process of this machine is the one we mean, and lives."""

from __future__ import annotations

import psutil

_SAME_TIME_S = 1.0  # two reports of one process's birth differ by rounding; a pid is not reused so soon


def created_at(pid: int) -> float | None:
    """When a process began, in seconds since 1970; None if there is no such process."""
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return None


def is_alive(pid: int | None, began_at: float | None) -> bool:
    """Whether process `pid` still runs and is the one that began at `began_at` (None: any).

    A zombie is dead: containers without an init never bury the children of the dead.
    """
    if pid is None:
        return False
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return began_at is None or abs(process.create_time() - began_at) < _SAME_TIME_S
    except psutil.NoSuchProcess:
        return False
