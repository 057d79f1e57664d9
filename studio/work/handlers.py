"""Who does each kind of job, in the worker. Imports torch.

Not here: what a kind's rows say (`studio.work.kinds`).
"""

from __future__ import annotations

from collections.abc import Callable

from studio.benchmark.job import BenchmarkJobs
from studio.benchmark.progress import SCORE
from studio.home.workspace import Workspace
from studio.queue.job import Job
from studio.queue.table import JobTable
from studio.rendering.job import RenderJobs
from studio.training.export_job import ExportJobs
from studio.training.export_request import EXPORT, PUSH
from studio.training.job import TrainingJobs
from studio.work.kinds import RENDER, TRAIN

Handler = Callable[[Job], bool]
"""Does a job and finishes it; False if it was cancelled. Raises ValueError if it cannot be done."""


def make_handlers(
    workspace: Workspace, jobs: JobTable
) -> tuple[dict[str, Handler], Callable[[], str | None]]:
    """(who does each kind, what closes the model that they keep open and says which)."""
    renders = RenderJobs(workspace, jobs)
    renders.tidy()
    trainings = TrainingJobs(workspace, jobs, free_memory=renders.keeper.free)
    measuring = BenchmarkJobs(workspace, jobs)
    exports = ExportJobs(workspace, jobs)
    who_does: dict[str, Handler] = {
        RENDER: renders.do,
        TRAIN: trainings.do,
        SCORE: measuring.do,
        EXPORT: exports.export,
        PUSH: exports.push,
    }
    return who_does, renders.keeper.free
