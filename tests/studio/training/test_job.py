"""Training through the job table with the true worker: killed in turn, cancelled, failing."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from finetune.checkpointing import checkpoint_steps
from finetune.run_folder import RunFolder
from studio.home.locks import lock_note
from studio.home.settings import Settings
from studio.home.workspace import Workspace
from studio.queue.job import Job
from studio.queue.table import JobTable
from studio.training.job import TrainingJobs, end_now
from studio.work.supervisor import WorkerSupervisor
from tests.finetune.training_runs import new_run, write_dataset

pytestmark = pytest.mark.process

STEPS = 4_000  # more than any test lasts: each ends its run


@pytest.fixture
def jobs(workspace: Workspace) -> JobTable:
    return JobTable(workspace.database)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("pictures") / "data")


@pytest.fixture
def run(workspace: Workspace, sd3_folder: Path, pictures: Path) -> Iterator[RunFolder]:
    """A run of many quick steps; no process of it outlives the test."""
    made = new_run(
        workspace.runs,
        sd3_folder,
        pictures,
        schedule={"num_steps": STEPS, "checkpoint_every": 20},
        output={"name": "long"},
    )
    yield made
    end_now(made)


def wait(condition: Callable[[], object], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)


def submit(jobs: JobTable, run: RunFolder) -> Job:
    return jobs.get(jobs.submit("train", {"run": run.name}, label=run.name))


def test_trainer_worker_and_server_killed_in_turn(
    workspace: Workspace, jobs: JobTable, run: RunFolder
) -> None:
    settings = Settings.from_environment({"STUDIO_HOME": str(workspace.root)})
    supervisor = WorkerSupervisor(workspace, settings)
    supervisor.start()
    job = submit(jobs, run)
    try:
        wait(lambda: run.state().step >= 20)
        first = run.state()
        os.kill(first.pid, signal.SIGKILL)
        wait(lambda: run.state().state == "interrupted", 10)
        wait(lambda: run.state().state == "running" and run.state().pid != first.pid)
        wait(lambda: run.state().step >= 40)
        assert jobs.get(job.id).state == "running"
        trainer = run.state()

        worker = lock_note(workspace.worker_lock)["pid"]
        os.kill(int(str(worker)), signal.SIGKILL)
        wait(lambda: jobs.get(job.id).worker_pid not in (worker, None), 60)
        wait(lambda: jobs.get(job.id).state == "running", 10)
        assert run.state().pid == trainer.pid, "the training is taken up, not started a second time"

        supervisor.stop()
        supervisor = WorkerSupervisor(workspace, settings)
        supervisor.start()
        wait(lambda: "working on job" in supervisor.describe().words, 10)
        run.ask("STOP")
        wait(lambda: jobs.get(job.id).state == "done", 60)
    finally:
        supervisor.stop()
        note = lock_note(workspace.worker_lock).get("pid")
        if isinstance(note, int):
            os.kill(note, signal.SIGKILL)
    assert jobs.get(job.id).result == {"run": "long", "state": "stopped"}
    steps = [row["step"] for row in run.rows() if "step" in row]
    assert steps == list(range(1, run.state().step + 1)), "each step counts once"
    assert checkpoint_steps(run.checkpoints)[-1] == steps[-1] >= 40
    assert run.log.read_text().count("opening the model loading torch") == 2, "the log is whole"


def test_cancelling_saves_first(workspace: Workspace, jobs: JobTable, run: RunFolder) -> None:
    submit(jobs, run)
    job = jobs.claim(os.getpid())
    assert job is not None
    freed: list[str] = []

    class Cancelling(TrainingJobs):
        def _report(self, job: Job, run: RunFolder) -> bool:
            if run.state().step >= 5:
                self.jobs.cancel(job.id)
            return super()._report(job, run)

    def free() -> str:
        freed.append("micro-4k")
        return "micro-4k"

    assert not Cancelling(workspace, jobs, free_memory=free).do(job)
    assert freed == ["micro-4k"]
    assert jobs.get(job.id).state == "cancelled"
    stopped = run.state()
    assert stopped.state == "stopped"
    assert 5 <= stopped.step < STEPS
    assert checkpoint_steps(run.checkpoints)[-1] == stopped.step


def test_a_failing_run_gives_its_job_the_reason(
    workspace: Workspace, jobs: JobTable, sd3_folder: Path, pictures: Path
) -> None:
    run = new_run(
        workspace.runs, sd3_folder, pictures, validation={"num_examples": 6}, output={"name": "failing"}
    )
    submit(jobs, run)
    job = jobs.claim(os.getpid())
    assert job is not None
    with pytest.raises(ValueError, match=r"validation\.num_examples keeps 6 of them"):
        TrainingJobs(workspace, jobs).do(job)


def test_a_run_that_is_not_there_is_refused(workspace: Workspace, jobs: JobTable) -> None:
    for name in ("gone", "../elsewhere", ""):
        jobs.submit("train", {"run": name}, label="gone")
        job = jobs.claim(os.getpid())
        assert job is not None
        with pytest.raises(ValueError, match="there is no run"):
            TrainingJobs(workspace, jobs).do(job)
        jobs.fail(job.id, "refused")


def test_a_job_taken_up_again_does_not_set_its_run_back_twice(
    workspace: Workspace, jobs: JobTable, run: RunFolder
) -> None:
    run.append("steps.jsonl", {"step": 30, "loss": 1.0})
    jobs.submit("train", {"run": run.name, "from_step": 20}, label=run.name)
    job = jobs.claim(os.getpid())
    assert job is not None
    assert TrainingJobs._set_back(job, run) == 20
    run.mark_restart(20)
    assert TrainingJobs._set_back(job, run) is None
