"""Export and publishing of a run as jobs: done by the worker, since reading weights takes torch.

Not here: what is written (`studio.training.exporting`), the repository (`studio.training.publishing`).
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from finetune.checkpoint_adapter import export_step
from finetune.run_folder import RunFolder, find_run
from studio.home.database import retry_while_busy
from studio.home.worker_log import say
from studio.home.workspace import Workspace
from studio.models.adapters import RUN_FILE
from studio.queue.job import Job, Progress
from studio.queue.table import JobTable
from studio.training import publishing
from studio.training.adapter_grid import base_of
from studio.training.export_request import MOST_UNUSED, check_format, is_full
from studio.training.exporting import Exported, export_adapter, export_full


class ExportJobs:
    """The worker's part in exports and uploads."""

    def __init__(self, workspace: Workspace, jobs: JobTable) -> None:
        self.workspace, self.jobs = workspace, jobs

    def export(self, job: Job) -> bool:
        """Write what the job names; False if it was cancelled before it began."""
        if not self._goes_on(job, "writing"):
            return False
        made = self._export(self._run(job), job)
        unused = dict(list(made.unused.items())[:MOST_UNUSED])
        result = {
            "path": str(made.path),
            "words": made.words,
            "unused": unused,
            "num_unused": len(made.unused),
        }
        retry_while_busy(lambda: self.jobs.finish(job.id, result))
        say(f"job {job.id}: {made.path}: {made.words}")
        return True

    def push(self, job: Job) -> bool:
        """Upload the run; False if it was cancelled before the upload began."""
        run = self._run(job)
        with tempfile.TemporaryDirectory() as name:
            folder = publishing.write_repository(run, Path(name) / "repository")
            if not self._goes_on(job, "uploading"):
                return False
            address = publishing.push(
                folder,
                str(job.request.get("hub_id", "")),
                public=job.request.get("public") is True,
                environ=os.environ,
            )
        retry_while_busy(lambda: self.jobs.finish(job.id, {"address": address}))
        say(f"job {job.id}: {address}")
        return True

    def _export(self, run: RunFolder, job: Job) -> Exported:
        kind, step = check_format(str(job.request.get("format", ""))), int(job.request.get("step", 0))
        if is_full(run.path):
            return export_full(run.path, kind, out=None, base=None)
        if step:
            file = export_step(run, step, family=base_of(run).family)
        else:
            file = run.path / RUN_FILE
            if not file.is_file():
                raise ValueError(f"{run.name} has left no LoRA yet; let it end, or stop it, which saves")
        return export_adapter(file, kind, out=None, base=None, weight=float(job.request.get("weight", 1.0)))

    def _goes_on(self, job: Job, stage: str) -> bool:
        if self.jobs.report(job.id, Progress(stage, 0, 1)):
            return True
        retry_while_busy(lambda: self.jobs.mark_cancelled(job.id))
        return False

    def _run(self, job: Job) -> RunFolder:
        name = str(job.request.get("run", ""))
        run = find_run(self.workspace.runs, name)
        if run is None:
            raise ValueError(f"there is no run {name!r}; it was deleted or renamed")
        return run
