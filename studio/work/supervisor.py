"""Watches over the worker from the web process: starts it, notices its death, sees that nothing is lost.

A server that stops leaves the worker at work, and one that starts adopts it. No torch is
imported. Not here: the work (`studio.work.worker`).
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from finetune.processes import KILLED, NEW_GROUP, end_at_once, is_alive
from studio.home.code_mark import code_mark
from studio.home.locks import holder_lives, lock_note
from studio.home.settings import ROOT, Settings
from studio.home.worker_log import last_lines
from studio.home.workspace import Workspace
from studio.queue.job import MAX_ATTEMPTS, Job
from studio.queue.table import JobTable
from studio.work.worker import NOT_NEEDED_EXIT_CODE
from studio.work.worker_state import Mood, WorkerState

LOOK_EVERY_S = 0.5
FIRST_DELAY_S, LONGEST_DELAY_S = 1.0, 60.0
QUICK_DEATH_S = 20.0  # a worker that dies younger than this probably cannot start at all
DEATH_IS_NEWS_S = 120.0
SILENT_S = 120.0
"""A worker's heart beats every second, also while a model is read; one that is silent for so long hangs."""

MAX_LOG_BYTES = 5 * 2**20


@dataclass(frozen=True, slots=True)
class Death:
    """The last time that a worker died."""

    at: float  # seconds since 1970
    seen_at: float  # by the supervisor's clock
    how: str
    resumed: tuple[int, ...]
    """Jobs that go on where they were."""
    left: tuple[int, ...]
    """Jobs that were interrupted too often."""


