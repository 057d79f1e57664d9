"""The job table: what was asked for, who works on it, how far it is. The page wishes, the worker reports.

Not here: doing the work (`studio.work.worker`), noticing a dead worker (`studio.work.supervisor`).
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from studio.home.database import LOCK_TIMEOUT_S, Database, NotThere
from studio.home.ownership import Viewer, everybody, mine, prepare

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


class JobTable:
    """The queue and its history. Every method is one short transaction, safe from any thread or process."""

    def __init__(
        self, database: Path, *, lock_timeout_s: float = LOCK_TIMEOUT_S, viewer: Viewer = everybody
    ) -> None:
        """`viewer` sees and changes its own jobs alone, see `studio.home.ownership`."""
        self._database = Database(database, lock_timeout_s=lock_timeout_s)
        self.viewer = viewer
        if viewer is not everybody:
            prepare(self._database)

    def submit(self, kind: Kind, request: Mapping[str, Any], *, label: str) -> int:
        """Put a job at the end of the queue; returns its id."""
        if kind not in get_args(Kind):
            raise ValueError(f"a job is one of {', '.join(get_args(Kind))}, got {kind!r}")
        with self._database.writing() as connection:
            cursor = connection.execute(
                f"INSERT INTO jobs (kind, state, label, request, place, created_at) "
                f"VALUES (?, 'queued', ?, ?, {_LAST_PLACE}, ?)",
                (kind, label, json.dumps(dict(request)), time.time()),
            )
            assert cursor.lastrowid is not None
            if (owner := self.viewer()) is not None:
                connection.execute("INSERT INTO owners VALUES ('jobs', ?, ?)", (str(cursor.lastrowid), owner))
            return cursor.lastrowid

    def get(self, job_id: int) -> Job:
        owned, owner = mine("jobs", self.viewer)
        row = self._database.row(f"SELECT * FROM jobs WHERE id = ? AND {owned}", (job_id, *owner))
        if row is None:
            raise NotThere(f"there is no job {job_id}; it was cleared away, reload the page")
        return _job(row)

    def jobs(self, *, states: Sequence[State] | None = None, limit: int = 200) -> list[Job]:
        """Running ones first, then the queue in its order, then the ended ones, the last ended first."""
        wanted = tuple(get_args(State) if states is None else states)
        owned, owner = mine("jobs", self.viewer)
        rows = self._database.rows(
            f"SELECT * FROM jobs WHERE state IN ({', '.join('?' * len(wanted))}) AND {owned} "
            "ORDER BY CASE state WHEN 'running' THEN 0 WHEN 'queued' THEN 1 ELSE 2 END, "
            "CASE state WHEN 'queued' THEN place END, finished_at DESC, id DESC LIMIT ?",
            (*wanted, *owner, limit),
        )
        return [_job(row) for row in rows]

    def version(self) -> int:
        """Changes whenever `jobs` would answer differently."""
        return self._database.version("jobs")

    def claim(self, worker_pid: int, worker_born: str | None = None) -> Job | None:
        """Take the first waiting job for a worker process; None when nothing waits."""
        if self._database.row("SELECT 1 FROM jobs WHERE state = 'queued' LIMIT 1") is None:
            return None  # asked every moment, so without taking the write lock
        with self._database.writing() as connection:
            row = connection.execute(
                "SELECT id FROM jobs WHERE state = 'queued' ORDER BY place LIMIT 1"
            ).fetchone()
            if row is None:
                return None
            now = time.time()
            connection.execute(
                "UPDATE jobs SET state = 'running', worker_pid = ?, worker_born = ?, started_at = ?, "
                "heartbeat_at = ?, attempts = attempts + 1, finished_at = NULL WHERE id = ?",
                (worker_pid, worker_born, now, now, row["id"]),
            )
            return _job(connection.execute("SELECT * FROM jobs WHERE id = ?", (row["id"],)).fetchone())

    def heartbeat(self, job_id: int) -> None:
        """The worker lives and has this job in hand."""
        self._database.write("UPDATE jobs SET heartbeat_at = ? WHERE id = ?", (time.time(), job_id))

    def report(self, job_id: int, progress: Progress, preview: str | None = None) -> bool:
        """Write how far the job is, and the path of a new preview if there is one. False: stop, please."""
        with self._database.writing() as connection:
            row = connection.execute(
                "UPDATE jobs SET stage = ?, step = ?, num_steps = ?, seconds_per_step = ?, seconds_left = ?, "
                "preview = COALESCE(?, preview), reported_at = ? WHERE id = ? AND state = 'running' "
                "RETURNING cancel_requested",
                (
                    *(progress.stage, progress.step, progress.num_steps),
                    *(progress.seconds_per_step, progress.seconds_left, preview, time.time(), job_id),
                ),
            ).fetchone()
            return row is not None and not row["cancel_requested"]

    def finish(self, job_id: int, result: Mapping[str, Any]) -> None:
        """It is done, and this came of it."""
        self._end(job_id, "done", result=json.dumps(dict(result)))

    def fail(self, job_id: int, error: str) -> None:
        """It cannot be done, for this reason."""
        self._end(job_id, "failed", error=error)

    def mark_cancelled(self, job_id: int, preview: str | None = None) -> None:
        """It has stopped as asked; the path of its last preview stays with it."""
        self._end(job_id, "cancelled", preview=preview)

    def cancel(self, job_id: int) -> bool:
        """Take a waiting job out of the queue, or ask the worker to stop. False: it had already ended."""
        return self._cancel("id = ?", (job_id,)) > 0

    def cancel_all(self) -> int:
        """Cancel everything that waits or runs; returns how many jobs."""
        return self._cancel("1", ())

    def retry(self, job_id: int) -> int:
        """Put a failed, cancelled or interrupted job back at the end of the queue; it keeps its latents."""
        job = self.get(job_id)
        if job.state not in ("failed", "cancelled", "interrupted"):
            raise ValueError(
                f"job {job_id} is {job.state}; only one that ended without a result can be retried"
            )
        self._requeue(job_id, place=_LAST_PLACE, attempts="0", error="NULL")
        return job_id

    def resume(self, job_id: int) -> None:
        """Put an interrupted job back at the front of the queue; why it was interrupted stays readable."""
        self._requeue(job_id, place=_FIRST_PLACE, attempts="attempts", error="error")

    def give_up(self, job_id: int) -> None:
        """Take an interrupted job that was asked to stop as stopped."""
        self._database.write(
            "UPDATE jobs SET state = 'cancelled', error = NULL WHERE id = ? AND state = 'interrupted'",
            (job_id,),
        )

    def move(self, job_id: int, direction: Direction) -> bool:
        """Change a waiting job's place in the queue. False: it no longer waits, or is there already."""
        if direction not in get_args(Direction):
            raise ValueError(f"a job moves {', '.join(get_args(Direction))}, not {direction!r}")
        if self.viewer() is not None:
            raise ValueError("this queue is shared: jobs are drawn in the order they came in")
        with self._database.writing() as connection:
            queue = connection.execute("SELECT id FROM jobs WHERE state = 'queued' ORDER BY place").fetchall()
            order = [int(row["id"]) for row in queue]
            if job_id not in order:
                return False
            old = order.index(job_id)
            last = len(order) - 1
            new = {"up": max(0, old - 1), "down": min(last, old + 1), "front": 0, "back": last}[direction]
            order.insert(new, order.pop(old))
            for place, moved in enumerate(order):
                connection.execute("UPDATE jobs SET place = ? WHERE id = ?", (place, moved))
            return new != old

    def clear_finished(self) -> int:
        """Forget the jobs that ended, not their pictures; returns how many."""
        marks = ", ".join("?" * len(ENDED))
        owned, owner = mine("jobs", self.viewer)
        return self._database.write(
            f"DELETE FROM jobs WHERE state IN ({marks}) AND {owned}", (*ENDED, *owner)
        )

    def interrupt_lost(
        self, is_alive: Callable[[Job], bool], *, explain: Callable[[Job], str] = lost_words
    ) -> list[Job]:
        """Mark every running job whose worker is not alive as interrupted, with why; returns them as they are now."""
        lost = [job for job in self.jobs(states=("running",)) if not is_alive(job)]
        for job in lost:
            self._end(job.id, "interrupted", error=explain(job))
        ids = {job.id for job in lost}  # some may have been cleared away since
        return [job for job in self.jobs(states=("interrupted",), limit=-1) if job.id in ids]

    def _end(
        self,
        job_id: int,
        state: State,
        *,
        result: str | None = None,
        error: str | None = None,
        preview: str | None = None,
    ) -> None:
        """End a running job; one that is no longer running keeps the state it was given."""
        self._database.write(
            "UPDATE jobs SET state = ?, result = ?, error = ?, preview = COALESCE(?, preview), "
            "finished_at = ?, seconds_left = NULL WHERE id = ? AND state = 'running'",
            (state, result, error, preview, time.time(), job_id),
        )

    def _cancel(self, which: str, values: tuple[Any, ...]) -> int:
        owned, owner = mine("jobs", self.viewer)
        which, values = f"{which} AND {owned}", (*values, *owner)
        with self._database.writing() as connection:
            waiting = connection.execute(
                "UPDATE jobs SET state = 'cancelled', finished_at = ?, error = NULL "
                f"WHERE state = 'queued' AND {which}",
                (time.time(), *values),
            )
            running = connection.execute(
                f"UPDATE jobs SET cancel_requested = 1 WHERE state = 'running' AND {which}", values
            )
            return waiting.rowcount + running.rowcount

    def _requeue(self, job_id: int, *, place: str, attempts: str, error: str) -> None:
        self._database.write(
            f"UPDATE jobs SET state = 'queued', place = {place}, attempts = {attempts}, error = {error}, "
            "result = NULL, started_at = NULL, finished_at = NULL, cancel_requested = 0, worker_pid = NULL, "
            "worker_born = NULL, heartbeat_at = NULL, stage = '', step = 0, num_steps = 0, "
            "seconds_per_step = NULL, seconds_left = NULL "
            "WHERE id = ? AND state IN ('failed', 'cancelled', 'interrupted')",
            (job_id,),
        )


_LAST_PLACE = "(SELECT COALESCE(MAX(place), 0) + 1 FROM jobs)"
_FIRST_PLACE = "(SELECT COALESCE(MIN(place), 0) - 1 FROM jobs)"


def _job(row: sqlite3.Row) -> Job:
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
