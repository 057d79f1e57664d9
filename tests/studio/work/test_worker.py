"""The worker in this process: every job ends in the table, whatever happens to it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from studio.home import disk
from studio.home.database import DatabaseBusy
from studio.home.init_images import init_image_path, keep_init_image
from studio.home.locks import note_file, write_lock_note
from studio.home.workspace import Workspace
from studio.init_image import InitImage
from studio.memory import ladder
from studio.pictures.gallery import Gallery
from studio.pictures.record import PictureRecord
from studio.queue.job import Job, Progress
from studio.queue.table import JobTable
from studio.render_request import RenderRequest
from studio.rendering.job import RenderJobs
from studio.work.worker import Worker
from tests.studio.home.test_disk import left_by_a_killed_writer

pytestmark = pytest.mark.process

NewRequest = Callable[..., RenderRequest]


@pytest.fixture
def jobs(workspace: Workspace) -> JobTable:
    return JobTable(workspace.database)


@pytest.fixture
def renders(workspace: Workspace, jobs: JobTable) -> RenderJobs:
    return RenderJobs(workspace, jobs)


@pytest.fixture
def worker(workspace: Workspace, jobs: JobTable, renders: RenderJobs) -> Worker:
    return Worker(workspace, jobs, {"render": renders.do})


def submit(jobs: JobTable, request: RenderRequest) -> int:
    return jobs.submit("render", request.to_dict(), label=request.prompt)


@pytest.mark.parametrize("family", ["sd3", "flux"])
def test_a_render_ends_in_the_gallery(
    worker: Worker,
    jobs: JobTable,
    workspace: Workspace,
    new_request: NewRequest,
    family: str,
    request: pytest.FixtureRequest,
) -> None:
    wanted = new_request(model=str(request.getfixturevalue(f"{family}_folder")))
    twins = [submit(jobs, wanted) for _ in range(2)]
    assert worker.run_next()
    assert worker.run_next()
    assert not worker.run_next()
    images = []
    for job_id in twins:
        job = jobs.get(job_id)
        assert (job.state, job.error, job.worker_pid) == ("done", None, os.getpid())
        assert job.result is not None
        picture = Gallery(workspace).get(job.result["picture"])
        assert picture.record.settings == wanted
        with Image.open(picture.path) as image:
            images.append(np.array(image))
        assert job.preview is not None
        assert Path(job.preview).is_file()
    np.testing.assert_array_equal(*images)
    assert list(workspace.latents.iterdir()) == []


def test_cancelling_keeps_the_last_preview_and_retrying_resumes(
    worker: Worker,
    jobs: JobTable,
    workspace: Workspace,
    new_request: NewRequest,
    sd3_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job_id = submit(jobs, new_request(model=str(sd3_folder)))
    report = JobTable.report

    def report_and_cancel(table: JobTable, job: int, progress: Progress, preview: str | None = None) -> bool:
        if progress.step == 5:
            table.cancel(job)
        return report(table, job, progress, preview)

    monkeypatch.setattr(JobTable, "report", report_and_cancel)
    worker.run_next()
    job = jobs.get(job_id)
    assert (job.state, job.progress.step) == ("cancelled", 5)
    assert job.preview is not None
    assert Path(job.preview).is_file()
    assert len(list(workspace.latents.iterdir())) == 1
    monkeypatch.undo()
    jobs.retry(job_id)
    worker.run_next()
    (picture,) = Gallery(workspace).pictures()
    assert picture.record.resumed_from_step == 5


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": "no-such"}, "there is no model 'no-such'"),
        ({"model": "micro-4k", "width_px": 8192}, "up to 4096 px a side, got 8192 x 256"),
    ],
)
def test_bad_jobs_fail_in_one_sentence(
    worker: Worker, jobs: JobTable, new_request: NewRequest, changes: dict[str, object], words: str
) -> None:
    job_id = submit(jobs, new_request(**changes))
    assert worker.run_next()
    job = jobs.get(job_id)
    assert job.state == "failed"
    assert job.error is not None
    assert words in job.error
    assert "an error of the studio" not in job.error


def test_a_request_of_another_studio_fails(worker: Worker, jobs: JobTable) -> None:
    job_id = jobs.submit("render", {"prompt": "sea", "hue": 3}, label="")
    worker.run_next()
    assert "no 'hue'" in str(jobs.get(job_id).error)


def test_a_kind_that_nobody_knows_fails(worker: Worker, jobs: JobTable) -> None:
    job_id = jobs.submit("score", {}, label="")
    worker.run_next()
    assert jobs.get(job_id).error == "this worker does not know 'score' jobs; update the studio"


def test_a_full_disk_fails_before_the_work(
    worker: Worker, jobs: JobTable, new_request: NewRequest, sd3_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = submit(jobs, new_request(model=str(sd3_folder)))
    monkeypatch.setattr(disk, "free_mib", lambda folder: 0.1)
    worker.run_next()
    assert "is full" in str(jobs.get(job_id).error)
    assert jobs.get(job_id).progress.stage == ""


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA"), MemoryError()])
def test_too_little_memory_names_the_remedy(
    worker: Worker,
    jobs: JobTable,
    new_request: NewRequest,
    sd3_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    def run_out(*_: object, **__: object) -> None:
        raise error

    job_id = submit(jobs, new_request(model=str(sd3_folder)))
    monkeypatch.setattr(ladder, "render", run_out)
    worker.run_next()
    assert "tiny-sd3 ran out of memory at 320 x 256" in str(jobs.get(job_id).error)
    assert "choose a smaller size or model" in str(jobs.get(job_id).error)


def test_our_own_error_fails_the_job_not_the_worker(
    workspace: Workspace, jobs: JobTable, capsys: pytest.CaptureFixture[str]
) -> None:
    def stumble(job: Job) -> bool:
        raise KeyError("oops")

    first, second = (jobs.submit("render", {}, label="") for _ in range(2))
    worker = Worker(workspace, jobs, {"render": stumble})
    assert worker.run_next()
    assert worker.run_next()
    assert {jobs.get(first).state, jobs.get(second).state} == {"failed"}
    assert jobs.get(first).error == "KeyError: 'oops' (an error of the studio, see logs/worker.log)"
    assert "Traceback" in capsys.readouterr().err


def test_a_locked_table_costs_reports_not_the_picture(
    worker: Worker,
    jobs: JobTable,
    new_request: NewRequest,
    sd3_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def locked(*_: object) -> bool:
        raise DatabaseBusy("locked")

    finish, refusals = JobTable.finish, iter([True, True])

    def locked_twice(table: JobTable, job_id: int, result: dict[str, object]) -> None:
        if next(refusals, False):
            raise DatabaseBusy("locked")
        finish(table, job_id, result)

    job_id = submit(jobs, new_request(model=str(sd3_folder)))
    monkeypatch.setattr(JobTable, "report", locked)
    monkeypatch.setattr(JobTable, "finish", locked_twice)
    worker.run_next()
    assert jobs.get(job_id).state == "done"


def test_leaves_when_idle_but_not_from_a_living_server(workspace: Workspace, jobs: JobTable) -> None:
    worker = Worker(workspace, jobs, {})
    worker.run(idle_exit_s=0.05)
    write_lock_note(workspace.server_lock, {})  # this very process serves
    assert worker._is_served()
    note_file(workspace.server_lock).write_text(f'{{"pid": {os.getpid()}, "born": "another time"}}')
    assert not worker._is_served()


def test_tidying_keeps_what_may_be_resumed(workspace: Workspace, jobs: JobTable, renders: RenderJobs) -> None:
    waiting, done = (jobs.submit("render", {}, label="") for _ in range(2))
    jobs.move(done, "front")
    jobs.claim(1)
    jobs.finish(done, {})
    for job_id in (waiting, done, 77):
        (workspace.latents / f"{job_id}-a.safetensors").write_bytes(b"")
        (workspace.previews / f"job-{job_id}.jpg").write_bytes(b"")
    renders.tidy()
    assert [path.name for path in workspace.latents.iterdir()] == [f"{waiting}-a.safetensors"]
    assert {path.name for path in workspace.previews.iterdir()} == {f"job-{waiting}.jpg", f"job-{done}.jpg"}


def test_tidying_sweeps_what_killed_writers_left(workspace: Workspace, renders: RenderJobs) -> None:
    parts = [left_by_a_killed_writer(folder) for folder in workspace.folders()]
    renders.tidy()
    assert not any(part.exists() for part in parts)


def test_pictures_to_begin_from_stay_while_something_names_them(
    workspace: Workspace, jobs: JobTable, renders: RenderJobs, new_request: NewRequest, tmp_path: Path
) -> None:
    def kept(shade: int, *, aged: bool = True) -> InitImage:
        Image.new("RGB", (64, 64), (shade, 0, 0)).save(tmp_path / f"{shade}.png")
        init = keep_init_image(workspace.root, tmp_path / f"{shade}.png")
        if aged:
            os.utime(init_image_path(workspace.root, init.id), (0, 0))
        return init

    of_a_picture, of_a_job, of_nothing, young = kept(1), kept(2), kept(3), kept(4, aged=False)
    record = PictureRecord(settings=new_request(init=of_a_picture))
    renders.gallery.trash([renders.gallery.add(np.zeros((64, 64, 3), np.uint8), record).id])
    submit(jobs, new_request(init=of_a_job))
    jobs.submit("render", {"init": ["damaged"]}, label="")
    broken = renders.gallery.add(np.zeros((64, 64, 3), np.uint8), PictureRecord(settings=new_request()))
    with sqlite3.connect(workspace.database) as connection:
        connection.execute("UPDATE pictures SET record = '{cut' WHERE id = ?", (broken.id,))
    renders.tidy()
    left = {path.name for path in (workspace.root / "init").iterdir()}
    assert left == {of_a_picture.id, of_a_job.id, young.id}
    assert of_nothing.id not in left
