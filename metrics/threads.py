"""Compiled loops on all cores: ranges of an index, one thread each. Not here: the loops.

Numba's own `prange` is not used: where neither OpenMP nor TBB is found, its fallback ends the whole process when two
threads of a server enter it at once. Kernels that release the GIL under plain threads have no such state.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

# Ranges per thread: enough that a slow range (a busy part of a picture) does not leave the other cores idle.
_RANGES_PER_THREAD = 6


def in_threads(work: Callable[[int, int], None], count: int) -> None:
    """Call `work(start, stop)` on ranges that together cover 0 to `count`; raises what `work` raises.

    `work` must write only what belongs to its range, and should spend its time without the GIL.
    """
    threads = min(_usable_cores(), count)
    if threads <= 1:
        work(0, count)
        return
    ranges = min(count, threads * _RANGES_PER_THREAD)
    edges = [count * index // ranges for index in range(ranges + 1)]
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(work, edges[:-1], edges[1:]):
            pass


def _usable_cores() -> int:
    # A container or `taskset` may allow fewer than the machine has; macOS and Windows cannot tell.
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
