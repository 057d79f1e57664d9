"""A worker that dies with a picture in its hands: the next one finishes the job, and nothing is drawn or kept twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from studio.home.ownership import Owners
from studio.home.workspace import Workspace
from studio.pictures.gallery import Gallery
from studio.queue.table import JobTable
from studio.render_request import RenderRequest
from studio.rendering import job as rendering
from studio.rendering.job import RenderJobs
from studio.work.worker import Worker

pytestmark = pytest.mark.process

NewRequest = Callable[..., RenderRequest]
ROOT = Path(__file__).parents[3]
NUM_JOBS = 8


class Killed(BaseException):
    """Stands for SIGKILL: nobody answers it."""


def a_worker(workspace: Workspace, jobs: JobTable) -> Worker:
    return Worker(workspace, jobs, {"render": RenderJobs(workspace, jobs).do})


def die_before_finishing(
    workspace: Workspace, jobs: JobTable, request: RenderRequest, monkeypatch: pytest.MonkeyPatch
) -> int:
    """The picture is kept, the table has not heard of it. Returns the job, which waits to be resumed."""

    def killed(*_: object) -> None:
        raise Killed

    job_id = jobs.submit("render", request.to_dict(), label="")
    Owners(workspace.database).give("jobs", job_id, "someone")
    with monkeypatch.context() as patch:
        patch.setattr(JobTable, "finish", killed)
        with pytest.raises(Killed):
            a_worker(workspace, jobs).run_next()
    (lost,) = jobs.interrupt_lost(lambda job: False)
    assert (lost.id, lost.state) == (job_id, "interrupted")
    assert len(Gallery(workspace).pictures()) == 1
    return job_id


@pytest.mark.parametrize("again", [JobTable.resume, JobTable.retry])
def test_a_picture_that_was_kept_before_the_death_is_the_jobs(
    workspace: Workspace,
    new_request: NewRequest,
    sd3_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    again: Callable[[JobTable, int], object],
) -> None:
    jobs = JobTable(workspace.database)
    job_id = die_before_finishing(workspace, jobs, new_request(model=str(sd3_folder)), monkeypatch)
    (kept,) = Gallery(workspace).pictures()
    again(jobs, job_id)
    monkeypatch.setattr(rendering, "render_fitting", lambda *_, **__: pytest.fail("drawn again"))
    assert a_worker(workspace, jobs).run_next()
    job = jobs.get(job_id)
    assert (job.state, job.result) == ("done", {"picture": kept.id})
    assert [picture.id for picture in Gallery(workspace).pictures()] == [kept.id]
    assert Owners(workspace.database).of("pictures", kept.id) == "someone"


@pytest.mark.parametrize("gone", ["trashed", "deleted", "its file is gone"])
def test_a_kept_picture_that_was_thrown_away_since_is_drawn_again(
    workspace: Workspace,
    new_request: NewRequest,
    sd3_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    gone: str,
) -> None:
    jobs = JobTable(workspace.database)
    job_id = die_before_finishing(workspace, jobs, new_request(model=str(sd3_folder)), monkeypatch)
    gallery = Gallery(workspace)
    (kept,) = gallery.pictures()
    if gone == "its file is gone":
        kept.path.unlink()
    else:
        gallery.trash([kept.id])
    if gone == "deleted":
        gallery.empty_trash()
    jobs.resume(job_id)
    assert a_worker(workspace, jobs).run_next()
    job = jobs.get(job_id)
    assert job.state == "done"
    assert job.result is not None
    assert job.result["picture"] != kept.id
    assert not gallery.get(job.result["picture"]).missing


@pytest.mark.parametrize("kills", [3, pytest.param(10, marks=pytest.mark.slow)])
def test_deaths_at_any_moment_leave_each_job_its_one_picture(
    tmp_path: Path, new_request: NewRequest, sd3_folder: Path, kills: int
) -> None:
    """Against the same jobs done by a worker that was let be."""
    requests = [
        new_request(model=str(sd3_folder), width_px=256, seed=seed, prompt=f"mountains, number {seed}")
        for seed in range(NUM_JOBS)
    ]
    whole, broken = Workspace.open(tmp_path / "whole"), Workspace.open(tmp_path / "broken")
    for workspace in (whole, broken):
        for request in requests:
            JobTable(workspace.database).submit("render", request.to_dict(), label=request.prompt)
    assert lives(whole, [0]) == [0]
    lasts = [int(last) for last in np.random.default_rng(7).integers(1, 90, kills)]
    assert lives(broken, [*lasts, 0]) == [*[-signal.SIGKILL] * kills, 0]
    listed = JobTable(broken.database).jobs()
    assert {job.state for job in listed} == {"done"}
    assert sum(job.attempts for job in listed) > NUM_JOBS
    assert pictures_of(broken) == pictures_of(whole)
    assert len({str(job.result) for job in listed}) == NUM_JOBS
    assert len(list(broken.pictures.glob("*.png"))) == NUM_JOBS


def lives(workspace: Workspace, lasts: list[int]) -> list[int]:
    """The exit code of each life, see `tests.killed_worker`."""
    done = subprocess.run(
        (sys.executable, "-m", "tests.killed_worker", str(workspace.root), *map(str, lasts)),
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=400,
        check=True,
    )
    return [int(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("ended")]


def pictures_of(workspace: Workspace) -> list[tuple[str, int, bytes]]:
    """(prompt, seed, pixels) of each picture that the gallery holds."""
    found = []
    for picture in Gallery(workspace).pictures(limit=1000):
        settings = picture.record.settings
        with Image.open(picture.path) as image:
            found.append((settings.prompt, settings.seed, np.asarray(image).tobytes()))
    return sorted(found)
