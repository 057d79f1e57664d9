"""Watching over the worker: with stand-ins that die in all ways, and with the real one, killed mid-render."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

from finetune.processes import birth, is_alive
from studio.home.code_mark import code_mark
from studio.home.database import DatabaseBusy
from studio.home.locks import lock_note, note_file
from studio.home.settings import Settings
from studio.home.workspace import Workspace
from studio.pictures.gallery import Gallery
from studio.queue.job import Job, Progress
from studio.queue.table import JobTable
from studio.render_request import RenderRequest
from studio.work import supervisor as supervision
from studio.work.supervisor import SILENT_S, WorkerSupervisor
from tests.studio.work.supervised import HANG_S, STAND_IN, step, wait_for, worker_pid

pytestmark = pytest.mark.process

Watch = Callable[..., WorkerSupervisor]


@pytest.fixture
def jobs(workspace: Workspace) -> JobTable:
    return JobTable(workspace.database)


@pytest.fixture
def watch(workspace: Workspace) -> Iterator[Watch]:
    """Make supervisors whose workers do not outlive the test."""
    made: list[WorkerSupervisor] = []

    def make(code: str | None = STAND_IN, **by: Callable[[], float]) -> WorkerSupervisor:
        command = None if code is None else [sys.executable, "-c", code, str(workspace.root)]
        made.append(WorkerSupervisor(workspace, Settings(home=workspace.root), command=command, **by))
        return made[-1]

    yield make
    for one in made:
        one.stop()
        if one._child is not None:
            one._child.kill()
            one._child.wait(timeout=20)


def test_not_started_says_so(watch: Watch) -> None:
    assert watch().describe() == ("the worker is not running", "ill")


def test_a_killed_worker_is_noticed_told_of_and_replaced(
    watch: Watch, workspace: Workspace, jobs: JobTable
) -> None:
    supervisor = watch()
    supervisor.start()
    wait_for(lambda: supervisor.describe() == ("ready", "well"))
    job_id = jobs.submit("render", {}, label="")
    wait_for(lambda: step(jobs.get(job_id)) == 4)
    wait_for(lambda: supervisor.describe() == (f"working on job {job_id}", "busy"))
    first = worker_pid(workspace)
    assert psutil.Process(first).ppid() == os.getpid()
    assert os.getsid(first) != os.getsid(0)
    os.kill(first, signal.SIGKILL)
    # Interrupted first, explained a moment later.
    wait_for(lambda: "worker died at" in (jobs.get(job_id).error or ""))
    assert not psutil.pid_exists(first)  # reaped, not a zombie
    error = jobs.get(job_id).error
    assert error is not None
    assert (
        "while denoising, step 4 of 9 (killed by signal 9, as the system does when memory runs out)" in error
    )
    assert "it resumes from its last saved step; last in its log: at work" in error
    wait_for(lambda: jobs.get(job_id).attempts == 2)
    assert worker_pid(workspace) != first
    wait_for(lambda: supervisor.describe().words.endswith(f"working on job {job_id}"))
    assert supervisor.describe().words.startswith("worker died at ")
    assert supervisor.describe().mood == "ill"
    assert f"job {job_id} resumes" in supervisor.describe().words

    os.kill(worker_pid(workspace), signal.SIGKILL)
    wait_for(lambda: jobs.get(job_id).state == "interrupted")
    assert "retry it by hand" in str(jobs.get(job_id).error)
    wait_for(lambda: f"job {job_id} is interrupted" in supervisor.describe().words)
    jobs.retry(job_id)
    wait_for(lambda: step(jobs.get(job_id)) == 4)


def test_a_job_that_was_to_stop_does_not_resume(watch: Watch, workspace: Workspace, jobs: JobTable) -> None:
    supervisor = watch()
    job_id = jobs.submit("render", {}, label="")
    supervisor.start()
    wait_for(lambda: step(jobs.get(job_id)) == 4)
    jobs.cancel(job_id)
    os.kill(worker_pid(workspace), signal.SIGKILL)
    wait_for(lambda: jobs.get(job_id).state == "cancelled")


def test_a_new_server_adopts_the_living_worker(watch: Watch, workspace: Workspace, jobs: JobTable) -> None:
    first = watch()
    job_id = jobs.submit("render", {}, label="")
    first.start()
    wait_for(lambda: step(jobs.get(job_id)) == 4)
    first.stop()
    pid = worker_pid(workspace)
    assert is_alive(pid, None)
    second = watch()
    second.start()
    wait_for(lambda: second.describe().words == f"working on job {job_id}")
    assert (second._child, worker_pid(workspace), jobs.get(job_id).attempts) == (None, pid, 1)


def test_a_job_whose_worker_died_unwatched_resumes(watch: Watch, jobs: JobTable) -> None:
    job_id = jobs.submit("render", {}, label="")
    jobs.claim(2**22 + 1, 1.0)  # beyond the greatest pid
    jobs.report(job_id, Progress("denoising", 4, 9))
    watch().start()
    wait_for(lambda: jobs.get(job_id).attempts == 2)
    assert "it vanished" in str(jobs.get(job_id).error)


def test_a_worker_that_dies_while_it_is_looked_at_is_told_of_by_its_exit_code(
    watch: Watch, jobs: JobTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its end is asked for first, its jobs after that: it dies in between."""
    supervisor = watch()
    job_id = jobs.submit("render", {}, label="")
    supervisor.look()
    wait_for(lambda: step(jobs.get(job_id)) == 4)
    seen = supervisor._worker_is_alive

    def dies() -> bool:
        assert supervisor._child is not None
        supervisor._child.kill()
        wait_for(lambda: not is_alive(supervisor._child.pid, None))
        return seen()

    monkeypatch.setattr(supervisor, "_worker_is_alive", dies)
    supervisor.look()
    assert "killed by signal 9" in str(jobs.get(job_id).error)


