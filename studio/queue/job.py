"""A job as the table holds it. Not here: the table (`studio.queue.table`)."""

from __future__ import annotations

import math
import sqlite3
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from finetune.json_text import parse_json

State = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]
Direction = Literal["up", "down", "front", "back"]

ENDED: tuple[State, ...] = ("done", "failed", "cancelled", "interrupted")
MAX_ATTEMPTS = 2
"""A job that lost its worker goes on by itself once; after that somebody should look at it."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is."""

    stage: str = ""
    """Such as "loading model", "encoding prompt", "denoising", "decoding", "saving"."""

    step: int = 0
    """Steps done of this stage."""

    num_steps: int = 0
    seconds_per_step: float | None = None
    seconds_left: float | None = None
    """Of the whole job, where it can be foreseen."""


@dataclass(frozen=True, slots=True)
class Job:
    """One row of the table, as it was when it was read. Times are seconds since 1970."""

    id: int
    kind: str
    """Of `studio.work.kinds`, or of a newer studio's."""

    state: State
    label: str
    request: dict[str, Any]
    progress: Progress
    preview: str | None
    """Path of the latest preview, a JPEG."""

    result: dict[str, Any] | None
    """{"picture": id} of a finished render; of one that is not, the picture that it was about to keep."""

    error: str | None
    """Why it failed or was interrupted; kept while it waits to resume."""

    created_at: float
    started_at: float | None
    finished_at: float | None
    attempts: int
    """How often a worker has taken it up since it was submitted or retried."""

    cancel_requested: bool
    worker_pid: int | None
    worker_born: str | None = None
    """See `finetune.processes.birth`: a pid alone may have been given away again."""

    heartbeat_at: float | None = None
    damage: str = ""
    """What of its row cannot be read, in a sentence; such a job is shown and can be cleared away."""


def lost_words(job: Job, reason: str = "the worker died") -> str:
    """Of a job whose worker is gone."""
    return f"{reason} during {job.progress.stage or 'the start'}"


def job_of(row: sqlite3.Row) -> Job:
    """A row as a job, whatever stands in it: one that is damaged takes no other down, and says what is wrong."""
    cells = _Cells(row)
    states: dict[str, State] = {state: state for state in get_args(State)}
    state = states.get(cells.text("state"))
    if state is None:
        cells.wrong.append("its state is none that is known")
    request, result = cells.json_object("request"), cells.json_object("result")
    progress = Progress(
        cells.text("stage"),
        cells.whole("step"),
        cells.whole("num_steps"),
        cells.number("seconds_per_step"),
        cells.number("seconds_left"),
    )
    job = Job(
        id=int(row["id"]),
        kind=cells.text("kind"),
        state="failed" if state is None else state,
        label=cells.text("label"),
        request={} if request is None else request,
        progress=progress,
        preview=cells.text("preview") or None,
        result=result,
        error=cells.text("error") or None,
        created_at=cells.number("created_at") or 0.0,
        started_at=cells.number("started_at"),
        finished_at=cells.number("finished_at"),
        attempts=cells.whole("attempts"),
        cancel_requested=bool(cells.whole("cancel_requested")),
        worker_pid=cells.whole("worker_pid") or None,
        worker_born=cells.text("worker_born") or None,
        heartbeat_at=cells.number("heartbeat_at"),
    )
    if not cells.wrong:
        return job
    damage = f"its row in the job table is damaged ({', '.join(cells.wrong)})"
    return replace(job, damage=damage, error=damage if job.error is None else f"{job.error}; {damage}")


class _Cells:
    """Reads a row's cells by the type that each should have, and notes those that have not."""

    def __init__(self, row: sqlite3.Row) -> None:
        self.row = row
        self.wrong: list[str] = []

    def text(self, name: str) -> str:
        value = self.row[name]
        if value is None or isinstance(value, str):
            return value or ""
        self.wrong.append(f"{name} is no text")
        return ""

    def number(self, name: str) -> float | None:
        value = self.row[name]
        if value is None or (isinstance(value, int | float) and math.isfinite(value)):
            return value
        self.wrong.append(f"{name} is no number")
        return None

    def whole(self, name: str) -> int:
        return int(self.number(name) or 0)

    def json_object(self, name: str) -> dict[str, Any] | None:
        if (text := self.text(name)) == "":
            return None
        try:
            value = parse_json(text)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            self.wrong.append(f"{name} is no JSON object")
            return None
        return value