class WorkerSupervisor:
    """A thread of the web process. `describe` answers from what the thread last saw."""

    def __init__(
        self,
        workspace: Workspace,
        settings: Settings,
        *,
        command: Sequence[str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`command` is what starts a worker; None is `studio.work.worker` for this home. `clock` counts seconds."""
        self._workspace, self._settings, self._clock = workspace, settings, clock
        own = (sys.executable, "-u", "-m", "studio.work.worker", "--home", str(workspace.root))
        self._command = own if command is None else tuple(command)
        self._jobs = JobTable(workspace.database)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._started_at, self._start_after = 0.0, 0.0
        self._delay_s = FIRST_DELAY_S
        self._death: Death | None = None
        self._state = WorkerState("the worker is not running", "ill")
        self._heard: tuple[object, ...] = ()
        self._heard_at = 0.0

    def start(self) -> None:
        """Adopt the living worker, or start one, and watch."""
        assert self._thread is None, "started twice"
        self._state = WorkerState("starting", "busy")
        self._thread = threading.Thread(target=self._watch, name="worker-supervisor", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop watching. The worker goes on."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._state = WorkerState("the worker is not watched", "ill")

    def describe(self) -> WorkerState:
        """What the worker does, for the page; costs nothing."""
        return self._state

    def look(self) -> None:
        """Look once: bury, mend, start, and find the words. The thread does this every LOOK_EVERY_S."""
        self._reap()
        alive = self._worker_is_alive()
        self._mend_jobs()
        self._end_silent()
        self._send_older_away(alive)
        if not alive and self._clock() >= self._start_after:
            self._start_worker()
            alive = True
        self._state = self._find_state(alive)

    def _watch(self) -> None:
        while not self._stopping.is_set():
            try:
                self.look()
            except ValueError as error:  # the database's own words
                self._tell_trouble(f"{error} (the worker is not watched meanwhile, it is tried again)")
            except OSError as error:
                self._tell_trouble(f"the worker cannot be started ({error}); see to that, it is tried again")
            except Exception as error:  # who watches outlives what he watches
                traceback.print_exc()
                self._tell_trouble(
                    f"{type(error).__name__}: {error} (an error of the studio, it is tried again)"
                )
            self._stopping.wait(LOOK_EVERY_S)

    def _tell_trouble(self, words: str) -> None:
        self._state = WorkerState(words, "ill")

    def _reap(self) -> None:
        """Take note of our child's end; `poll` takes it off the list of zombies."""
        if self._child is None or self._child.poll() is None:
            return
        code, self._child = self._child.returncode, None
        if code in (0, NOT_NEEDED_EXIT_CODE):
            return
        now = self._clock()
        if now - self._started_at < QUICK_DEATH_S:
            self._start_after = now + self._delay_s
            self._delay_s = min(LONGEST_DELAY_S, 2 * self._delay_s)
        else:
            self._delay_s = FIRST_DELAY_S
        self._death = Death(time.time(), now, _death_words(code), (), ())

    def _worker_is_alive(self) -> bool:
        """Ours, or one that an earlier server started."""
        if self._child is not None:
            return True
        return holder_lives(lock_note(self._workspace.worker_lock))

    def _end_silent(self) -> None:
        """End a worker that hangs in a job that is to stop; the next look takes the job as stopped."""
        job = self._running()
        heard = () if job is None else (job.id, job.attempts, job.heartbeat_at)
        if heard != self._heard:
            self._heard, self._heard_at = heard, self._clock()
        if job is not None and job.cancel_requested and self._silent_s() > SILENT_S:
            _end(job.worker_pid, job.worker_born)

    def _silent_s(self) -> float:
        """How long nothing has been heard of the running job. Counted here: what the table says is a time of day."""
        return self._clock() - self._heard_at if self._heard else 0.0

    def _send_older_away(self, alive: bool) -> None:
        """End an idle worker of other code, that an earlier server left; the next look starts one of ours."""
        if alive and self._is_older() and self._running() is None:
            note = lock_note(self._workspace.worker_lock)
            _end(note.get("pid"), note.get("born"))

    def _is_older(self) -> bool:
        return self._child is None and lock_note(self._workspace.worker_lock).get("code") != code_mark()

    def _running(self) -> Job | None:
        return next(iter(self._jobs.jobs(states=("running",), limit=1)), None)

    def _mend_jobs(self) -> None:
        """Interrupt the running jobs of dead workers, and let those go on that may."""
        at, now = time.time(), self._clock()
        lost = self._jobs.interrupt_lost(
            lambda job: is_alive(job.worker_pid, job.worker_born),
            explain=lambda job: self._why(job, at, self._how_it_ended()),
        )
        if not lost:
            return
        how = self._how_it_ended()
        resumed, left = self._jobs.take_up(lost)
        self._death = Death(at, now, how, tuple(resumed), tuple(left))

    def _how_it_ended(self) -> str:
        """In the words of its exit code, where it was our child; it may have died since it was last asked for."""
        self._reap()
        death = self._death
        is_fresh = death is not None and self._clock() - death.seen_at < 2 * LOOK_EVERY_S
        return death.how if death is not None and is_fresh else "it vanished"

    def _why(self, job: Job, at: float, how: str) -> str:
        """What happened to an interrupted job, and what comes next."""
        progress = job.progress
        doing = progress.stage if progress.stage else "starting"
        where = f"{doing}, step {progress.step} of {progress.num_steps}" if progress.step else doing
        last = last_lines(self._workspace.worker_log)
        said = f"; last in its log: {last}" if last else ""
        remedy = (
            "it resumes from its last saved step"
            if job.attempts < MAX_ATTEMPTS
            else "it was not the first time, so retry it by hand, perhaps smaller"
        )
        return f"the worker died at {_clock(at)} while {where} ({how}); {remedy}{said}"

    def _start_worker(self) -> None:
        inherited = [os.environ["PYTHONPATH"]] if "PYTHONPATH" in os.environ else []
        path = os.pathsep.join([str(ROOT), *inherited])
        log = self._workspace.worker_log
        mode = "wb" if log.is_file() and log.stat().st_size > MAX_LOG_BYTES else "ab"
        with log.open(mode) as output:
            self._child = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={
                    **os.environ,
                    "PYTHONPATH": path,
                    "HF_HUB_DISABLE_TELEMETRY": "1",
                },
                # Out of the server's session: Ctrl-C there must not reach a render here.
                start_new_session=True,
                creationflags=NEW_GROUP,
            )
        self._started_at = self._clock()

    def _find_state(self, alive: bool) -> WorkerState:
        running = self._running()
        mood: Mood = "busy"
        if running is not None and self._silent_s() > SILENT_S:
            words, mood = (
                (
                    f"job {running.id} has not been heard of for {self._silent_s() / 60:.0f} min, the worker may hang; "
                    "cancel the job to end it"
                ),
                "ill",
            )
        elif running is not None:
            older = ", by a worker of other code, which is replaced afterwards" if self._is_older() else ""
            words = f"working on job {running.id}{older}"
        elif not alive:
            said = last_lines(self._workspace.worker_log)
            words, mood = f"the worker cannot start and is tried again soon; last in its log: {said}", "ill"
        elif self._is_ready():
            words, mood = "ready", "well"
        else:
            words = "starting"
        if self._death is None or self._clock() - self._death.seen_at > DEATH_IS_NEWS_S:
            return WorkerState(words, mood)
        return WorkerState(f"{_news(self._death)} · {words}", "ill")

    def _is_ready(self) -> bool:
        """Whether the worker has imported all it needs; what its predecessor wrote does not count."""
        note = lock_note(self._workspace.worker_lock)
        is_its_own = self._child is None or note.get("pid") == self._child.pid
        return is_its_own and note.get("state") == "ready"


def _end(pid: object, born: object) -> None:
    """At once, if that very process still runs."""
    if isinstance(pid, int) and isinstance(born, str):
        end_at_once(pid, born)


def _news(death: Death) -> str:
    jobs = [f"job {job} resumes" for job in death.resumed] + [
        f"job {job} is interrupted" for job in death.left
    ]
    return ", ".join([f"worker died at {_clock(death.at)}", *jobs])


def _clock(at: float) -> str:
    return time.strftime("%H:%M", time.localtime(at))


def _death_words(returncode: int | None) -> str:
    if returncode is None:
        return "it vanished"
    if returncode == KILLED:
        return "killed by signal 9, as the system does when memory runs out"
    if returncode < 0:
        return f"killed by signal {-returncode}"
    return f"exit code {returncode}"
