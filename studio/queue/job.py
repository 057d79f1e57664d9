"""A job as the table holds it. Not here: the table (`studio.queue.table`)."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import Any, Literal

State = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]
Kind = Literal["render", "score", "train"]
Direction = Literal["up", "down", "front", "back"]

ENDED: tuple[State, ...] = ("done", "failed", "cancelled", "interrupted")


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
    kind: Kind
    state: State
    label: str
    request: dict[str, Any]
    progress: Progress
    preview: str | None
    """Path of the latest preview, a JPEG."""

    result: dict[str, Any] | None
    """{"picture": id} of a finished render."""

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


def lost_words(job: Job, reason: str = "the worker died") -> str:
    """Of a job whose worker is gone."""
    return f"{reason} during {job.progress.stage or 'the start'}"


def job_of(row: sqlite3.Row) -> Job:
    return Job(
        id=row["id"],
        kind=row["kind"],
        state=row["state"],
        label=row["label"],
        request=json.loads(row["request"]),
        progress=Progress(
            row["stage"], row["step"], row["num_steps"], row["seconds_per_step"], row["seconds_left"]
        ),
        preview=row["preview"],
        result=None if row["result"] is None else json.loads(row["result"]),
        error=row["error"],
        created_at=row["created_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        attempts=row["attempts"],
        cancel_requested=bool(row["cancel_requested"]),
        worker_pid=row["worker_pid"],
        worker_born=row["worker_born"],
        heartbeat_at=row["heartbeat_at"],
    )
