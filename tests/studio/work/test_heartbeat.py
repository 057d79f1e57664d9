"""The worker's heart: it beats while a job runs, and a table that cannot be written stops it for that beat alone."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from studio.home.database import DatabaseBusy, DatabaseTrouble
from studio.home.workspace import Workspace
from studio.queue.job import Job
from studio.queue.table import JobTable
from studio.work.worker import Worker

HANG_S = 60.0


@pytest.fixture
def jobs(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> JobTable:
    monkeypatch.setattr("studio.work.worker.HEARTBEAT_S", 0.001)
    return JobTable(workspace.database)


@pytest.mark.parametrize(
    "trouble",
    [None, DatabaseTrouble("the disk is full"), DatabaseBusy("locked")],
    ids=["well", "full", "busy"],
)
def test_a_heart_beats_while_a_job_runs(
    workspace: Workspace, jobs: JobTable, monkeypatch: pytest.MonkeyPatch, trouble: DatabaseTrouble | None
) -> None:
    heartbeat, troubles = JobTable.heartbeat, iter([trouble])
    begun, beaten = threading.Event(), threading.Event()

    def beat(*given: Any) -> None:
        assert begun.wait(HANG_S)
        if (refusal := next(troubles, None)) is not None:
            raise refusal
        heartbeat(*given)
        beaten.set()

    monkeypatch.setattr(JobTable, "heartbeat", beat)
    seen = []

    def work(job: Job) -> bool:
        seen.append(jobs.get(job.id).heartbeat_at)
        begun.set()
        assert beaten.wait(HANG_S), "no heartbeat"
        seen.append(jobs.get(job.id).heartbeat_at)
        return True

    jobs.submit("render", {}, label="")
    assert Worker(workspace, jobs, {"render": work}).run_next()
    first, last = seen
    assert last > first
