"""One bad row of the job table: named, cleared away on request, and nothing else suffers."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

import pytest

from studio.home.workspace import Workspace
from studio.pictures.gallery import Gallery
from studio.queue.job import Job
from studio.queue.table import JobTable
from studio.ui.generate.handlers import GenerateHandlers
from studio.ui.generate.watching import Watch
from studio.ui.parts.queue.queue_panel import queue_rows
from studio.work.kinds import KINDS, RENDER
from studio.work.worker import Worker
from tests.studio.ui.conftest import a_request, submit

NO_UTF8 = sqlite3.Binary(b"\xff\xfe")

DAMAGE: dict[str, tuple[str, Any]] = {
    "request cut off": ("request", '{"prompt": "sea", "wid'),
    "request null in JSON": ("request", "null"),
    "request a list": ("request", "[1, 2]"),
    "request a number": ("request", 5),
    "request bytes": ("request", NO_UTF8),
    "request bottomless": ("request", "[" * 100_000),
    "state unknown": ("state", "waiting for godot"),
    "state bytes": ("state", NO_UTF8),
    "state a number": ("state", 3),
    "kind bytes": ("kind", NO_UTF8),
    "label bytes": ("label", NO_UTF8),
    "step a word": ("step", "many"),
    "num_steps bytes": ("num_steps", NO_UTF8),
    "seconds a word": ("seconds_per_step", "soon"),
    "seconds infinite": ("seconds_left", 9e999),
    "preview bytes": ("preview", NO_UTF8),
    "result a list": ("result", "[]"),
    "result cut off": ("result", '{"pic'),
    "created a word": ("created_at", "yesterday"),
    "attempts a word": ("attempts", "twice"),
    "pid a word": ("worker_pid", "init"),
    "heartbeat bytes": ("heartbeat_at", NO_UTF8),
}
"""Of one cell each: what it is, and the cell that is written over."""

ODD: dict[str, tuple[str, Any]] = {
    "kind of a newer studio": ("kind", "upscale"),
    "request of another shape": ("request", json.dumps({"seed": "seven", "adapters": 5})),
    "result without a picture": ("result", '{"picture": {"id": 3}}'),
    "preview that is gone": ("preview", "/nowhere/job-1.jpg"),
    "label with half a letter": ("label", "a\ufffd\u202eb"),
    "label huge": ("label", "sea " * 100_000),
}
"""Whole cells that say something odd: no damage, and no trouble either."""


def write_over(workspace: Workspace, job_id: int, column: str, value: Any) -> None:
    connection = sqlite3.connect(workspace.database)
    with connection:
        connection.execute(f"UPDATE jobs SET {column} = ? WHERE id = ?", (value, job_id))
    connection.close()


@pytest.fixture(params=["queued", "running", "done"])
def three(request: pytest.FixtureRequest, jobs: JobTable) -> tuple[int, int, int]:
    """The one in the middle is as the parameter says."""
    first, middle, last = (submit(jobs) for _ in range(3))
    if request.param != "queued":
        jobs.move(middle, "front")
        claimed = jobs.claim(1)
        assert claimed is not None
        assert claimed.id == middle
    if request.param == "done":
        jobs.finish(middle, {"picture": "20260101-000000-0000"})
    return first, middle, last


@pytest.mark.parametrize(("column", "value"), [*DAMAGE.values(), *ODD.values()], ids=[*DAMAGE, *ODD])
def test_the_others_are_there_and_the_page_shows_all(
    handlers: GenerateHandlers, workspace: Workspace, jobs: JobTable, gallery: Gallery, three: tuple[int, int, int],
    column: str, value: Any,
) -> None:  # fmt: skip
    first, bad, last = three
    write_over(workspace, bad, column, value)
    found = {job.id: job for job in jobs.jobs()}
    assert set(found) == set(three)
    for whole in (first, last):
        assert (found[whole].damage, found[whole].request) == ("", a_request().to_dict())
    for watched in (Watch(), Watch(jobs=(bad,)), Watch(jobs=three)):
        handlers.look(watched)
    assert {row.id for row in queue_rows(jobs, gallery).rows} == set(three)
    jobs.cancel_all()
    jobs.interrupt_lost(lambda job: False)
    jobs.clear_finished()
    assert jobs.jobs(states=("done", "failed", "cancelled")) == []


@pytest.mark.parametrize(("column", "value"), DAMAGE.values(), ids=list(DAMAGE))
def test_it_says_what_is_wrong(
    workspace: Workspace, jobs: JobTable, gallery: Gallery, column: str, value: Any
) -> None:
    bad = submit(jobs)
    write_over(workspace, bad, column, value)
    job = jobs.get(bad)
    assert job.error == job.damage
    assert "damaged" in job.damage
    assert column in job.damage
    (row,) = queue_rows(jobs, gallery).rows
    assert "damaged" in row.message


@pytest.mark.parametrize(("column", "value"), [*DAMAGE.values(), *ODD.values()], ids=[*DAMAGE, *ODD])
def test_the_worker_goes_on_to_the_next(
    workspace: Workspace, jobs: JobTable, column: str, value: Any
) -> None:
    bad, good = submit(jobs), submit(jobs)
    write_over(workspace, bad, column, value)

    def drawn(job: Job) -> bool:
        KINDS[RENDER].detail(job)  # as a handler does: the request is read, or refused in a sentence
        jobs.finish(job.id, {"picture": "a"})
        return True

    worker = Worker(workspace, jobs, {RENDER: drawn})
    while worker.run_next():
        pass
    assert jobs.get(good).state == "done"
    assert jobs.get(bad).state in ("done", "failed")
