"""Every kind of job, and the only place that knows them all: what its rows say, and who does the work.

A new kind is one entry of `KINDS` and one handler. Not here: the rows (`studio.queue`), the process that takes them
(`studio.work.worker`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from studio.home.workspace import Workspace
from studio.queue.job import Job
from studio.queue.table import JobTable
from studio.render_request import RenderRequest

RENDER, TRAIN = "render", "train"

Handler = Callable[[Job], bool]
"""Does a job and finishes it; False if it was cancelled. Raises ValueError if it cannot be done."""


@dataclass(frozen=True, slots=True)
class JobKind:
    """What the page shows of such a job before anything has come of it."""

    detail: Callable[[Job], str]
    """The second line of its row, such as "4096 × 4096 · seed 7". Given a row that is whole."""

    draws: bool = False
    """Its request is a `RenderRequest` and its result {"picture": id}."""


def _render_detail(job: Job) -> str:
    request = RenderRequest.from_dict(job.request)
    return f"{request.width_px} × {request.height_px} · seed {request.seed}"


KINDS: Mapping[str, JobKind] = {
    RENDER: JobKind(_render_detail, draws=True),
    TRAIN: JobKind(lambda job: f"training · {job.request['run']}"),
}


def detail_of(job: Job) -> str:
    """One line about any job: of a kind that this studio does not know, or a damaged one, its kind alone."""
    try:
        return KINDS[job.kind].detail(job)
    except (KeyError, ValueError):
        return job.kind


def drawing_of(job: Job) -> RenderRequest | None:
    """What it draws; None for a kind that draws nothing, and where its row does not say what."""
    if job.kind not in KINDS or not KINDS[job.kind].draws:
        return None
    try:
        return RenderRequest.from_dict(job.request)
    except ValueError:
        return None


def picture_of(job: Job) -> str | None:
    """The id of the picture that came of it; None while there is none, and of a kind that makes none."""
    picture = None if job.result is None else job.result.get("picture")
    return picture if isinstance(picture, str) and job.state == "done" else None


def make_handlers(
    workspace: Workspace, jobs: JobTable
) -> tuple[dict[str, Handler], Callable[[], str | None]]:
    """(who does each kind, what closes the model that they keep open and says which); imports torch."""
    from studio.rendering.job import RenderJobs
    from studio.training.job import TrainingJobs

    renders = RenderJobs(workspace, jobs)
    renders.tidy()
    trainings = TrainingJobs(workspace, jobs, free_memory=renders.keeper.free)
    return {RENDER: renders.do, TRAIN: trainings.do}, renders.keeper.free
