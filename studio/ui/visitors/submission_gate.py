"""Who may put how much into the queue. On one's own machine: everybody, everything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from studio.home.workspace import Workspace
from studio.models.adapters import resolve_adapter
from studio.models.lookup import find_model
from studio.queue.job import State
from studio.queue.table import JobTable
from studio.render_request import RenderRequest
from studio.ui.visitors.visitors import visitor, visitor_address
from studio.visitors.limits import VisitorQuota, gpu_seconds


def _nobody_listens(job_ids: Sequence[int]) -> None:
    return


@dataclass(frozen=True, slots=True)
class SubmissionGate:
    """Asked before a submission and told after it."""

    quota: VisitorQuota | None = None
    """None: no limits."""

    everybody: JobTable | None = None
    """All jobs, to count those of others."""

    workspace: Workspace | None = None
    """Where LoRAs of a public host lie; None leaves them to the worker."""

    lent_gpu: bool = False
    submitted: Callable[[Sequence[int]], None] = _nobody_listens
    """Told of the new jobs within the request that asked for them."""

    def admit(self, requests: Sequence[RenderRequest], jobs: JobTable) -> None:
        """Raise ValueError, with the limit, for a submission that goes beyond it."""
        for request in requests:
            if self.lent_gpu:
                gpu_seconds(request, find_model(request.model))
            if self.workspace is not None:
                for use in request.adapters:
                    resolve_adapter(self.workspace.root, use.path)
        if self.quota is None or self.everybody is None:
            return
        active: tuple[State, ...] = ("queued", "running")
        self.quota.admit(
            visitor(),
            requests,
            waiting=len(jobs.jobs(states=active)),
            waiting_of_all=len(self.everybody.jobs(states=active)),
            address=visitor_address(),
        )
