"""What is done to a run: stop, ask, resume, duplicate, delete; no process but this test's own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from finetune.run_folder import create_run
from studio.home.workspace import Workspace
from studio.models.adapters import RUN_FILE
from studio.queue.table import JobTable
from studio.training.runs import TRASH, Trainings
from tests.studio.training.run_folders import checkpoint, write_run

pytestmark = pytest.mark.process


def test_stop_saves_first(trainings: Trainings, workspace: Workspace, jobs: JobTable) -> None:
    run = write_run(workspace.runs, "living", "running", pid=os.getpid())
    trainings.stop("living")
    assert run.asked("STOP"), "a run of the command line has no job"
    assert trainings.line("living").stopping
    run.granted("STOP")
    job = jobs.submit("train", {"run": "living"}, label="living")
    jobs.claim(os.getpid())
    trainings.stop("living")
    assert jobs.get(job).cancel_requested
    assert trainings.line("living").stopping
    write_run(workspace.runs, "still", "stopped")
    with pytest.raises(ValueError, match="nothing to stop"):
        trainings.stop("still")


def test_stop_now_ends_the_process_and_it_stays_ended(
    trainings: Trainings, workspace: Workspace, jobs: JobTable
) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        write_run(workspace.runs, "living", "running", pid=child.pid)
        job = jobs.submit("train", {"run": "living"}, label="living")
        jobs.claim(os.getpid())
        trainings.stop_now("living")
        assert child.wait(timeout=10) == -9
        assert jobs.get(job).cancel_requested, "or the worker would start it again"
    finally:
        child.kill()
        child.wait()


def test_requests_reach_only_a_run_that_runs(trainings: Trainings, workspace: Workspace) -> None:
    run = write_run(workspace.runs, "living", "running", pid=os.getpid())
    trainings.ask("living", "SAVE")
    assert run.asked("SAVE")
    write_run(workspace.runs, "still", "stopped")
    with pytest.raises(ValueError, match="resume it first"):
        trainings.ask("still", "SAMPLE")


def test_resume_and_continue_from_a_checkpoint(
    trainings: Trainings, workspace: Workspace, jobs: JobTable
) -> None:
    checkpoint(write_run(workspace.runs, "still", "stopped"), 5, 10)
    assert trainings.checkpoints("still") == (5, 10)
    assert trainings.actions(trainings.line("still")) == ("resume", "continue", "duplicate", "delete")
    with pytest.raises(ValueError, match=r"no checkpoint of step 7; it has 5, 10"):
        trainings.resume("still", from_step=7)
    trainings.resume("still", from_step=5)
    assert jobs.jobs()[0].request == {"run": "still", "from_step": 5}
    with pytest.raises(ValueError, match="is waiting already"):
        trainings.resume("still")
    write_run(workspace.runs, "whole", "done")
    assert trainings.actions(trainings.line("whole")) == ("duplicate", "delete")
    assert trainings.adapter("whole") is None
    left = workspace.runs / "whole" / RUN_FILE
    left.parent.mkdir()
    left.touch()
    assert trainings.actions(trainings.line("whole")) == ("use", "duplicate", "delete")
    assert trainings.adapter("whole") == f"runs/whole/{RUN_FILE}"
    with pytest.raises(ValueError, match="is done"):
        trainings.resume("whole")


def test_duplicate_names_its_parent(trainings: Trainings, workspace: Workspace) -> None:
    run = write_run(workspace.runs, "oil", "done")
    copied = trainings.duplicate("oil")
    assert copied.output.parent == "oil"
    assert replace(copied, output=run.config().output) == run.config()
    name = create_run(workspace.runs, copied).name
    assert trainings.line(name).parent == "oil"


def test_trash_and_back(trainings: Trainings, workspace: Workspace) -> None:
    run = write_run(workspace.runs, "oil", "done")
    kept = trainings.delete("oil")
    assert trainings.listed() == []
    assert (workspace.runs / TRASH / kept / "steps.jsonl").is_file()
    write_run(workspace.runs, "oil", "stopped")
    assert trainings.restore(kept) == "oil-2"
    assert {line.name: line.state for line in trainings.listed()} == {"oil": "stopped", "oil-2": "done"}
    with pytest.raises(ValueError, match="not in the trash"):
        trainings.restore(kept)
    with pytest.raises(ValueError, match="not in the trash"):
        trainings.restore("../oil")
    assert run.path.is_dir()
    write_run(workspace.runs, "living", "running", pid=os.getpid())
    with pytest.raises(ValueError, match="stop it before"):
        trainings.delete("living")
