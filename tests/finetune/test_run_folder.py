"""A run's folder tells the truth: dead processes, reused numbers, silent ones, half lines, newer versions."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from finetune.config.files import changed
from finetune.config.run_config import FinetuneConfig
from finetune.run_folder import FRESH_S, RunFolder, create_run, list_runs, state_of
from finetune.run_status import Status

CONFIG = changed(FinetuneConfig(), "output", name="my lake")


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return create_run(tmp_path, CONFIG)


def test_config_is_there_before_anything_else_and_names_never_clash(tmp_path: Path) -> None:
    first, second = create_run(tmp_path, CONFIG), create_run(tmp_path, CONFIG)
    assert (first.name, second.name) == ("my-lake", "my-lake-2")
    assert second.config() == CONFIG
    assert {run.name for run in list_runs(tmp_path)} == {"my-lake", "my-lake-2"}
    assert state_of(first.path).state == "new"


def test_a_newer_run_and_no_run_are_refused(run: RunFolder, tmp_path: Path) -> None:
    content = json.loads(run.config_file.read_text())
    run.config_file.write_text(json.dumps(content | {"version": 99}))
    with pytest.raises(ValueError, match=r"version 99.*update the studio"):
        run.config()
    with pytest.raises(ValueError, match="is no run"):
        RunFolder(tmp_path).config()


def test_running_is_said_only_while_it_is_true(run: RunFolder) -> None:
    run.say(Status("running", step=3, num_steps=9, checkpoint_step=2))
    assert run.state().state == "running"
    assert run.state(now=time.time() + FRESH_S + 1).state == "stalled"
    content = json.loads((run.path / "status.json").read_text())
    reused = content | {"pid_born": "another time"}
    (run.path / "status.json").write_text(json.dumps(reused))
    assert run.state().state == "interrupted"
    assert "goes on from step 2" in run.state().message
    elsewhere = content | {"host": "another-machine", "heartbeat_at": time.time() - FRESH_S - 5}
    (run.path / "status.json").write_text(json.dumps(elsewhere))
    assert "on another-machine has not been heard of" in run.state().message


def test_a_killed_process_is_seen_at_once_and_its_lock_is_free(run: RunFolder) -> None:
    code = (
        "import sys, time; from pathlib import Path; from finetune.run_folder import *\n"
        "run = RunFolder(Path(sys.argv[1]))\n"
        "with run.held():\n run.say(Status('running')); print('up', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(run.path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "up\n"
    assert run.state().state == "running"
    with pytest.raises(ValueError, match="being trained by another process"), run.held():
        pass
    os.kill(child.pid, signal.SIGKILL)
    while psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE:  # not waited for: a zombie is dead too
        time.sleep(0.01)
    assert run.state().state == "interrupted"
    child.wait()
    child.stdout.close()
    assert run.state().state == "interrupted"
    with run.held():
        pass


def test_half_written_status_never_shows(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    run.say(Status("running", step=1))
    monkeypatch.setattr(os, "replace", _disk_full)
    with pytest.raises(OSError, match="No space"):
        run.say(Status("running", step=2))
    said = run.said()
    assert said is not None
    assert said.step == 1
    assert not list(run.path.glob("*.part"))


def test_rows_after_a_restart_replace_those_before(run: RunFolder) -> None:
    for step in (1, 2, 3):
        run.append("steps.jsonl", {"step": step, "loss": step / 10})
    with (run.path / "steps.jsonl").open("a") as file:
        file.write('{"step": 4, "lo')  # the power went
    run.mark_restart(2)
    run.append("steps.jsonl", {"step": 3, "loss": 9.0})
    rows = run.rows()
    assert [row.get("step") for row in rows] == [1, 2, None, 3]
    assert rows[2]["restart"] == 2
    assert rows[3]["loss"] == 9.0
    assert run.rows("validation.jsonl") == []


def test_a_sample_after_a_line_that_was_cut_is_not_lost(run: RunFolder) -> None:
    run.append("samples.jsonl", {"step": 2, "index": 0})
    with (run.path / "samples.jsonl").open("a") as file:
        file.write('{"step": 4, "in')  # the power went
    run.mark_restart(2)
    run.append("samples.jsonl", {"step": 4, "index": 0})
    assert [row["step"] for row in run.rows("samples.jsonl")] == [2, 4]


def test_requests(run: RunFolder) -> None:
    assert not run.asked("STOP")
    run.ask("STOP")
    assert run.asked("STOP")
    run.granted("STOP")
    assert not run.asked("STOP")


def _disk_full(*_: object) -> None:
    raise OSError(28, "No space left on device")
