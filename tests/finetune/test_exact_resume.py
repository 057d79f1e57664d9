"""A run that is killed and goes on is, to the last bit, the run that was never killed."""

from __future__ import annotations

import json
import multiprocessing
import random
import time
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from finetune.checkpointing import checkpoint_steps, newest_whole
from finetune.run_folder import RunFolder
from tests.finetune.training_runs import new_run, train_in_child, write_dataset
from tests.tiny_models import tiny_flux_pipeline, tiny_sd3_pipeline

pytestmark = pytest.mark.process

STEPS = 40


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    """Children are forked from a server that has torch in memory, so that dozens can be killed in seconds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["finetune.loop", "finetune.train", "tests.finetune.training_runs"])
    return context


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exact")
    tiny_sd3_pipeline().save_pretrained(folder / "sd3")
    tiny_flux_pipeline().save_pretrained(folder / "flux")
    write_dataset(folder / "data")
    return folder


def begin(processes: ForkServerContext, run: RunFolder, killed_in_write: int | None = None) -> BaseProcess:
    child = processes.Process(
        target=train_in_child, args=(str(run.path),), kwargs={"killed_in_write": killed_in_write}
    )
    child.start()
    return child


def finish(processes: ForkServerContext, run: RunFolder) -> None:
    child = begin(processes, run)
    child.join(120)
    assert child.exitcode == 0, run.log.read_text()


def new(home: Path, family: str, kind: str, name: str, *, steps: int = STEPS) -> RunFolder:
    return new_run(
        home / "runs",
        home / family,
        home / "data",
        data={"cache": str(home / "cache" / family)},
        method={"kind": kind, "dropout": 0.1} if kind == "lora" else {"kind": kind},
        optimizer={"ema_decay": 0.9, "schedule": "cosine", "warmup_steps": 3, "learning_rate": 1e-3},
        resources={"accumulation": 2},
        schedule={"num_steps": steps, "checkpoint_every": 4},
        validation={"every": 10, "num_examples": 2, "sigmas": [0.3, 0.7]},
        output={"name": name},
    )


def wait_for_step(run: RunFolder, child: BaseProcess, aim: int) -> None:
    """Until the child, which was just begun, has taken step `aim` itself: older lines are of those before it."""
    steps, deadline = run.path / "steps.jsonl", time.monotonic() + 60
    before = len(lines(steps))
    while not any(row.get("step", 0) >= aim for row in lines(steps)[before:]):
        assert child.is_alive(), run.log.read_text()
        assert time.monotonic() < deadline, run.log.read_text()
        time.sleep(0.002)


def lines(path: Path) -> list[dict[str, Any]]:
    """Whole ones."""
    content = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in content.split("\n")[:-1] if line.endswith("}")]


def told(run: RunFolder) -> list[tuple[int, float, float]]:
    return [(row["step"], row["loss"], row["grad_norm"]) for row in run.rows() if "step" in row]


def final_state(run: RunFolder) -> dict[str, torch.Tensor]:
    return load_file(run.checkpoints / f"step-{STEPS:06d}" / "state.safetensors")


@pytest.mark.parametrize(("family", "kind"), [("sd3", "lora"), ("flux", "full")])
def test_killed_three_times_is_as_never_killed(
    processes: ForkServerContext, home: Path, family: str, kind: str
) -> None:
    whole, cut = (new(home, family, kind, f"{kind}-{name}") for name in ("whole", "cut"))
    finish(processes, whole)
    chance = random.Random(3)
    for part in range(3):
        child = begin(processes, cut)
        wait_for_step(cut, child, 8 + 10 * part + chance.randrange(8))  # in which it dies
        child.kill()
        child.join()
        assert cut.state().state == "interrupted"
    finish(processes, cut)
    assert sum("restart" in row for row in cut.rows()) == 3
    assert told(cut) == told(whole)
    assert len(told(whole)) == STEPS
    validations = [
        [(row["step"], row["loss"]) for row in run.rows("validation.jsonl") if "step" in row]
        for run in (whole, cut)
    ]
    assert validations[0] == validations[1]
    assert [step for step, _ in validations[0]] == [0, 10, 20, 30, 40]
    one, other = final_state(whole), final_state(cut)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("kills", [3, *(pytest.param(kills, marks=pytest.mark.slow) for kills in (6, 30))])
def test_kills_never_lose_the_last_good_checkpoint(
    processes: ForkServerContext, home: Path, kills: int
) -> None:
    """A third at any moment, a third some steps on, so that a busy machine gets somewhere too, a third amid a write."""
    run = new(home, "sd3", "lora", f"killed-{kills}", steps=400)
    chance, best, cut_writes = random.Random(30), 0, 0
    for kill in range(kills):
        in_write = kill % 3 == 2
        child = begin(processes, run, killed_in_write=1 if in_write else None)
        if in_write:
            child.join(60)
            assert child.exitcode in (-9, 0)
            cut_writes += child.exitcode == -9
        elif kill % 3 == 1:
            wait_for_step(run, child, best + chance.randrange(5, 12))  # a checkpoint is made every four
            child.kill()
            child.join()
        else:
            child.join(chance.uniform(0.05, 0.6))
            child.kill()
            child.join()
        found = newest_whole(run.checkpoints)
        step = 0 if found is None else found.step
        assert step >= best, f"kill {kill} lost the checkpoint of step {best}"
        if found is not None:
            assert load_file(found.folder / "state.safetensors")  # it can be read
        best = step
    assert cut_writes == kills // 3
    assert best >= kills // 3 * 4, "kills came too early to test anything"
    finish(processes, run)
    assert checkpoint_steps(run.checkpoints)[-1] == 400
    assert not list(run.checkpoints.glob(".step-*")), "what killed writers left is taken away"
    assert run.state().state == "done"


def test_a_cut_checkpoint_is_passed_over_and_told(processes: ForkServerContext, home: Path) -> None:
    run = new(home, "sd3", "lora", "truncated")
    finish(processes, run)
    *_, before, last = checkpoint_steps(run.checkpoints)
    state = run.checkpoints / f"step-{last:06d}" / "state.safetensors"
    state.write_bytes(state.read_bytes()[:-100])
    wanted = told(run)
    finish(processes, run)
    log = run.log.read_text()
    assert f"the checkpoint of step {last} is damaged" in log
    assert f"going on after step {before}" in log
    assert told(run) == wanted


def test_going_on_from_an_earlier_checkpoint_sets_later_ones_aside(
    processes: ForkServerContext, home: Path
) -> None:
    from finetune import train

    run = new(home, "sd3", "lora", "earlier")
    finish(processes, run)
    steps, wanted = checkpoint_steps(run.checkpoints), told(run)
    assert train.main([str(run.path), "--from-step", str(steps[0])]) == 0
    assert told(run) == wanted
    aside = sorted(path.name for path in (run.checkpoints / "aside").iterdir())
    assert aside == [f"step-{step:06d}" for step in steps[1:]]
    assert train.main([str(run.path), "--from-step", "3"]) == 1
    assert "there is no checkpoint of step 3" in json.loads((run.path / "status.json").read_text())["message"]
