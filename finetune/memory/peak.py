"""The most memory that was held: of the GPU, or where there is none of the whole process, on every system.

Linux lets its own mark be reset. Where that is not so (macOS, Windows, some containers), the process is looked at every
twentieth of a second from the first `forget_peak` on.
"""

from __future__ import annotations

import re
import sys
import threading
from pathlib import Path

import psutil
import torch

LOOK_EVERY_S = 0.05


class _Watch(threading.Thread):
    """The largest resident size that was seen. Ends with the process."""

    def __init__(self) -> None:
        super().__init__(name="peak memory", daemon=True)
        self._process = psutil.Process()
        self.most = 0

    def run(self) -> None:
        pause = threading.Event()
        while not pause.wait(LOOK_EVERY_S):
            self.look()

    def look(self) -> int:
        self.most = max(self.most, self._process.memory_info().rss)
        return self.most


_watch: _Watch | None = None


def forget_peak(device: torch.device) -> None:
    """Begin to measure anew."""
    global _watch
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif not _reset_mark():
        if _watch is None:
            _watch = _Watch()
            _watch.start()
        _watch.most = 0


def peak_bytes(device: torch.device) -> int:
    """Since `forget_peak`, or since the process began where that was never called."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return _peak_of_process() if _watch is None else _watch.look()


def _reset_mark() -> bool:
    """Whether the system has a mark that can be reset, and did so."""
    if sys.platform != "linux":
        return False
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:  # forbidden in some containers
        return False
    return True


def _peak_of_process() -> int:
    if sys.platform == "linux":  # the kernel's own mark, which can be reset; getrusage's cannot
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
        if found:
            return int(found[1]) * 1024
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    # Linux and BSD count in KiB, macOS in bytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
