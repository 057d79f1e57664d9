"""Whether a process of this machine is the one we mean, and lives. No torch."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from pathlib import Path

import psutil

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
STARTTIME_FIELD = 19
"""Of /proc/PID/stat, counted from the state, which follows the name: clock ticks since the boot, proc(5)."""


NEW_GROUP: int = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
"""`creationflags` for a child that an interrupt of our terminal must not reach: what `start_new_session`, which
Windows passes over, does elsewhere."""

KILLED = -9
"""The exit code, as `subprocess` tells it, of what was ended at once; Windows, without signals, has others."""


def end_at_once(pid: int, born: str) -> bool:
    """Whether that very process still ran; it has no time to save anything."""
    if not is_alive(pid, born):
        return False
    with suppress(psutil.NoSuchProcess):
        psutil.Process(pid).kill()
    return True


def birth(pid: int) -> str | None:
    """What no other process has, before or after: a number alone is given away again. None: there is no such process.

    On Linux the boot and the clock ticks since then: a time of day would move whenever the clock is set.
    Elsewhere the system notes the time of day once, at the start.
    """
    try:
        if BOOT_ID.is_file():
            state_and_on = (
                Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
            )
            return f"{BOOT_ID.read_text(encoding='ascii').strip()} {state_and_on.split()[STARTTIME_FIELD]}"
        return str(psutil.Process(pid).create_time())
    except (OSError, psutil.NoSuchProcess):
        return None


def is_alive(pid: int | None, born: str | None) -> bool:
    """Whether process `pid` still runs and is the one with this birth (None: any).

    A zombie is dead: containers without an init never bury the children of the dead.
    """
    if pid is None:
        return False
    try:
        if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return False
    except (psutil.NoSuchProcess, ValueError):
        return False
    return born is None or birth(pid) == born
