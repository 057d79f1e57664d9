"""Runs as the page handles them: folders written by hand, no process but this test's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from finetune.config.files import changed
from finetune.config.run_config import FinetuneConfig
from finetune.processes import birth
from studio.home.workspace import Workspace
from studio.queue.table import JobTable
from studio.training.runs import TRASH, Trainings
from tests.studio.training.run_folders import write_run

pytestmark = pytest.mark.process


def test_a_new_run_goes_into_the_queue(trainings: Trainings, jobs: JobTable, config: FinetuneConfig) -> None:
    name = trainings.start(config)
    assert name == "oil"
    (job,) = jobs.jobs()
    assert (job.kind, job.request, job.label) == ("train", {"run": "oil", "from_step": None}, "oil")
    line = trainings.line("oil")
    assert (line.state, line.job, line.num_steps, line.note) == ("waiting", job.id, 1000, "first try")
    kept = trainings.run("oil").config()
    assert Path(kept.model.base).is_absolute()
    assert kept.data.cache.startswith(str(trainings.workspace.cache))


def test_what_cannot_be_trained_makes_no_folder(trainings: Trainings, config: FinetuneConfig) -> None:
    for section, key, value, words in (
        ("data", "source", "", r"data\.source is empty"),
        ("data", "source", "/no/such", "check the path"),
        ("model", "base", "no-such-model", "there is no model"),
    ):
        with pytest.raises(ValueError, match=words):
            trainings.start(changed(config, section, **{key: value}))
    assert trainings.listed() == []


def test_a_public_studio_takes_only_its_own_places(
    workspace: Workspace, jobs: JobTable, config: FinetuneConfig, tmp_path: Path
) -> None:
    trainings = Trainings(workspace, jobs, hosted=True)
    own = changed(config, "model", base="micro-4k")
    for section, key, value, words in (
        ("data", "source", str(tmp_path), "not a dataset of this studio"),
        ("data", "source", str(workspace.datasets / ".." / "runs"), "not a dataset of this studio"),
        ("data", "cache", "/tmp", "leave it empty"),
        ("model", "base", str(tmp_path), "not in the catalogue"),
    ):
        with pytest.raises(ValueError, match=words):
            trainings.start(changed(own, section, **{key: value}))
    assert trainings.start(own) == "oil"


def test_a_dry_runs_folder_becomes_the_run_of_the_same_settings(
    trainings: Trainings, jobs: JobTable, config: FinetuneConfig
) -> None:
    trial = trainings.dry_run(config)
    job = jobs.claim(os.getpid())
    assert job is not None
    assert job.request == {"run": trial, "dry_run": True}
    assert trainings.line(trial).state == "starting"
    with pytest.raises(ValueError, match="has not ended"):
        trainings.start(changed(config, "schedule", num_steps=7), trial=trial)
    run = trainings.run(trial)
    found = {
        "seconds_per_step": 0.5,
        "peak_bytes": 2**30,
        "device": "CPU",
        "num_trained": 9,
        "num_steps": 1000,
        "seconds_forecast": 600.0,
        "bytes_forecast": 5_000_000,
        "time": 1.0,
    }
    (run.path / "dry_run.json").write_text(json.dumps(found))
    jobs.finish(job.id, {})
    assert trainings.line(trial).state == "trial"
    forecast = trainings.forecast(trial)
    assert forecast is not None
    assert found.items() >= asdict(forecast).items()

    assert trainings.start(config, trial=trial) == trial
    assert trainings.line(trial).state == "waiting"
    assert [line.name for line in trainings.listed()] == [trial]


def test_a_dry_run_of_other_settings_leaves_nothing(trainings: Trainings, config: FinetuneConfig) -> None:
    trial = trainings.dry_run(config)
    again = trainings.dry_run(changed(config, "schedule", num_steps=7), trial=trial)
    assert [line.name for line in trainings.listed()] == [again]
    assert trainings.start(changed(config, "schedule", num_steps=9), trial=again) == "oil"
    (line,) = trainings.listed()
    assert (line.num_steps, line.state) == (9, "waiting")
    states = [(job.state, bool(job.request.get("dry_run"))) for job in trainings.jobs.jobs()]
    assert sorted(states) == [("cancelled", True), ("cancelled", True), ("queued", False)]


def test_only_a_dry_runs_folder_is_ever_taken_for_one(
    trainings: Trainings, workspace: Workspace, config: FinetuneConfig
) -> None:
    run = write_run(workspace.runs, "oil", "stopped")
    assert trainings.start(config, trial=run.name) == "oil-2"
    assert trainings.start(config, trial="../datasets/hills") == "oil-3"
    assert run.path.is_dir()
    assert (workspace.datasets / "hills").is_dir()


def test_states_are_true(trainings: Trainings, workspace: Workspace, jobs: JobTable) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    born = birth(dead.pid)
    dead.wait()
    write_run(workspace.runs, "living", "running", pid=os.getpid(), stage="training")
    died = write_run(workspace.runs, "died", "running", checkpoint_step=8)
    content = json.loads((died.path / "status.json").read_text())
    (died.path / "status.json").write_text(json.dumps(content | {"pid": dead.pid, "pid_born": born}))
    silent = write_run(workspace.runs, "silent", "running", pid=os.getpid())
    content = json.loads((silent.path / "status.json").read_text())
    (silent.path / "status.json").write_text(json.dumps(content | {"heartbeat_at": time.time() - 60}))
    write_run(workspace.runs, "whole", "done", message="all steps are done")
    write_run(workspace.runs, "fresh", "new", steps=0)
    ill = write_run(workspace.runs, "ill", "stopped")
    (ill.path / "status.json").write_text("{")
    states = {line.name: line.state for line in trainings.listed()}
    assert states == {
        "living": "running",
        "died": "interrupted",
        "silent": "stalled",
        "whole": "done",
        "fresh": "new",
        "ill": "failed",
    }
    living = trainings.line("living")
    assert (living.step, living.num_steps, living.seconds_per_step) == (10, 40, 2.0)
    assert living.seconds_left == pytest.approx(60)
    assert living.loss == pytest.approx(0.1)
    assert "goes on from step 8" in trainings.line("died").sentence
    assert "cannot be read" in trainings.line("ill").sentence

    jobs.submit("train", {"run": "died"}, label="died")
    assert trainings.line("died").state == "waiting"
    job = jobs.claim(os.getpid())
    assert job is not None
    assert trainings.line("died").state == "starting"
    jobs.fail(job.id, "no launcher")
    assert trainings.line("died").state == "interrupted", "the folder knows better than the job"
    jobs.submit("train", {"run": "fresh"}, label="fresh")
    job = jobs.claim(os.getpid())
    assert job is not None
    jobs.fail(job.id, "no launcher")
    assert (trainings.line("fresh").state, trainings.line("fresh").sentence) == ("failed", "no launcher")


def test_notes(trainings: Trainings, config: FinetuneConfig) -> None:
    name = trainings.start(config)
    assert trainings.notes(name) == "first try"
    trainings.write_notes(name, "better\nmuch")
    assert trainings.notes(name) == "better\nmuch"
    assert trainings.line(name).note == "better"
    trainings.write_notes(name, "")
    assert trainings.notes(name) == ""
    with pytest.raises(ValueError, match="shorten them"):
        trainings.write_notes(name, "x" * 20_001)


def test_settings_side_by_side(trainings: Trainings, config: FinetuneConfig) -> None:
    one = trainings.start(config)
    other = trainings.start(changed(config, "optimizer", learning_rate=1e-3))
    differing = {key: values for key, values, differs in trainings.compared([one, other]) if differs}
    assert differing == {"optimizer.learning_rate": (1e-4, 1e-3)}
    same = {key: values for key, values, differs in trainings.compared([one, other]) if not differs}
    assert same["method.rank"] == (16, 16)


@pytest.mark.parametrize("name", ["", "gone", "..", "../runs/oil", ".trash/oil", "oil/samples", "{root}"])
def test_a_name_leads_nowhere_else(trainings: Trainings, workspace: Workspace, name: str) -> None:
    write_run(workspace.runs, "oil", "done")
    name = name.format(root=workspace.root)  # an absolute path would replace the folder of runs
    for folder in (workspace.root, workspace.runs / TRASH / "oil", workspace.runs / "oil" / "samples"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="there is no run"):
        trainings.run(name)


def test_the_last_loss_of_a_long_file_with_a_restart(trainings: Trainings, workspace: Workspace) -> None:
    run = write_run(workspace.runs, "long", "stopped", steps=0)
    for step in range(1, 400):
        run.append("steps.jsonl", {"step": step, "loss": float(step), "seconds": 1.0, "pad": "x" * 60})
    assert trainings.line("long").loss == 399
    run.mark_restart(390)
    assert trainings.line("long").loss == 390
    with (run.path / "steps.jsonl").open("a") as file:
        file.write('{"step": 391, "lo')
    assert trainings.line("long").loss == 390
