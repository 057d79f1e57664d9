"""What a render job is, from the row of the table to the picture in the gallery.

Not here: taking jobs and ending them (`studio.work.worker`), drawing (`studio.pipeline.draw`).
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from finetune.whole_files import sweep_parts
from studio.home.database import DatabaseBusy, NotThere, retry_while_busy
from studio.home.disk import MIB, require_free
from studio.home.init_images import forget_init_images
from studio.home.ownership import Owners
from studio.home.settings import Settings
from studio.home.worker_log import say
from studio.home.workspace import Workspace
from studio.memory.ladder import render_fitting
from studio.memory_rungs import Rung
from studio.models.adapters import file_digest, resolve_adapter
from studio.models.admission import admit
from studio.models.catalogue import ModelEntry
from studio.pictures.gallery import Gallery, new_picture_id
from studio.pictures.gallery_rows import Picture
from studio.pictures.previews import write_live_preview
from studio.pipeline.denoising import Preview, RenderCancelled
from studio.pipeline.opening import OpenedModel, PipelineKeeper
from studio.pipeline.saved_latents import forget_latents, latents_path
from studio.queue.job import Job, Progress
from studio.queue.table import JobTable
from studio.render_request import RenderRequest
from studio.rendering.keeping import keep_drawn

INIT_KEPT_S = 7 * 24 * 3_600.0
"""How long a picture to begin from is kept that nothing names; a form in a browser may still show it."""


class RenderJobs:
    """The worker's part in renders; keeps one model open between jobs."""

    def __init__(
        self,
        workspace: Workspace,
        jobs: JobTable,
        *,
        keeper: PipelineKeeper | None = None,
        settings: Settings | None = None,
    ) -> None:
        """`settings` say what this host draws; None reads them from the environment, as the server did."""
        self.workspace, self.jobs, self.gallery = workspace, jobs, Gallery(workspace)
        self.settings = (
            Settings.from_environment({**os.environ, "STUDIO_HOME": str(workspace.root)})
            if settings is None
            else settings
        )
        self.owners = Owners(workspace.database)
        self.keeper = PipelineKeeper() if keeper is None else keeper

    def do(self, job: Job) -> bool:
        """Draw the job's picture and finish it; False if it was cancelled.

        Raises ValueError, with the remedy, if the job cannot be done.
        """
        request = RenderRequest.from_dict(job.request)
        if (kept := self._kept_before(job)) is not None:
            self._finish(job, kept)
            say(f"job {job.id}: {kept.path.name} was kept by an earlier worker")
            return True
        entry = admit(request, self.settings)
        # Fail before the minutes of work: the PNG and its previews take up to twice the raw pixels.
        require_free(self.workspace.root, 6 * request.width_px * request.height_px / MIB)
        try:
            self._draw(job, request, entry)
        except RenderCancelled as cancelled:
            preview = self._write_preview(job, cancelled.preview)
            retry_while_busy(lambda: self.jobs.mark_cancelled(job.id, preview))
            return False
        return True

    def tidy(self) -> None:
        """Delete the latents and live previews of jobs that cannot be resumed any more, pictures to begin from that
        neither a picture nor a job names, and parts of files."""
        sweep_parts(*self.workspace.folders())
        listed = self.jobs.jobs()
        asked = {str(init.get("id")) for job in listed if isinstance(init := job.request.get("init"), dict)}
        keep = self.gallery.begun_from() | asked
        forget_init_images(self.workspace.root, older_s=INIT_KEPT_S, keep=keep)
        forget_latents(self.workspace.latents, keep_jobs={job.id for job in listed if job.state != "done"})
        known = {f"job-{job.id}.jpg" for job in listed}
        for path in self.workspace.previews.glob("job-*.jpg"):
            if path.name not in known:
                path.unlink(missing_ok=True)

    def _draw(self, job: Job, request: RenderRequest, entry: ModelEntry) -> None:
        def saved(opened: OpenedModel) -> Path:
            weights = self._weights(opened, request)
            return latents_path(
                self.workspace.latents, job.id, request, weights_hash=weights, dtype=opened.dtype
            )

        opened, result = render_fitting(
            self.keeper,
            entry,
            request,
            home=self.workspace.root,
            open_model=lambda rung: self._open(job, entry, rung),
            latents_path=saved,
            on_progress=lambda progress, preview: self._report(job, progress, preview),
            say=lambda sentence: say(f"job {job.id}: {sentence}"),
        )
        # Known before it is kept: keeping it again, here or in the next worker, keeps the same picture.
        picture_id = new_picture_id()
        retry_while_busy(lambda: self.jobs.promise(job.id, {"picture": picture_id}))
        picture = keep_drawn(
            opened,
            request,
            result,
            lambda image, record: retry_while_busy(
                lambda: self.gallery.add(image, record, picture_id=picture_id)
            ),
            on_progress=lambda progress, preview: self._report(job, progress, preview),
        ).place
        self._finish(job, picture)
        saved(opened).unlink(missing_ok=True)
        seconds = ", ".join(f"{name} {spent:.1f} s" for name, spent in result.timings_s.items())
        say(f"job {job.id}: {picture.path.name} ({seconds})")

    def _finish(self, job: Job, picture: Picture) -> None:
        retry_while_busy(lambda: self.owners.give("pictures", picture.id, self.owners.of("jobs", job.id)))
        retry_while_busy(lambda: self.jobs.finish(job.id, {"picture": picture.id}))

    def _kept_before(self, job: Job) -> Picture | None:
        """The picture of an attempt that died after keeping it; None where there is none, or it was thrown away."""
        promised = None if job.result is None else job.result.get("picture")
        if not isinstance(promised, str):
            return None
        with suppress(NotThere):
            picture = retry_while_busy(lambda: self.gallery.get(promised))
            if not picture.missing and picture.trashed_at is None:
                return picture
        return None

    def _weights(self, opened: OpenedModel, request: RenderRequest) -> str:
        """Of the model and of each adapter: one that was trained on since is another."""
        files = [resolve_adapter(self.workspace.root, use.path) for use in request.adapters]
        return " ".join([opened.weights_hash, *(file_digest(file) for file in files)])

    def _open(self, job: Job, entry: ModelEntry, rung: Rung) -> OpenedModel:
        if not self.keeper.is_open(entry, rung):
            if not self._report(job, Progress("loading model", 0, 1, None, None), None):
                raise RenderCancelled(None)
            if (freed := self.keeper.free()) is not None:
                say(f"closed {freed} to make room for {entry.id}")
        opened = self.keeper.open(entry, rung)
        for repair in opened.repairs:
            say(f"{entry.id}: {repair}")
        return opened

    def _report(self, job: Job, progress: Progress, preview: Preview | None) -> bool:
        """False: somebody wants the job to stop. A locked table costs a report, not the render."""
        path = self._write_preview(job, preview)
        try:
            return self.jobs.report(job.id, progress, path)
        except DatabaseBusy:
            return True

    def _write_preview(self, job: Job, preview: Preview | None) -> str | None:
        if preview is None:
            return None
        path = self.workspace.previews / f"job-{job.id}.jpg"
        write_live_preview(path, preview)
        return str(path)
