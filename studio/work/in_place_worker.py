"""Renders in the server's own process, where a GPU is lent for one call at a time (ZeroGPU of a Space).

Elsewhere the worker is a process of its own (`studio.work.supervisor`). Here models are opened in this process, which
the host packs for the GPU, and each picture is one decorated call, whose duration is foreseen by size and steps.
"""

from __future__ import annotations

import importlib
import threading
import traceback
from collections.abc import Sequence
from contextvars import Context, copy_context
from typing import Any

# Before torch, as the host demands: it takes the place of CUDA until a GPU is lent.
spaces: Any = importlib.import_module("spaces")

from studio.home.settings import Settings  # noqa: E402
from studio.home.workspace import Workspace  # noqa: E402
from studio.models.admission import admit  # noqa: E402
from studio.models.catalogue import CATALOGUE  # noqa: E402
from studio.models.lookup import find_model  # noqa: E402
from studio.pipeline.opening import PipelineKeeper, quiet_libraries  # noqa: E402
from studio.queue.job import MAX_ATTEMPTS, Job, lost_words  # noqa: E402
from studio.queue.table import JobTable  # noqa: E402
from studio.render_request import RenderRequest  # noqa: E402
from studio.rendering.job import RenderJobs  # noqa: E402
from studio.visitors.limits import gpu_seconds  # noqa: E402
from studio.work.worker import POLL_S, Worker  # noqa: E402
from studio.work.worker_state import WorkerState  # noqa: E402


class InPlaceWorker:
    """A thread of the web process that empties the job table. Fits where a `WorkerSupervisor` does."""

    def __init__(self, workspace: Workspace, settings: Settings) -> None:
        self._workspace, self._settings = workspace, settings
        self._jobs = JobTable(workspace.database)
        self._keeper = PipelineKeeper()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._asked_by: dict[int, Context] = {}
        self._state = WorkerState("the worker is not running", "ill")
        # Decorated before the page is launched: the host looks for such functions at the start.
        self._draw_on_gpu = spaces.GPU(self._draw, duration=self._seconds)

    def submitted(self, job_ids: Sequence[int]) -> None:
        """Remember who asked: the GPU's time is counted to the visitor of that request."""
        self._asked_by.update((job_id, copy_context()) for job_id in job_ids)

    def start(self) -> None:
        """Open the first model and take jobs. What an earlier server left unfinished begins again, once."""
        assert self._thread is None, "started twice"
        self._state = WorkerState("starting", "busy")
        quiet_libraries()
        self._take_up("the server was started anew")
        self._keeper.open(CATALOGUE[0])
        self._thread = threading.Thread(target=self._work, name="in-place-worker", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """After the picture at hand."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def describe(self) -> WorkerState:
        """As `WorkerSupervisor.describe`."""
        try:
            running = self._jobs.jobs(states=("running",), limit=1)
        except ValueError as error:
            return WorkerState(str(error), "ill")
        return WorkerState(f"working on job {running[0].id}", "busy") if running else self._state

    def _work(self) -> None:
        worker = Worker(self._workspace, self._jobs, {"render": self._do})
        stumbled = False
        while not self._stopping.is_set():
            done = False
            try:
                if stumbled:
                    self._take_up("the job table could not be written")
                stumbled = False
                done = worker.run_next()
                self._state = WorkerState("ready", "well")
            except ValueError as error:  # the database's own words
                stumbled = True
                self._state = WorkerState(f"{error} (it is tried again)", "ill")
            except Exception as error:  # the thread outlives what it does
                stumbled = True
                traceback.print_exc()
                words = f"{type(error).__name__}: {error} (an error of the studio, it is tried again)"
                self._state = WorkerState(words, "ill")
            if not done:
                self._stopping.wait(POLL_S)

    def _take_up(self, why: str) -> None:
        """Let jobs go on that the table calls running and that are in nobody's hands: once, as elsewhere."""

        def explain(job: Job) -> str:
            again = (
                "it begins again"
                if job.attempts < MAX_ATTEMPTS
                else "it was not the first time, retry it by hand"
            )
            return f"{lost_words(job, why)}; {again}"

        self._jobs.take_up(self._jobs.interrupt_lost(lambda job: False, explain=explain))

    def _do(self, job: Job) -> bool:
        request = RenderRequest.from_dict(job.request)
        entry = admit(request, self._settings)
        gpu_seconds(request, entry)
        self._keeper.open(entry)
        context = self._asked_by.pop(job.id, None)
        drawn: bool = (copy_context() if context is None else context).run(self._draw_on_gpu, job.id)
        return drawn

    def _draw(self, job_id: int) -> bool:
        """Runs in a fork that has the GPU: its own connections to the database, plain values in and out."""
        jobs = JobTable(self._workspace.database)
        renders = RenderJobs(self._workspace, jobs, keeper=self._keeper, settings=self._settings)
        return renders.do(jobs.get(job_id))

    def _seconds(self, job_id: int) -> int:
        request = RenderRequest.from_dict(self._jobs.get(job_id).request)
        return gpu_seconds(request, find_model(request.model))
