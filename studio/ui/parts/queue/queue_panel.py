"""The queue panel and the status line: rows of the job table as the page shows them."""

from __future__ import annotations

from pathlib import Path

from gradio.data_classes import FileData, GradioModel

from studio.pictures.gallery import Gallery
from studio.queue.job import ENDED, Job
from studio.queue.table import JobTable
from studio.ui.components import Drawn
from studio.ui.lookup import find_picture
from studio.ui.messages import state_sentence
from studio.work.kinds import detail_of, picture_of

NUM_FINISHED_SHOWN = 24
NUM_WAITING_SHOWN = 100


class QueueRow(GradioModel):
    """One job as a line of the panel."""

    id: int
    state: str
    label: str
    detail: str
    message: str
    fraction: float
    thumbnail: FileData | None = None
    stamp: str = ""
    picture: str | None = None


class QueueRows(GradioModel):
    """The panel's whole content, in order."""

    rows: tuple[QueueRow, ...] = ()
    num_waiting: int = 0
    """Of the whole queue: no more than NUM_WAITING_SHOWN are listed."""


class QueuePanel(Drawn):
    """Lists jobs. Event: act (action, id)."""

    data_model = QueueRows
    scripts = ("queue_panel.js",)
    markup = """
<section class="queue" aria-label="Queue">
  <header class="section-head"><h2>Queue</h2><small class="queue-count"></small>
    <button class="text-button queue-cancel-all" type="button" hidden>Cancel all</button>
    <button class="text-button queue-clear" type="button"
      title="Take finished jobs off this list; pictures stay in the gallery"
      hidden>Clear finished</button></header>
  <p class="queue-none">Nothing queued. Renders go on when this page is closed.</p>
  <ol class="queue-rows"></ol>
</section>
"""


def queue_rows(jobs: JobTable, gallery: Gallery) -> QueueRows:
    """What runs, the first of those that wait, then the newest finished ones."""
    active = jobs.jobs(states=("running", "queued"), limit=NUM_WAITING_SHOWN)
    ended = jobs.jobs(states=ENDED, limit=NUM_FINISHED_SHOWN)
    rows = tuple(queue_row(job, gallery) for job in (*active, *ended))
    return QueueRows(rows=rows, num_waiting=jobs.count(states=("queued",)))


def queue_row(job: Job, gallery: Gallery) -> QueueRow:
    made = picture_of(job)
    picture = None if made is None else find_picture(gallery, made)
    shown = picture.thumbnail_path if picture is not None else Path(job.preview or "")
    try:
        stamp = str(shown.stat().st_mtime_ns) if shown.is_file() else ""
    except FileNotFoundError:  # swept away since: the job cannot be resumed any more
        stamp = ""
    return QueueRow(
        id=job.id,
        state=job.state,
        label=job.label,
        detail=detail_of(job),
        message=state_sentence(job),
        fraction=fraction_done(job),
        thumbnail=FileData(path=str(shown)) if stamp else None,
        stamp=stamp,
        picture=picture.id if picture is not None and picture.trashed_at is None else None,
    )


def fraction_done(job: Job) -> float:
    """Steps done of this stage, 0 to 1."""
    return min(1.0, job.progress.step / job.progress.num_steps) if job.progress.num_steps else 0.0