def test_a_worker_that_cannot_start_is_tried_ever_more_rarely(watch: Watch) -> None:
    now = 0.0
    supervisor = watch(
        "print('no torch here', flush=True); import sys; sys.exit('really')", clock=lambda: now
    )
    started = []
    for second in range(200):
        now = float(second)
        supervisor.look()
        if supervisor._child is not None:
            started.append(second)
            supervisor._child.wait(timeout=HANG_S)
            supervisor.look()
            assert "the worker cannot start" in supervisor.describe().words
    assert started == [0, 1, 3, 7, 15, 31, 63, 123, 183]
    assert "no torch here / really" in supervisor.describe().words
    assert supervisor.describe().mood == "ill"


@pytest.fixture
def silent(workspace: Workspace, jobs: JobTable) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A running job and its worker, whose heart does not beat."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    job_id = jobs.submit("render", {}, label="")
    jobs.claim(child.pid, birth(child.pid))
    note = {"pid": child.pid, "born": birth(child.pid), "code": code_mark(), "state": "ready"}
    note_file(workspace.worker_lock).write_text(json.dumps(note))
    yield job_id, child
    child.kill()
    child.wait(timeout=HANG_S)


def test_a_worker_that_hangs_is_told_of_and_ended_with_its_job(
    watch: Watch, jobs: JobTable, silent: tuple[int, subprocess.Popen[bytes]]
) -> None:
    now = 1000.0
    supervisor = watch(clock=lambda: now)
    job_id, child = silent
    supervisor.look()
    assert supervisor.describe().words == f"working on job {job_id}"
    now += SILENT_S
    jobs.heartbeat(job_id)
    supervisor.look()
    assert supervisor.describe().words == f"working on job {job_id}"
    now += SILENT_S + 1
    supervisor.look()
    assert f"job {job_id} has not been heard of for 2 min" in supervisor.describe().words
    assert supervisor.describe().mood == "ill"
    assert child.poll() is None, "only who asked for its end may lose it"
    jobs.cancel(job_id)
    supervisor.look()
    assert child.wait(timeout=HANG_S) == -signal.SIGKILL
    supervisor.look()
    assert jobs.get(job_id).state == "cancelled"


