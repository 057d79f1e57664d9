"""What a benchmark job is: what is drawn by now is measured, and the report is written anew. Imports torch if need be.

Not here: the pictures, each a job of its own (`studio.benchmark.progress`).
"""

from __future__ import annotations

from studio.benchmark.folder import find_benchmark
from studio.benchmark.progress import standings
from studio.benchmark.report import write_report
from studio.benchmark.scoring import measure_benchmark
from studio.home.database import DatabaseBusy, retry_while_busy
from studio.home.worker_log import say
from studio.home.workspace import Workspace
from studio.pictures.gallery import Gallery
from studio.queue.job import Job, Progress
from studio.queue.table import JobTable


class BenchmarkJobs:
    """The worker's part in benchmarks."""

    def __init__(self, workspace: Workspace, jobs: JobTable) -> None:
        self.workspace, self.jobs = workspace, jobs

    def do(self, job: Job) -> bool:
        """Measure the job's benchmark and finish it; False if it was cancelled, which keeps what was measured.

        Raises ValueError, with the remedy, if there is no such benchmark or it cannot be read.
        """
        import torch

        folder = find_benchmark(self.workspace, str(job.request.get("benchmark", "")))
        plan, gallery = folder.plan(), Gallery(self.workspace)
        found = standings(plan, jobs=self.jobs, gallery=gallery)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        cache = self.workspace.cache / "features"
        if not measure_benchmark(
            folder,
            found,
            device=device,
            cache=cache,
            on_step=lambda what, done, total: self._report(job, what, done, total),
        ):
            retry_while_busy(lambda: self.jobs.mark_cancelled(job.id))
            return False
        self._report(job, "writing the report", 0, 1)
        page = write_report(folder, found)
        retry_while_busy(lambda: self.jobs.finish(job.id, {"benchmark": folder.name}))
        say(f"job {job.id}: {page}")
        return True

    def _report(self, job: Job, what: str, done: int, total: int) -> bool:
        """False: somebody wants the job to stop. A locked table costs a report, not the measuring."""
        try:
            return self.jobs.report(job.id, Progress(what, done, total))
        except DatabaseBusy:
            return True
