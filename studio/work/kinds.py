"""Every kind of job, and what its rows say. No torch.

A new kind is one entry of `KINDS` and one of `studio.work.handlers`, where the work is done; nothing else knows them
all. Not here: the rows (`studio.queue`), the process that takes them (`studio.work.worker`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from studio.benchmark.progress import SCORE
from studio.queue.job import Job
from studio.render_request import RenderRequest
from studio.training.export_request import EXPORT, PUSH, title_of

RENDER, TRAIN = "render", "train"


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
    EXPORT: JobKind(lambda job: f"export · {title_of(job)}"),
    PUSH: JobKind(lambda job: f"upload · {title_of(job)}"),
    SCORE: JobKind(lambda job: f"benchmark · {job.request['benchmark']}"),
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
