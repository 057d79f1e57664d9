"""Asking for a run's export or upload, and what came of it, from the job table. No torch.

Not here: doing it (`studio.training.export_job`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from finetune.run_folder import RunFolder
from studio.models.lookup import TOKEN_PLACE
from studio.queue.job import ENDED, Job
from studio.queue.table import JobTable

ExportFormat = Literal["diffusers", "comfyui", "merged"]

EXPORT, PUSH = "export", "push"
"""Kinds of jobs, see `studio.work.kinds`."""

MOST_UNUSED = 200
"""Keys whose reason a job's row keeps."""

MAX_WEIGHT = 4.0


@dataclass(frozen=True, slots=True)
class Result:
    """One export or upload, done or not."""

    job: Job
    title: str
    words: str
    """What came of it; empty while nothing has."""

    path: Path | None
    """Of what was written, while it is there."""

    unused: Mapping[str, str]
    num_unused: int


def check_format(name: str) -> ExportFormat:
    """Raises ValueError for what is none."""
    for known in get_args(ExportFormat):
        if name == known:
            return known
    raise ValueError(f"a LoRA is exported as {', '.join(get_args(ExportFormat))}, got {name[:40]!r}")


def is_full(run: Path) -> bool:
    """Whether a run has left a transformer rather than a LoRA."""
    return (run / "transformer" / "config.json").is_file()


def ask_for_export(jobs: JobTable, run: RunFolder, *, kind: str, step: int = 0, weight: float = 1.0) -> int:
    """Queue it; the job's id. `step` 0 is the run's end.

    Raises ValueError for a format that is none, or that this run cannot have, and a weight beyond reason.
    """
    check_format(kind)
    if is_full(run.path) and kind != "merged":
        raise ValueError(
            f"{run.name} trained every weight, so there is no LoRA to write; choose the whole model"
        )
    if not math.isfinite(weight) or abs(weight) > MAX_WEIGHT:
        raise ValueError(
            f"the strength must lie between -{MAX_WEIGHT:g} and {MAX_WEIGHT:g}, got {weight:g}; 1 is usual"
        )
    request = {"run": run.name, "format": kind, "step": step, "weight": weight}
    waiting = _waiting(jobs, EXPORT, request)
    return jobs.submit(EXPORT, request, label=f"export {run.name}") if waiting is None else waiting


def ask_for_push(
    jobs: JobTable, run: RunFolder, *, hub_id: str, public: bool, environ: Mapping[str, str]
) -> int:
    """Queue the upload. Raises ValueError without a token, and for an id that is none."""
    hub_id = hub_id.strip()
    if hub_id.count("/") != 1 or not all(hub_id.split("/")):
        raise ValueError(f"a hub id is ACCOUNT/NAME, got {hub_id[:80]!r}")
    if not environ.get("HF_TOKEN"):
        raise ValueError(
            f"the hub takes uploads only with a token that may write; {TOKEN_PLACE}, and start the studio again"
        )
    request = {"run": run.name, "hub_id": hub_id, "public": public}
    waiting = _waiting(jobs, PUSH, request)
    return jobs.submit(PUSH, request, label=f"push {run.name}") if waiting is None else waiting


def results_of(jobs: JobTable, run: str, *, limit: int = 8) -> list[Result]:
    """Of a run, the last ones first."""
    found = [job for kind in (EXPORT, PUSH) for job in jobs.jobs(kind=kind) if job.request.get("run") == run]
    return [_result(job) for job in sorted(found, key=lambda job: -job.id)[:limit]]


def _waiting(jobs: JobTable, kind: str, request: Mapping[str, Any]) -> int | None:
    """The very same one that still waits is not asked for twice."""
    return next(
        (job.id for job in jobs.jobs(kind=kind) if job.state not in ENDED and job.request == request), None
    )


def _result(job: Job) -> Result:
    result = job.result or {}
    unused, count, written = result.get("unused"), result.get("num_unused"), result.get("path")
    path = Path(written) if isinstance(written, str) else None
    words = str(result.get("address") or result.get("words") or "")
    return Result(
        job,
        title_of(job),
        words,
        path if path is not None and path.exists() else None,
        {str(key): str(why) for key, why in unused.items()} if isinstance(unused, dict) else {},
        count if isinstance(count, int) else 0,
    )


def title_of(job: Job) -> str:
    """Such as "comfyui, step 200" or "to account/name"."""
    request = job.request
    if job.kind == PUSH:
        return f"to {request.get('hub_id', '')}{', public' if request.get('public') is True else ', private'}"
    step, weight = request.get("step", 0), request.get("weight", 1.0)
    parts = [
        str(request.get("format", "")),
        f"step {step}" if step else "",
        f"× {weight:g}" if weight != 1.0 else "",
    ]
    return ", ".join(part for part in parts if part)
