"""Downloads in the background of the server: one thread each, what they do told at any time. No torch.

A server that stops leaves what has come; the next download goes on there. Not here: the download (`studio.models.hub`).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from studio.models.cards import AdapterCard
from studio.models.hub import Hub
from studio.models.hub_adapters import keep_adapter
from studio.models.hub_files import DownloadPlan
from studio.models.transfer import Stopped

Stage = Literal["asking", "downloading", "done", "stopped", "failed"]

RATE_OVER_S = 8.0


@dataclass(frozen=True, slots=True)
class DownloadState:
    """Where one download stands."""

    hub_id: str
    stage: Stage = "asking"
    here_bytes: int = 0
    total_bytes: int = 0
    bytes_per_s: float | None = None
    """Over the last seconds; None until that is known."""

    error: str | None = None
    """Why it failed, with the remedy."""

    @property
    def is_active(self) -> bool:
        return self.stage in ("asking", "downloading")

    @property
    def seconds_left(self) -> float | None:
        if not self.bytes_per_s or self.stage != "downloading":
            return None
        return (self.total_bytes - self.here_bytes) / self.bytes_per_s

    def sentence(self) -> str:
        """Such as "3.1 of 9.5 GB, 42 MB/s"; for a failed one its reason."""
        if self.stage == "asking":
            return "asking the hub"
        if self.error is not None:
            return self.error
        amount = f"{self.here_bytes / 1e9:.1f} of {self.total_bytes / 1e9:.1f} GB"
        if self.stage == "downloading":
            return amount if self.bytes_per_s is None else f"{amount}, {self.bytes_per_s / 1e6:.0f} MB/s"
        return f"stopped at {amount}; it goes on from there" if self.stage == "stopped" else "downloaded"


class Downloads:
    """All downloads of one server. Safe from any thread."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self._lock = threading.Lock()
        self._states: dict[str, DownloadState] = {}
        self._stops: dict[str, threading.Event] = {}
        self._threads: dict[str, threading.Thread] = {}

    def start_adapter(self, card: AdapterCard, home: Path) -> None:
        """As `start`, of a LoRA that the home keeps."""
        self._begin(
            card.hub_id,
            lambda: self.hub.plan_file(card.hub_id, card.file),
            lambda snapshot: keep_adapter(card, snapshot, home),
        )

    def start(self, hub_id: str) -> None:
        """Begin or go on; nothing happens where it is under way. Raises ValueError for what is no hub id."""
        self._begin(hub_id, lambda: self.hub.plan(hub_id), lambda snapshot: snapshot)

    def _begin(self, hub_id: str, ask: Callable[[], DownloadPlan], keep: Callable[[Path], Path]) -> None:
        with self._lock:
            if hub_id in self._states and self._states[hub_id].is_active:
                return
            self._states[hub_id] = DownloadState(hub_id)
            self._stops[hub_id] = threading.Event()
            thread = threading.Thread(
                target=self._run, args=(hub_id, ask, keep), name=f"download {hub_id}", daemon=True
            )
            self._threads[hub_id] = thread
        thread.start()

    def stop(self, hub_id: str) -> None:
        """Ask it to stop; within a second it does."""
        with self._lock:
            if hub_id in self._stops:
                self._stops[hub_id].set()

    def forget(self, hub_id: str) -> None:
        """Tell nothing more of one that has ended."""
        with self._lock:
            if hub_id in self._states and not self._states[hub_id].is_active:
                del self._states[hub_id]

    def wait(self, hub_id: str, timeout_s: float | None = None) -> DownloadState:
        """Until it has ended."""
        self._threads[hub_id].join(timeout_s)
        return self._states[hub_id]

    def state(self, hub_id: str) -> DownloadState | None:
        """None for one that was never begun."""
        with self._lock:
            return self._states.get(hub_id)

    def version(self) -> str:
        """Differs whenever a page should look again: at each percent and each stage."""
        with self._lock:
            states = list(self._states.values())
        return " ".join(f"{s.hub_id}:{s.stage}:{100 * s.here_bytes // max(1, s.total_bytes)}" for s in states)

    def _run(self, hub_id: str, ask: Callable[[], DownloadPlan], keep: Callable[[Path], Path]) -> None:
        stop, pace = self._stops[hub_id], _Rate()
        try:
            plan = ask()
            self._set(hub_id, stage="downloading", total_bytes=plan.total_bytes)

            def on_bytes(here_bytes: int) -> bool:
                self._set(hub_id, here_bytes=here_bytes, bytes_per_s=pace.told(here_bytes))
                return not stop.is_set()

            if stop.is_set():
                raise Stopped
            keep(self.hub.download(plan, on_bytes=on_bytes))
        except Stopped:
            self._set(hub_id, stage="stopped")
        except ValueError as error:
            self._set(hub_id, stage="failed", error=str(error))
        except Exception as error:
            # The thread's own crash must not look like a download that goes on for ever.
            self._set(
                hub_id, stage="failed", error=f"{type(error).__name__}: {error} (an error of the studio)"
            )
            raise
        else:
            self._set(hub_id, stage="done")

    def _set(self, hub_id: str, **changes: object) -> None:
        with self._lock:
            self._states[hub_id] = replace(self._states[hub_id], **changes)  # type: ignore[arg-type]


class _Rate:
    """Bytes a second over the last seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def told(self, here_bytes: int) -> float | None:
        now = time.monotonic()
        self._seen.append((now, here_bytes))
        while now - self._seen[0][0] > RATE_OVER_S:
            self._seen.popleft()
        seconds = now - self._seen[0][0]
        return None if seconds < 0.5 else (here_bytes - self._seen[0][1]) / seconds
