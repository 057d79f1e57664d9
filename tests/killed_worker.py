"""Render jobs done by the worker's own hands, in processes that die one after the other, until all is done.

`python -m tests.killed_worker HOME LAST...`: each life ends at its last moment (`tests.sudden_death`), 0 for a life
that is let be; between two lives the jobs of the dead resume, as the supervisor lets them. Lives are forks, so torch
is imported once. Prints a line a life: its exit code, and how many moments it had if it was let be.
"""

from __future__ import annotations

import sys
from pathlib import Path

from studio.home.workspace import Workspace
from studio.pipeline.opening import quiet_libraries
from studio.queue.table import JobTable
from studio.work.handlers import make_handlers
from studio.work.worker import Worker
from tests.sudden_death import Moments, lives


def live(home: Path, last: int) -> None:
    """One worker, from its start to its last moment or to the end of the queue."""
    moments = Moments(home, last=last)
    workspace = Workspace.open(home)
    jobs = JobTable(workspace.database)
    worker = Worker(workspace, jobs, make_handlers(workspace, jobs)[0])
    while worker.run_next():
        pass
    print("moments", moments.count, flush=True)


def main() -> None:
    home = Path(sys.argv[1])
    quiet_libraries()

    def resume() -> None:
        jobs = JobTable(Workspace.open(home).database)
        for job in jobs.interrupt_lost(lambda job: False):
            jobs.resume(job.id)

    lives([int(last) for last in sys.argv[2:]], lambda last: live(home, last), after_each=resume)


if __name__ == "__main__":
    main()
