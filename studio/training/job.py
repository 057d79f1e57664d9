"""What a training job is: a process of its own that trains a run, watched from the job table.

The process is of no one's session: it outlives a worker that dies, and the next worker takes it up again. One that dies
itself is started again once and goes on from its last checkpoint.
Not here: taking jobs and ending them (`studio.work.worker`), the training (`finetune.train`).
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from finetune.processes import KILLED, end_at_once, is_alive
from finetune.run_folder import RunFolder, find_run
from finetune.run_status import Status
from studio.home.database import retry_while_busy
from studio.home.worker_log import say
from studio.home.workspace import Workspace
from studio.queue.job import Job, Progress
from studio.queue.table import JobTable
from studio.training.command import start_training, training_command
from studio.training.pace import last_rows, seconds_per_step

LOOK_EVERY_S = 0.5
SAVING_TAKES_S = 600.0
"""How long a run that was asked to stop may take to save; then it is ended."""

RESTARTS = 1


class TrainingJobs:
    """The worker's part in trainings."""

    def __init__(
        self, workspace: Workspace, jobs: JobTable, *, free_memory: Callable[[], str | None] = lambda: None
    ) -> None:
        """`free_memory` closes the model that is kept open for renders, and tells which it was."""
        self.workspace, self.jobs, self.free_memory = workspace, jobs, free_memory

    def do(self, job: Job) -> bool:
        """Train the job's run to its end; False if it was cancelled, which saves first.

        Raises ValueError, in the run's own words, if it failed.
        """
        run = self._run(job)
        if (freed := self.free_memory()) is not None:
            say(f"closed {freed} to make room for training {run.name}")
        dry, from_step = bool(job.request.get("dry_run", False)), self._set_back(job, run)
        if run.state().state == "done" and from_step is None and not dry:
            return self._ended(job, run, 0)  # it ended while no worker watched it
        if run.path.joinpath("status.json").exists() and self._is_living(run):
            say(f"job {job.id}: process {run.state().pid} trains {run.name} already, watching it")
            code = self._watch(job, run, None)
        else:
            code = self._train(job, run, training_command(run.path, dry_run=dry, from_step=from_step))
            for _ in range(RESTARTS):
                if code is None or code >= 0 or self._is_cancelled(job) or dry:
                    break
                say(f"job {job.id}: the training process was killed by signal {-code}, starting it again")
                code = self._train(job, run, training_command(run.path))
        return self._ended(job, run, code)

    def _run(self, job: Job) -> RunFolder:
        name = str(job.request.get("run", ""))
        run = find_run(self.workspace.runs, name)
        if run is None:
            raise ValueError(f"there is no run {name!r}; it was deleted or renamed")
        return run

    @staticmethod
    def _set_back(job: Job, run: RunFolder) -> int | None:
        """The step that the run is to go back to; None where an earlier attempt of the job has set it back already."""
        step = job.request.get("from_step")
        done = any(
            row.get("restart") == step and row.get("time", 0.0) >= job.created_at for row in run.rows()
        )
        return None if step is None or done else int(step)

    def _train(self, job: Job, run: RunFolder, command: tuple[str, ...]) -> int | None:
        process = start_training(run.path, command)
        return self._watch(job, run, process)

    def _watch(self, job: Job, run: RunFolder, process: subprocess.Popen[bytes] | None) -> int | None:
        """Until it ends; its exit code, negative for a signal, None where it is not our child."""
        asked_at: float | None = None
        while process.poll() is None if process is not None else self._is_living(run):
            wanted = self._report(job, run)
            if not wanted and asked_at is None:
                asked_at = time.monotonic()
                run.ask("STOP")
                say(f"job {job.id}: {run.name} is asked to save and stop")
            if asked_at is not None and time.monotonic() - asked_at > SAVING_TAKES_S:
                say(f"job {job.id}: {run.name} did not stop in {SAVING_TAKES_S:.0f} s and is ended")
                end_now(run)
            time.sleep(LOOK_EVERY_S)
        self._report(job, run)
        return None if process is None else _signalled(process.returncode, run)

    def _ended(self, job: Job, run: RunFolder, code: int | None) -> bool:
        status = run.state()
        if self._is_cancelled(job) and status.state != "done":
            retry_while_busy(lambda: self.jobs.mark_cancelled(job.id))
            return False
        if status.state in ("done", "stopped", "new") and not code:
            retry_while_busy(lambda: self.jobs.finish(job.id, {"run": run.name, "state": status.state}))
            return True
        words = status.message if status.message else f"the training process ended with exit code {code}"
        last = _last_line(run.path / "console.txt") if status.state not in ("failed", "interrupted") else ""
        raise ValueError(f"{words}; last in its log: {last}" if last else words)

    def _report(self, job: Job, run: RunFolder) -> bool:
        """False: somebody wants the job to stop. A locked table costs a report, not the run."""
        try:
            return self.jobs.report(job.id, progress_of(run))
        except ValueError:
            return True

    def _is_cancelled(self, job: Job) -> bool:
        return retry_while_busy(lambda: self.jobs.get(job.id)).cancel_requested

    @staticmethod
    def _is_living(run: RunFolder) -> bool:
        status = run.state()
        return status.state in ("running", "stalled") and is_alive(status.pid, status.pid_born)


def progress_of(run: RunFolder) -> Progress:
    """How far a run is, for the job table."""
    status: Status = run.state()
    stage = status.stage if status.stage else status.state
    pace = seconds_per_step(last_rows(run.path / "steps.jsonl"))
    left = None if pace is None else pace * (status.num_steps - status.step)
    return Progress(stage, status.step, status.num_steps, pace, left)


def end_now(run: RunFolder) -> bool:
    """End a run's process without saving; False if there is none. Its last checkpoint stands."""
    status = run.state()
    return status.state in ("running", "stalled") and end_at_once(status.pid, status.pid_born)


def _signalled(code: int | None, run: RunFolder) -> int | None:
    """The launcher answers 1 for a child that a signal ended; the run's state tells the difference."""
    return KILLED if code not in (0, None) and run.state().state == "interrupted" else code


def _last_line(path: Path) -> str:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1].strip() if lines else ""
