"""A process that ends by SIGKILL at the n-th thing that it does to its home: no clock, and every moment can be met.

A thing is a file opened for writing, renamed or deleted, and each end of each transaction. What other threads do, such
as the worker's heartbeat, depends on the clock and does not count.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from studio.home.database import Database

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_CHANGES = {"os.rename", "os.remove", "os.mkdir"}


class Moments:
    """Counts them from now on, and dies at the `last` one; 0 for never."""

    def __init__(self, home: Path, *, last: int) -> None:
        self.count, self._last = 0, last
        self._home = os.fspath(home)
        sys.addaudithook(self._hear)
        plain = Database.writing

        @contextmanager
        def writing(database: Database) -> Iterator[sqlite3.Connection]:
            self._pass()
            with plain(database) as connection:
                yield connection
            self._pass()

        Database.writing = writing  # type: ignore[method-assign]

    def _hear(self, event: str, values: tuple[Any, ...]) -> None:
        writes = event == "open" and isinstance(values[2], int) and values[2] & _WRITING
        if (writes or event in _CHANGES) and str(values[0]).startswith(self._home):
            self._pass()

    def _pass(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        self.count += 1
        if self.count == self._last:
            os.kill(os.getpid(), signal.SIGKILL)


def lives(
    lasts: Sequence[int], live: Callable[[int], None], *, after_each: Callable[[], None] = lambda: None
) -> None:
    """One process after the other, each told its last moment; a fork, so that imports are paid once.

    Prints a line a life: "ended" and its exit code, -9 for killed.
    """
    for last in lasts:
        child = os.fork()
        if child == 0:
            live(last)
            sys.stdout.flush()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print("ended", os.waitstatus_to_exitcode(status), flush=True)
        after_each()
