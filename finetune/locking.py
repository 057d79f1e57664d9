"""A lock file that one process holds; the system lets go of it when the process ends, however. No torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout


@contextmanager
def tried_lock(path: Path) -> Iterator[bool]:
    """Whether it could be taken; held within the block then. Also against this process's other threads.

    The file stays when the lock goes, so that nobody can hold a deleted one. Nothing may be written into it: on
    Windows others cannot read a locked file.
    """
    lock = FileLock(path, timeout=0, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()
