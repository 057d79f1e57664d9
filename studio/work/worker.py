"""The process that empties the job table: `python -m studio.work.worker --home HOME`. One for each home.

It owns the device and lives on when the server is stopped; without a server it leaves after IDLE_EXIT_S
without work. torch is imported only once the home's lock is held, so that a second worker leaves at once.
Not here: starting it again when it dies (`studio.work.supervisor`), the work itself (`studio.rendering.job`).
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from finetune.processes import birth
from studio.home.console import print_any_letter
from studio.home.database import DatabaseBusy, DatabaseTrouble, retry_while_busy
from studio.home.locks import held_lock, holder_lives, lock_note, write_lock_note
from studio.home.worker_log import say
from studio.home.workspace import Workspace
from studio.memory.free import take_wish
from studio.queue.job import Job
from studio.queue.table import JobTable

if TYPE_CHECKING:
    from studio.work.handlers import Handler

IDLE_EXIT_S = 600.0
POLL_S, HEARTBEAT_S = 0.2, 1.0

NOT_NEEDED_EXIT_CODE = 3
"""Another worker holds the home."""


class Worker:
    """Takes one job after the other and sees that each of them ends in the table."""

    def __init__(
        self,
        workspace: Workspace,
        jobs: JobTable,
        handlers: Mapping[str, Handler],
        *,
        free_memory: Callable[[], str | None] | None = None,
    ) -> None:
        """`free_memory` closes what is kept open between jobs, for whoever asks for it, and says what that was."""
        self.workspace, self.jobs, self.handlers = workspace, jobs, handlers
        self._free_memory = free_memory
        self._born = birth(os.getpid())

    def run(self, *, idle_exit_s: float = IDLE_EXIT_S) -> None:
        """Work until there is neither work nor a server for `idle_exit_s`."""
        idle_since = time.monotonic()
        while time.monotonic() - idle_since < idle_exit_s or self._is_served():
            if self.run_next():
                idle_since = time.monotonic()
            else:
                self._free_if_asked()
                time.sleep(POLL_S)
        say(f"no work and no server for {idle_exit_s:g} s, goodbye")

    def _free_if_asked(self) -> None:
        if self._free_memory is not None and take_wish(self.workspace):
            freed = self._free_memory()
            say("nothing was open" if freed is None else f"closed {freed}, as was asked")

    def run_next(self) -> bool:
        """Do one waiting job; False if none waits."""
        try:
            job = self.jobs.claim(os.getpid(), self._born)
        except DatabaseBusy:
            return False
        if job is None:
            return False
        say(f"job {job.id}: {job.kind} {job.label!r}, attempt {job.attempts}")
        with self._heartbeat(job.id):
            say(f"job {job.id}: {self._do(job)}")
        return True

    def _do(self, job: Job) -> str:
        """How it ended, for the log."""
        try:
            if job.kind not in self.handlers:
                raise ValueError(f"this worker does not know {job.kind!r} jobs; update the studio")
            return "done" if self.handlers[job.kind](job) else "cancelled"
        except ValueError as error:
            words = str(error)
        except Exception as error:
            traceback.print_exc()
            words = f"{type(error).__name__}: {error} (an error of the studio, see logs/worker.log)"
        retry_while_busy(lambda: self.jobs.fail(job.id, words))
        return f"failed, {words}"

    @contextmanager
    def _heartbeat(self, job_id: int) -> Iterator[None]:
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(HEARTBEAT_S):
                try:
                    self.jobs.heartbeat(job_id)
                except DatabaseTrouble:  # a full disk may have room again; a beat that is missed is only late
                    continue

        thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _is_served(self) -> bool:
        """Whether the server that last locked this home still runs."""
        return holder_lives(lock_note(self.workspace.server_lock))


def work(workspace: Workspace, *, idle_exit_s: float) -> None:
    """Do all of a home's jobs; the caller holds its lock."""
    from studio.pipeline.opening import quiet_libraries
    from studio.work.handlers import make_handlers

    quiet_libraries()
    jobs = JobTable(workspace.database)
    who_does, free_memory = make_handlers(workspace, jobs)
    write_lock_note(workspace.worker_lock, {"state": "ready"})
    say(f"worker {os.getpid()} is ready")
    Worker(workspace, jobs, who_does, free_memory=free_memory).run(idle_exit_s=idle_exit_s)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m studio.work.worker", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="root folder of the studio")
    parser.add_argument("--idle-exit-s", type=float, default=IDLE_EXIT_S, help="seconds, without a server")
    arguments = parser.parse_args()
    print_any_letter(encoding="utf-8")  # its log is read as that
    try:
        workspace = Workspace.open(arguments.home)
        with held_lock(workspace.worker_lock, about={"state": "starting"}) as holder:
            if holder is not None:
                say(f"process {holder.get('pid', '?')} already works for {workspace.root}")
                sys.exit(NOT_NEEDED_EXIT_CODE)
            work(workspace, idle_exit_s=arguments.idle_exit_s)
    except ValueError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
