"""The job table: what was asked for, who works on it, how far it is. The page wishes, the worker reports.

Not here: what a job is (`studio.queue.job`), doing the work (`studio.work.worker`), noticing a dead worker
(`studio.work.supervisor`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from studio.home.database import LOCK_TIMEOUT_S, Database, NotThere
from studio.home.ownership import Viewer, everybody, mine, prepare
from studio.queue.job import MAX_ATTEMPTS, Direction, Job, Progress, State, job_of, lost_words


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

    def submit(self, kind: str, request: Mapping[str, Any], *, label: str) -> int:
        """Put a job at the end of the queue; returns its id. `kind` is one of `studio.work.kinds`."""
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
        return job_of(row)

    def jobs(
        self,
        *,
        states: Sequence[State] | None = None,
        kind: str | None = None,
        ids: Sequence[int] | None = None,
        limit: int | None = None,
    ) -> list[Job]:
        """Running ones first, then the queue in its order, then the ended ones, the last ended first.

        All of them, or those in one of `states`, of a `kind`, among `ids`; the first `limit` of these.
        """
        where, values = mine("jobs", self.viewer)
        if states is not None:
            where += f" AND {_in_states(states)}"
        if kind is not None:
            where, values = f"{where} AND kind = ?", (*values, kind)
        if ids is not None:  # as one value: a statement takes so many and no more
            where += " AND id IN (SELECT value FROM json_each(?))"
            values = (*values, json.dumps(list(ids)))
        rows = self._database.rows(
            f"SELECT * FROM jobs WHERE {where} "
            "ORDER BY CASE state WHEN 'running' THEN 0 WHEN 'queued' THEN 1 ELSE 2 END, "
            "CASE state WHEN 'queued' THEN place END, finished_at DESC, id DESC LIMIT ?",
            (*values, -1 if limit is None else limit),
        )
        return [job_of(row) for row in rows]

    def count(self, *, states: Sequence[State]) -> int:
        """How many jobs are in one of these states."""
        owned, owner = mine("jobs", self.viewer)
        row = self._database.row(
            f"SELECT COUNT(*) AS number FROM jobs WHERE {owned} AND {_in_states(states)}", owner
        )
        return 0 if row is None else int(row["number"])

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
            return job_of(connection.execute("SELECT * FROM jobs WHERE id = ?", (row["id"],)).fetchone())

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

    def promise(self, job_id: int, result: Mapping[str, Any]) -> None:
        """This is to come of it. Kept through a death and a retry: who takes the job up again looks whether it came."""
        values = json.dumps(dict(result)), job_id
        self._database.write("UPDATE jobs SET result = ? WHERE id = ? AND state = 'running'", values)

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

    def take_up(self, lost: Sequence[Job]) -> tuple[list[int], list[int]]:
        """Of jobs that `interrupt_lost` found: the ids that wait again, and those interrupted too often to go on by
        themselves. One that was asked to stop has stopped."""
        resumed, left = [], []
        for job in lost:
            if job.cancel_requested:
                self.give_up(job.id)
            elif job.attempts < MAX_ATTEMPTS:
                self.resume(job.id)
                resumed.append(job.id)
            else:
                left.append(job.id)
        return resumed, left

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
        owned, owner = mine("jobs", self.viewer)
        return self._database.write(
            f"DELETE FROM jobs WHERE state NOT IN ('queued', 'running') AND {owned}", owner
        )

    def interrupt_lost(
        self, is_alive: Callable[[Job], bool], *, explain: Callable[[Job], str] = lost_words
    ) -> list[Job]:
        """Mark every running job whose worker is not alive as interrupted, with why; returns them as they are now."""
        lost = [job for job in self.jobs(states=("running",)) if not is_alive(job)]
        for job in lost:
            self._end(job.id, "interrupted", error=explain(job))
        ids = {job.id for job in lost}  # some may have been cleared away since
        return [job for job in self.jobs(states=("interrupted",)) if job.id in ids]

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
            "UPDATE jobs SET state = ?, result = COALESCE(?, result), error = ?, "
            "preview = COALESCE(?, preview), finished_at = ?, seconds_left = NULL WHERE id = ? AND state = 'running'",
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
            "started_at = NULL, finished_at = NULL, cancel_requested = 0, worker_pid = NULL, "
            "worker_born = NULL, heartbeat_at = NULL, stage = '', step = 0, num_steps = 0, "
            "seconds_per_step = NULL, seconds_left = NULL "
            "WHERE id = ? AND state IN ('failed', 'cancelled', 'interrupted')",
            (job_id,),
        )


def _in_states(states: Sequence[State]) -> str:
    """An SQL condition. A state that is none, of a damaged row, counts as failed (`job_of`)."""
    known = ", ".join(f"'{state}'" for state in get_args(State))
    wanted = ", ".join(f"'{state}'" for state in states if state in get_args(State))
    others = f" OR state NOT IN ({known})" if "failed" in states else ""
    return f"(state IN ({wanted}){others})"


_LAST_PLACE = "(SELECT COALESCE(MAX(place), 0) + 1 FROM jobs)"
_FIRST_PLACE = "(SELECT COALESCE(MIN(place), 0) - 1 FROM jobs)"
