"""Folders of runs written by hand, as trainings leave them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from finetune.config.files import from_values
from finetune.processes import birth
from finetune.run_folder import RunFolder, create_run
from finetune.run_status import Status


def write_run(
    runs: Path, name: str, state: str, *, steps: int = 10, pid: int = 0, **status: Any
) -> RunFolder:
    """A run that says `state`, with rows of its steps; a running one is of the process `pid`."""
    run = create_run(
        runs,
        from_values({"output": {"name": name}, "schedule": {"num_steps": 40}, "data": {"source": str(runs)}}),
    )
    for step in range(1, steps + 1):
        row = {"step": step, "time": float(step), "loss": 1 / step, "seconds": 2.0, "bands": {"ll": 1.0}}
        run.append("steps.jsonl", row)
    if state != "new":
        run.say(Status(state, step=steps, num_steps=40, **status))  # type: ignore[arg-type]
        content = json.loads((run.path / "status.json").read_text())
        if pid:
            content |= {"pid": pid, "pid_born": birth(pid)}
        (run.path / "status.json").write_text(json.dumps(content))
    return run


def checkpoint(run: RunFolder, *steps: int) -> None:
    for step in steps:
        (run.checkpoints / f"step-{step:06d}").mkdir(parents=True)
