"""What the stage shows, by hand-filled tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from studio.pictures.gallery import Gallery
from studio.queue.job import Progress
from studio.queue.table import JobTable
from studio.ui.generate.handlers import GenerateHandlers
from studio.ui.generate.watching import Watch, stage_view
from tests.studio.ui.conftest import add_picture, finish, submit


def test_an_empty_studio_has_an_empty_stage(jobs: JobTable, gallery: Gallery) -> None:
    view = stage_view(Watch(), jobs, gallery)
    assert view.scene.kind == "empty"
    assert view.status.text == "Ready"


def test_a_browser_that_watches_nothing_sees_the_newest_picture(jobs: JobTable, gallery: Gallery) -> None:
    add_picture(gallery, "older")
    newest = add_picture(gallery, "newest", seed=8)
    view = stage_view(Watch(), jobs, gallery)
    assert view.scene.id == f"picture-{newest.id}"
    assert view.details.prompt == "newest"


def test_a_waiting_job_takes_the_stage_of_the_one_who_asked(jobs: JobTable, gallery: Gallery) -> None:
    add_picture(gallery)
    job = submit(jobs)
    watch = Watch().of_jobs([job])
    scene = stage_view(watch, jobs, gallery).scene
    assert (scene.id, scene.kind, scene.message) == (f"job-{job}", "waiting", "waiting")
    assert scene.demand > Watch().demand


def test_a_running_job_shows_its_preview_and_progress(
    jobs: JobTable, gallery: Gallery, tmp_path: Path
) -> None:
    job = submit(jobs)
    jobs.claim(1)
    preview = tmp_path / "preview.jpg"
    preview.write_bytes(b"jpeg")
    assert jobs.report(job, Progress("denoising", 5, 16, 1.4, 12.0), str(preview))
    view = stage_view(Watch().of_jobs([job]), jobs, gallery)
    assert (view.scene.id, view.scene.kind) == (f"job-{job}", "live")
    assert view.scene.layers[0].preview is not None
    assert view.scene.layers[0].preview.path == str(preview)
    assert view.status.text == "denoising, step 5 of 16, 1.4 s per step, 12 s left"
    assert view.status.fraction == 5 / 16


def test_the_picture_keeps_the_id_of_its_live_preview(jobs: JobTable, gallery: Gallery) -> None:
    job = submit(jobs)
    picture = add_picture(gallery)
    finish(jobs, picture)
    scene = stage_view(Watch().of_jobs([job]), jobs, gallery).scene
    assert (scene.id, scene.kind) == (f"job-{job}", "picture")
    assert scene.layers[0].master is not None
    assert scene.layers[0].master.path == str(picture.path)


def test_an_opened_picture_stays_and_news_are_offered(jobs: JobTable, gallery: Gallery) -> None:
    opened = add_picture(gallery, "opened")
    job = submit(jobs)
    watch = Watch().of_jobs([job]).of_picture(opened.id, 0)
    assert not stage_view(watch, jobs, gallery).scene.arrival
    finish(jobs, add_picture(gallery, "arrived", seed=9))
    scene = stage_view(watch, jobs, gallery).scene
    assert (scene.id, scene.arrival) == (f"picture-{opened.id}", True)
    assert stage_view(watch.of_newest(), jobs, gallery).scene.id == f"job-{job}"


def test_of_two_finished_jobs_the_later_one_is_shown(jobs: JobTable, gallery: Gallery) -> None:
    watch = Watch().of_jobs([submit(jobs), submit(jobs, seed=8)])
    finish(jobs, add_picture(gallery))
    last = finish(jobs, add_picture(gallery, seed=8))
    assert stage_view(watch, jobs, gallery).scene.id == f"job-{last}"


def test_a_trashed_result_leaves_the_stage(jobs: JobTable, gallery: Gallery) -> None:
    watch = Watch().of_jobs([submit(jobs)])
    picture = add_picture(gallery)
    finish(jobs, picture)
    gallery.trash([picture.id])
    assert stage_view(watch, jobs, gallery).scene.kind != "picture"


def test_what_was_cancelled_before_it_began_leaves_the_stage(jobs: JobTable, gallery: Gallery) -> None:
    newest = add_picture(gallery, "newest")
    job = submit(jobs)
    jobs.cancel(job)
    view = stage_view(Watch().of_jobs([job]), jobs, gallery)
    assert (view.scene.picture, view.status.text) == (newest.id, "cancelled before it began")


def test_a_failed_job_says_why(jobs: JobTable, gallery: Gallery) -> None:
    job = submit(jobs)
    jobs.claim(1)
    jobs.fail(job, "out of memory; choose a smaller size")
    view = stage_view(Watch().of_jobs([job]), jobs, gallery)
    assert view.status.state == "failed"
    assert "out of memory; choose a smaller size" in view.status.text


def test_a_watch_survives_the_browser() -> None:
    watch = Watch().of_jobs([3, 4]).of_picture("p", 1)
    assert Watch.from_plain(watch.plain()) == watch
    assert Watch.from_plain(None) == Watch()


ODD_WATCHES: list[Any] = [
    {},
    {"jobs": [1]},
    {"picture": "20260101-000000-00000000"},
    {"jobs": None, "picture": 5, "num_done": "3", "demand": None},
    {"jobs": "12", "num_done": 2.5, "demand": float("nan")},
    {"jobs": {"1": 2}, "picture": ["a"], "num_done": [], "demand": {}},
    {"jobs": [1, "2", None, -1, 2**70, 1.0, True, [3]], "num_done": -1, "demand": 2**70},
    {"jobs": list(range(5000)), "picture": "x" * 100_000},
    {"picture": "\ud800"},
    {"jobs": 7},
    {"picture": "' OR 1 --", "watched": True, "version": 7},
    [1, 2],
    "watch",
    7,
    True,
]


@pytest.mark.parametrize("plain", ODD_WATCHES, ids=range(len(ODD_WATCHES)))
def test_a_watch_of_another_studio_is_read_as_far_as_it_can_be(
    handlers: GenerateHandlers, gallery: Gallery, plain: Any
) -> None:
    newest = add_picture(gallery)
    watch = Watch.from_plain(plain)
    assert all(type(number) is int and 0 <= number < 2**53 for number in (*watch.jobs, watch.num_done))
    assert Watch.from_plain(watch.plain()) == watch
    scene, status, *_, worker, seen = handlers.tick(plain, "")
    assert (scene.picture, status.text, worker.text) == (newest.id, "Ready", "ready")
    assert handlers.tick(plain, seen) == gr.skip()
    assert handlers.open_page(plain, "micro-4k", "custom", 256, 256)[0].picture == newest.id


def test_what_can_be_read_of_an_odd_watch_is_watched() -> None:
    assert Watch.from_plain(ODD_WATCHES[6]) == Watch(jobs=(1,))
    assert Watch.from_plain({"jobs": (3,), "picture": "p", "num_done": 1}) == Watch((3,), "p", 1)
