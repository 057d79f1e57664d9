"""The loop that every stage of Micro-4K shares: a budget of minutes, a checkpoint, exact seeds, a line of numbers.

Running a stage again goes on where its checkpoint ends. Not here: what a stage learns.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from finetune.whole_files import whole_file

CHECKPOINT_EVERY_S = 120.0


def training_device(asked: str = "auto") -> torch.device:
    """`cpu`, `cuda`, or `auto`: the GPU where there is one, minutes instead of hours.

    Raises:
        ValueError: A GPU is asked for where torch finds none.
    """
    if asked not in ("auto", "cpu", "cuda"):
        raise ValueError(f"device {asked!r} is not known; it is auto, cpu or cuda")
    has_gpu = torch.cuda.is_available()
    if asked == "cuda" and not has_gpu:
        raise ValueError(
            "cuda is asked for, but torch finds no GPU; leave --device out, or install a CUDA torch"
        )
    return torch.device("cuda" if has_gpu and asked != "cpu" else "cpu")


def work_clock(device: torch.device) -> Callable[[], float]:
    """Seconds of work: on a CPU those that this process computed on all its threads, so that a machine that does other
    things too shortens no budget; on a GPU those that passed."""
    if device.type != "cpu":
        return time.perf_counter
    threads = torch.get_num_threads()
    return lambda: time.process_time() / threads


class Stage(Protocol):
    """What the loop needs of a stage."""

    name: str

    @property
    def modules(self) -> Mapping[str, nn.Module]: ...

    @property
    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]: ...

    def step(self, progress: float, generator: torch.Generator) -> dict[str, float]:
        """Take one optimizer step; `progress` is the share of the budget spent, 0 to 1."""
        ...


@dataclass(frozen=True, slots=True)
class Report:
    """Numbers of a step that is already applied, averaged since the last report."""

    step: int
    spent_s: float
    values: dict[str, float]


def train(
    stage: Stage,
    folder: Path,
    *,
    minutes: float,
    report_every: int = 50,
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator[Report]:
    """Train until `minutes` of work by `clock`, counted over all runs, are spent."""
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / f"{stage.name}.pt"
    step, spent_s = load_checkpoint(stage, checkpoint)
    budget_s = minutes * 60
    last_saved_s, sums, counts = spent_s, dict[str, float](), Counter[str]()
    threads = torch.get_num_threads()
    while spent_s < budget_s:
        lend_cores(folder, threads)
        began = clock()
        generator = torch.Generator().manual_seed(step * 1_000_003 + 12345)
        torch.manual_seed(step)
        values = stage.step(spent_s / budget_s, generator)
        step, spent_s = step + 1, spent_s + clock() - began
        for key, value in values.items():  # not every step has every value: that of a size, say
            sums[key] = sums.get(key, 0.0) + value
            counts[key] += 1
        if step % report_every == 0:
            report = Report(step, spent_s, {key: value / counts[key] for key, value in sums.items()})
            with (folder / f"{stage.name}.jsonl").open("a", encoding="utf-8") as log:
                log.write(json.dumps({"step": step, "spent_s": round(spent_s, 1), **report.values}) + "\n")
            yield report
            sums, counts = {}, Counter()
        if spent_s - last_saved_s > CHECKPOINT_EVERY_S:
            save_checkpoint(stage, checkpoint, step, spent_s)
            last_saved_s = spent_s
    save_checkpoint(stage, checkpoint, step, spent_s)


def lend_cores(folder: Path, threads: int) -> None:
    """Wait while a file `pause*` lies in the folder; train on one thread while a file `share*` does."""
    while any(folder.glob("pause*")):
        time.sleep(0.2)
    wanted = 1 if any(folder.glob("share*")) else threads
    if torch.get_num_threads() != wanted:
        torch.set_num_threads(wanted)


def save_checkpoint(stage: Stage, path: Path, step: int, spent_s: float) -> None:
    state = {
        "step": step,
        "spent_s": spent_s,
        "modules": {name: module.state_dict() for name, module in stage.modules.items()},
        "optimizers": {name: optimizer.state_dict() for name, optimizer in stage.optimizers.items()},
    }
    with whole_file(path) as part:
        torch.save(state, part)


def load_checkpoint(stage: Stage, path: Path) -> tuple[int, float]:
    """Restore a stage; (0, 0.0) where there is nothing to restore. What an unpacked checkpoint lacks begins anew.

    Raises:
        ValueError: It was made by another recipe.
    """
    if not path.exists():
        return 0, 0.0
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    unpacked = state["step"] == 0
    try:
        for name, module in stage.modules.items():
            if not unpacked or name in state["modules"]:
                module.load_state_dict(state["modules"][name])
        if not unpacked:
            for name, optimizer in stage.optimizers.items():
                optimizer.load_state_dict(state["optimizers"][name])
    except (KeyError, RuntimeError, ValueError) as error:  # torch's, of other names, shapes or groups
        raise ValueError(
            f"{path} is of another architecture than this recipe's; move it away, and the stage begins anew: {error}"
        ) from error
    return state["step"], state["spent_s"]


def set_learning_rate(
    optimizer: torch.optim.Optimizer, peak: float, progress: float, step_share: float = 0.02
) -> None:
    """Warm up over `step_share` of the budget, then a cosine down to a twentieth; of it each group has its `share`."""
    if progress < step_share:
        factor = 0.05 + 0.95 * progress / step_share
    else:
        angle = torch.pi * (progress - step_share) / (1 - step_share)
        factor = 0.05 + 0.95 * 0.5 * (1 + float(torch.cos(torch.tensor(angle))))
    for group in optimizer.param_groups:
        group["lr"] = peak * factor * group.get("share", 1.0)