def test_a_worker_of_other_code_is_replaced_once_it_is_idle(
    watch: Watch, workspace: Workspace, jobs: JobTable, silent: tuple[int, subprocess.Popen[bytes]]
) -> None:
    job_id, child = silent
    note = lock_note(workspace.worker_lock) | {"code": "of last year"}
    note_file(workspace.worker_lock).write_text(json.dumps(note))
    supervisor = watch()
    supervisor.look()
    assert "by a worker of other code, which is replaced afterwards" in supervisor.describe().words
    assert child.poll() is None
    jobs.finish(job_id, {})
    supervisor.look()
    assert child.wait(timeout=HANG_S) == -signal.SIGKILL
    supervisor.start()
    wait_for(lambda: supervisor.describe().words == "ready")
    assert worker_pid(workspace) != child.pid


def test_a_worker_that_is_not_needed_is_no_death(watch: Watch) -> None:
    supervisor = watch("import sys; sys.exit(3)")
    for _ in range(3):
        supervisor.look()
        assert supervisor._child is not None
        supervisor._child.wait(timeout=HANG_S)
    assert "died" not in supervisor.describe().words


@pytest.mark.parametrize(
    "error", [ValueError("the disk is full"), DatabaseBusy("locked"), OSError("no fork"), KeyError("oops")]
)
def test_who_watches_outlives_what_he_watches(
    watch: Watch, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    monkeypatch.setattr(supervision, "LOOK_EVERY_S", 0.02)
    interrupt_lost, refusals = JobTable.interrupt_lost, iter([True] * 3)

    def stumble(*given: Any, **named: Any) -> list[Job]:
        if next(refusals, False):
            raise error
        return interrupt_lost(*given, **named)

    monkeypatch.setattr(JobTable, "interrupt_lost", stumble)
    supervisor = watch()
    supervisor.start()
    wait_for(lambda: supervisor.describe().words == "ready")
    assert ("Traceback" in capsys.readouterr().err) == isinstance(error, KeyError)


def test_a_long_log_is_begun_anew(
    watch: Watch, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "MAX_LOG_BYTES", 10)
    workspace.worker_log.write_text("old " * 10)
    supervisor = watch("print('new', flush=True); import time; time.sleep(60)")
    supervisor.start()
    wait_for(lambda: workspace.worker_log.read_text() == "new\n")


@pytest.mark.slow
def test_killed_mid_render_the_picture_comes_out_the_same(
    watch: Watch,
    workspace: Workspace,
    jobs: JobTable,
    new_request: Callable[..., RenderRequest],
    sd3_folder: Path,
) -> None:
    """The real worker, `kill -9` between two saves: identical pixels, and nothing else is lost."""
    request = new_request(model=str(sd3_folder), width_px=512, height_px=512, num_inference_steps=60)
    supervisor = watch(None)
    supervisor.start()
    undisturbed, disturbed = (jobs.submit("render", request.to_dict(), label="") for _ in range(2))
    wait_for(lambda: step(jobs.get(disturbed)) > 10, within_s=240)
    os.kill(worker_pid(workspace), signal.SIGKILL)
    wait_for(lambda: "worker died" in supervisor.describe().words)
    wait_for(lambda: jobs.get(disturbed).state == "done", within_s=240)
    images, records = [], []
    for job_id in (undisturbed, disturbed):
        result = jobs.get(job_id).result
        assert result is not None
        picture = Gallery(workspace).get(result["picture"])
        records.append(picture.record)
        with Image.open(picture.path) as image:
            images.append(np.array(image))
    assert records[0].resumed_from_step == 0
    assert records[1].resumed_from_step >= 8
    np.testing.assert_array_equal(*images)
