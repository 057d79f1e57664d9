"""What a page watches, and what it therefore shows. Pure reading of the job table and the gallery."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from finetune.whole_text import whole_text
from studio.pictures.gallery import Gallery
from studio.pictures.gallery_rows import Picture
from studio.queue.job import Job
from studio.queue.table import JobTable
from studio.ui.lookup import find_picture
from studio.ui.parts.details.details import DetailsContent, details_of_job, details_of_picture
from studio.ui.parts.header.header import StageStatus, stage_status
from studio.ui.parts.viewer.viewer import Scene, live_scene, now_ms, picture_scene
from studio.work.kinds import picture_of


@dataclass(frozen=True, slots=True)
class Watch:
    """One browser's attention, kept in the browser: it outlives reloads and restarts of the server."""

    jobs: tuple[int, ...] = ()
    """The jobs that this browser submitted last."""

    picture: str | None = None
    """A picture that the reader opened; it stays until the reader asks for another one."""

    num_done: int = 0
    """How many of `jobs` had ended when `picture` was opened: more of them since means news."""

    demand: int = 0
    """Rises with each wish of the reader."""

    @classmethod
    def from_plain(cls, plain: dict[str, Any] | None) -> Watch:
        """From what the browser kept, an earlier studio's perhaps: what of it cannot be read is not watched."""
        if not isinstance(plain, dict):
            return cls()
        picture = plain.get("picture")
        return cls(
            jobs=tuple(number for job in _listed(plain.get("jobs")) if (number := _whole(job)) is not None),
            picture=picture if isinstance(picture, str) and whole_text(picture) == picture else None,
            num_done=_whole(plain.get("num_done")) or 0,
            demand=_whole(plain.get("demand")) or 0,
        )

    def plain(self) -> dict[str, Any]:
        return asdict(self)

    def of_jobs(self, jobs: list[int]) -> Watch:
        """Turn to these jobs and let go of any opened picture."""
        return Watch(jobs=tuple(jobs), demand=later(self.demand))

    def of_picture(self, picture: str, num_done: int) -> Watch:
        """Hold on to one picture."""
        return replace(self, picture=picture, num_done=num_done, demand=later(self.demand))

    def of_newest(self) -> Watch:
        """Let go of the opened picture, back to the newest of the watched jobs."""
        return replace(self, picture=None, demand=later(self.demand))


def later(demand: int) -> int:
    """Greater, also than what another answer that is on its way was given: the browser's memory may lag behind."""
    return max(demand + 1, now_ms())


@dataclass(frozen=True, slots=True)
class StageView:
    """Everything around the stage that depends on what is watched."""

    scene: Scene
    status: StageStatus
    details: DetailsContent


def stage_view(watch: Watch, jobs: JobTable, gallery: Gallery) -> StageView:
    """The opened picture, else the newest result, else the live preview, else the newest picture of all."""
    mine = jobs.jobs(ids=watch.jobs)
    done = finished(mine, gallery)
    running = next(iter(jobs.jobs(states=("running",), limit=1)), None)
    status = stage_status(
        status_job(mine, running),
        num_waiting=jobs.count(states=("queued",)),
        watched=running is None or running.id in watch.jobs,
    )
    opened = None if watch.picture is None else find_picture(gallery, watch.picture)
    if opened is not None:
        news = len(done) > watch.num_done
        scene = picture_scene(opened, scene_id=f"picture-{opened.id}", demand=watch.demand, arrival=news)
        return StageView(scene, status, details_of_picture(opened))
    if done:
        job, picture = done[0]
        scene = picture_scene(picture, scene_id=f"job-{job.id}", demand=watch.demand)
        return StageView(scene, status, details_of_picture(picture))
    active = active_job(mine)
    if active is not None and not _came_to_nothing(active):
        return StageView(live_scene(active, demand=watch.demand), status, details_of_job(active))
    for newest in gallery.pictures(limit=1):
        picture = gallery.get(newest.id)  # remakes a preview that was cleared away
        scene = picture_scene(picture, scene_id=f"picture-{picture.id}", demand=watch.demand)
        return StageView(scene, status, details_of_picture(picture))
    return StageView(Scene(demand=watch.demand), status, DetailsContent())


def finished(mine: list[Job], gallery: Gallery) -> list[tuple[Job, Picture]]:
    """Watched jobs whose pictures exist, the one that ended last first."""
    pairs = []
    for job in mine:
        made = picture_of(job)
        picture = None if made is None else find_picture(gallery, made)
        if picture is not None and picture.trashed_at is None:
            pairs.append((job, picture))
    return sorted(pairs, key=end_of_pair, reverse=True)


def end_of_pair(pair: tuple[Job, Picture]) -> tuple[float, int]:
    job = pair[0]
    return (0.0 if job.finished_at is None else job.finished_at, job.id)


def _came_to_nothing(job: Job) -> bool:
    """Cancelled before there was anything to see: the stage is free for the newest picture."""
    return job.state == "cancelled" and job.preview is None


def status_job(mine: list[Job], running: Job | None) -> Job | None:
    """The job that the status line speaks of: what runs, else what this browser waits for or got."""
    return active_job(mine) if running is None else running


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def _whole(value: Any) -> int | None:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and 0 <= value < 2**53 else None


def active_job(mine: list[Job]) -> Job | None:
    """What runs, else what waits first, else what ended last."""
    for state in ("running", "queued"):
        for job in mine:
            if job.state == state:
                return job
    return mine[0] if mine else None
