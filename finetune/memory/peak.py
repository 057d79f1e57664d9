"""The most memory that was held: of the GPU, or where there is none of the whole process, on every system."""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import torch


def forget_peak(device: torch.device) -> None:
    """Begin to measure anew, where the system lets it: on a GPU, and on Linux."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif sys.platform == "linux":
        with suppress(OSError):  # forbidden in some containers
            Path("/proc/self/clear_refs").write_text("5")


def peak_bytes(device: torch.device) -> int:
    """Since the process began, or since `forget_peak` where that could be heeded."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else _peak_of_process()


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
