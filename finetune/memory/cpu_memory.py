"""Training on a CPU without asking the system for every tensor: glibc gives each large freed block back at once, and
the next layer pays for fresh, zeroed pages. On two cores half of a training's time went there.

A render is left alone: it would be a tenth quicker and take a quarter more memory.
"""

from __future__ import annotations

import ctypes
import sys

_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # of malloc.h
_ALL = 2**31 - 1


def keep_freed_memory() -> bool:
    """From now on, blocks that are freed stay with this process. False where the C library is not glibc."""
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _ALL) and mallopt(_TRIM_THRESHOLD, _ALL))
