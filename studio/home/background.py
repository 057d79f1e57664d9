"""A piece of work in a thread of its own: how far it is, how it ended, and a way to stop it. Standard library only.

It dies with its process, so only work belongs here that can be begun again without loss.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

State = Literal["idle", "running", "stopping", "done", "stopped", "failed"]


@dataclass(frozen=True, slots=True)
class TaskState:
    """One look at the work."""

    state: State = "idle"
    done: int = 0
    total: int = 0
    words: str = ""
    """What is being done, or how it ended; the error's own sentence where it failed."""

    began_at: float = 0.0
    """Seconds since 1970."""

    @property
    def is_running(self) -> bool:
        return self.state in ("running", "stopping")


class Background:
    """Runs one piece of work at a time. Safe from any thread."""

    def __init__(self, name: str, on_change: Callable[[], None]) -> None:
        """`on_change` is called, from any thread, when work begins, is asked to stop, and ends."""
        self._name, self._on_change = name, on_change
        self._lock, self._stopping = threading.Lock(), threading.Event()
        self._state = TaskState()
        self._thread: threading.Thread | None = None

    @property
    def state(self) -> TaskState:
        with self._lock:
            return self._state

    def start(self, work: Callable[[], str], *, words: str) -> bool:
        """Begin, unless something runs already: then False. `work` returns how it ended, in words.

        A ValueError of `work` becomes the state's words; any other exception does too, and goes on to the log.
        """
        with self._lock:
            if self._state.is_running:
                return False
            self._state = TaskState("running", words=words, began_at=time.time())
            self._stopping.clear()
            self._thread = threading.Thread(target=self._run, args=(work,), name=self._name, daemon=True)
            self._thread.start()
        self._on_change()
        return True

    def tell(self, done: int, total: int, words: str | None = None) -> bool:
        """Note how far the work is; False asks it to stop."""
        with self._lock:
            said = self._state.words if words is None else words
            self._state = replace(self._state, done=done, total=total, words=said)
            return self._state.state != "stopping"

    def pause(self, seconds: float) -> None:
        """For the work itself: wait so long, or until it is asked to stop."""
        self._stopping.wait(seconds)

    def stop(self) -> None:
        """Ask the work to stop after what it is at."""
        with self._lock:
            if self._state.state == "running":
                self._state = replace(self._state, state="stopping")
                self._stopping.set()
        self._on_change()

    def wait(self, timeout_s: float) -> TaskState:
        """Wait for the end, at most so long."""
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join(timeout_s)
        return self.state

    def _run(self, work: Callable[[], str]) -> None:
        try:
            words = work()
        except ValueError as error:
            self._end("failed", str(error))
        except BaseException as error:
            self._end("failed", f"{self._name} broke off with {type(error).__name__}: {error}; see the log")
            raise
        else:
            self._end("stopped" if self.state.state == "stopping" else "done", words)

    def _end(self, state: State, words: str) -> None:
        with self._lock:
            self._state = replace(self._state, state=state, words=words)
        self._on_change()
