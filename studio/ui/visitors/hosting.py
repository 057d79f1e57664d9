"""What others who reach the page meet: its doors, and on a public host visitors that are told apart, with limits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from starlette.middleware import Middleware

from studio.home.doors import Attempts
from studio.home.ownership import Viewer, everybody
from studio.home.settings import Settings
from studio.home.workspace import Workspace
from studio.queue.table import JobTable
from studio.ui.visitors.live_previews import LivePreviews
from studio.ui.visitors.submission_gate import SubmissionGate
from studio.ui.visitors.token_gate import LoginBrake, TokenGate
from studio.ui.visitors.visitors import VisitorGate, visitor
from studio.visitors.limits import VisitorLimits, VisitorQuota


@dataclass(frozen=True, slots=True)
class Hosting:
    """All of it; where only this machine comes in, no door, no limit."""

    viewer: Viewer = everybody
    gate: SubmissionGate = field(default_factory=SubmissionGate)
    middleware: list[Middleware] = field(default_factory=list)


def hosting(
    workspace: Workspace, settings: Settings, submitted: Callable[[Sequence[int]], None] | None
) -> Hosting:
    """`submitted` is told of new jobs within the request that asked for them."""
    limits = VisitorLimits.of(settings)
    whole = Middleware(LivePreviews, workspace=workspace)
    if limits is None:
        return Hosting(middleware=[*_doors(settings), whole])
    told = {} if submitted is None else {"submitted": submitted}
    gate = SubmissionGate(
        VisitorQuota(limits), JobTable(workspace.database), workspace, settings.zero_gpu, **told
    )
    return Hosting(visitor, gate, [*_doors(settings), Middleware(VisitorGate, workspace=workspace), whole])


def _doors(settings: Settings) -> list[Middleware]:
    """The outermost first. `settings.token` is one by now, not "auto"."""
    attempts = Attempts()
    doors = []
    if settings.token is not None:
        doors.append(Middleware(TokenGate, token=settings.token, attempts=attempts))
    if settings.accounts:
        doors.append(Middleware(LoginBrake, attempts=attempts))
    return doors
