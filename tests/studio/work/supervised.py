"""A stand-in for the worker, and what tests of its supervisor wait for."""

from __future__ import annotations

import time
from collections.abc import Callable

from studio.home.locks import lock_note
from studio.home.workspace import Workspace
from studio.queue.job import Job

# A worker that takes a job, says how far it is, and stays.
STAND_IN = """
import os, sys, time
from pathlib import Path
from studio.queue.job import Progress
from studio.queue.table import JobTable
from finetune.processes import birth
from studio.home.locks import held_lock
from studio.home.workspace import Workspace
workspace = Workspace(Path(sys.argv[1]))
with held_lock(workspace.worker_lock, about={"state": "ready"}) as holder:
    if holder is not None:
        sys.exit(3)
    jobs = JobTable(workspace.database)
    while True:
        job = jobs.claim(os.getpid(), birth(os.getpid()))
        if job is not None:
            jobs.report(job.id, Progress("denoising", 4, 9, 1.0, 5.0))
            print("at work", flush=True)
        time.sleep(0.02)
"""

HANG_S = 60.0


def wait_for(condition: Callable[[], bool], *, within_s: float = HANG_S) -> None:
    """`within_s` is what hangs, not what is promised."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < within_s, "it never came true"
        time.sleep(0.02)


def worker_pid(workspace: Workspace) -> int:
    pid = lock_note(workspace.worker_lock)["pid"]
    assert isinstance(pid, int)
    return pid


def step(job: Job) -> int:
    return job.progress.step if job.state == "running" else -1
