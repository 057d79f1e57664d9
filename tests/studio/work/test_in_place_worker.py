"""The worker that is a thread of the server outlives what the database says; the host's `spaces` is a stand-in.

Not here: drawing on a lent GPU, in the running app (`tests.test_spaces`).
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from studio.home.database import DatabaseTrouble
from studio.home.settings import Settings
from studio.home.workspace import Workspace
from studio.pipeline.opening import PipelineKeeper
from studio.queue.job import Job
from studio.queue.table import JobTable
from studio.work.worker_state import WorkerState

MODULE = "studio.work.in_place_worker"
HANG_S = 60.0
FULL = DatabaseTrouble("the disk is full, studio.db could not grow; free some space and try again")

CLAIM = JobTable.claim  # as it is: a test puts another in its place

NewWorker = Callable[[], Any]


@pytest.fixture
def jobs(workspace: Workspace) -> JobTable:
    return JobTable(workspace.database)


@pytest.fixture
def new_worker(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[NewWorker]:
    """Make a worker that opens no model and does not wait between jobs; it ends with the test."""
    spaces = ModuleType("spaces")
    spaces.__dict__["GPU"] = lambda task, *, duration: task
    monkeypatch.setitem(sys.modules, "spaces", spaces)
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    module = importlib.import_module(MODULE)
    monkeypatch.setattr(module, "POLL_S", 0.001)
    monkeypatch.setattr(module, "quiet_libraries", lambda: None)
    monkeypatch.setattr(PipelineKeeper, "open", lambda *_: None)
    made: list[Any] = []

    def make() -> Any:
        made.append(module.InPlaceWorker(workspace, Settings(home=workspace.root)))
        return made[-1]

    yield make
    for one in made:
        one.stop()
    sys.modules.pop(MODULE, None)


def test_not_started_says_so(new_worker: NewWorker) -> None:
    assert new_worker().describe() == ("the worker is not running", "ill")


def test_its_thread_outlives_what_the_table_says(
    new_worker: NewWorker, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    worker, told, well = new_worker(), [], threading.Event()
    claim, refusals = JobTable.claim, iter([FULL, KeyError("oops"), FULL, None])

    def stumble(*given: Any) -> Job | None:
        told.append(worker.describe())
        refusal = next(refusals, None)
        if refusal is not None:
            raise refusal
        if told[-1].mood == "well":
            well.set()
        return claim(*given)

    monkeypatch.setattr(JobTable, "claim", stumble)
    worker.start()
    assert well.wait(HANG_S), told
    full = WorkerState(f"{FULL} (it is tried again)", "ill")
    oops = WorkerState("KeyError: 'oops' (an error of the studio, it is tried again)", "ill")
    assert told[:5] == [("starting", "busy"), full, oops, full, ("ready", "well")]
    assert capsys.readouterr().err.count("Traceback") == 1, "its own error alone"


def test_a_job_whose_end_could_not_be_written_is_running_no_more(
    new_worker: NewWorker, jobs: JobTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail, refusals = JobTable.fail, iter([FULL])
    ended = threading.Event()

    def refuse_once(*given: Any) -> None:
        refusal = next(refusals, None)
        if refusal is not None:
            raise refusal
        fail(*given)
        ended.set()

    monkeypatch.setattr(JobTable, "fail", refuse_once)
    job_id = jobs.submit("render", {"prompt": "sea", "hue": 3}, label="sea")
    worker = new_worker()
    worker.start()
    assert ended.wait(HANG_S)
    job = jobs.get(job_id)
    assert (job.state, job.attempts) == ("failed", 2), "it is tried once more, and ends for its own reason"
    assert "hue" in (job.error or "")
    worker.stop()
    assert worker.describe() == ("ready", "well")


def test_a_job_that_takes_its_worker_along_is_not_tried_for_ever(
    new_worker: NewWorker, jobs: JobTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    other_ended = threading.Event()

    def refuse(table: JobTable, job_id: int, error: str) -> None:
        if job_id == bad:
            raise FULL
        fail(table, job_id, error)
        other_ended.set()

    fail = JobTable.fail
    monkeypatch.setattr(JobTable, "fail", refuse)
    bad = jobs.submit("render", {"prompt": "sea", "hue": 3}, label="sea")
    jobs.submit("render", {"prompt": "lake", "hue": 3}, label="lake")
    new_worker().start()
    assert other_ended.wait(HANG_S), "the queue goes on behind it"
    job = jobs.get(bad)
    assert (job.state, job.attempts) == ("interrupted", 2)
    assert job.error == (
        "the job table could not be written during the start; it was not the first time, retry it by hand"
    )


@pytest.mark.parametrize(("deaths", "state", "attempts"), [(1, "queued", 1), (2, "interrupted", 2)])
def test_a_server_that_died_with_a_job_takes_it_up_once(
    new_worker: NewWorker,
    jobs: JobTable,
    monkeypatch: pytest.MonkeyPatch,
    deaths: int,
    state: str,
    attempts: int,
) -> None:
    """Three starts in a row with a job that kills the server would keep a Space down for ever."""
    job_id = jobs.submit("render", {"prompt": "sea"}, label="sea")
    monkeypatch.setattr(JobTable, "claim", lambda *_: None)  # the new server's own: it takes nothing
    for _ in range(deaths):
        CLAIM(jobs, 4)
        worker = new_worker()
        worker.start()
        worker.stop()
    assert (jobs.get(job_id).state, jobs.get(job_id).attempts) == (state, attempts)


def test_a_cancelled_job_does_not_begin_again(new_worker: NewWorker, jobs: JobTable) -> None:
    job_id = jobs.submit("render", {"prompt": "sea"}, label="sea")
    jobs.claim(4)
    jobs.cancel(job_id)
    worker = new_worker()
    worker.start()
    worker.stop()
    assert jobs.get(job_id).state == "cancelled"


def test_a_table_that_cannot_be_read_is_told_and_no_page_breaks(
    new_worker: NewWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> list[Job]:
        raise FULL

    worker = new_worker()
    monkeypatch.setattr(JobTable, "jobs", refuse)
    assert worker.describe() == (str(FULL), "ill")
