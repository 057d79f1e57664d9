"""A home with runs in three states and a dataset, written as a trainer would: for the Fine-tune tab's browser tests."""

from __future__ import annotations

import json
import math
import threading
from pathlib import Path

import numpy as np
from PIL import Image

from finetune.config.files import from_values
from finetune.run_folder import RunFolder, create_run
from finetune.run_status import Status

STEPS, DONE = 60, 34
PROMPTS = ("a red hill at dusk", "a lake in fog")


def write_run(
    runs: Path, source: Path, name: str, *, steps: int, restart: int | None = None, parent: str = ""
) -> RunFolder:
    """A run as the trainer leaves it after `steps` steps, with validation and samples; its state is not said yet."""
    run = create_run(
        runs,
        from_values(
            {
                "data": {"source": str(source), "resolution_px": 128},
                "schedule": {"num_steps": STEPS, "checkpoint_every": 20},
                "optimizer": {"learning_rate": 1e-3 if parent else 1e-4},
                "validation": {"every": 10},
                "samples": {"every": 20, "prompts": list(PROMPTS), "width_px": 256, "height_px": 192},
                "resources": {"precision": "fp32"},
                "output": {"name": name, "parent": parent, "notes": "higher rate" if parent else ""},
            }
        ),
    )
    run.samples.mkdir()
    rng = np.random.default_rng(len(name))
    for step in range(steps + 1):
        if restart is not None and step == restart:
            run.append("steps.jsonl", {"restart": restart - 1, "time": 0.0})
        loss = 0.35 + 0.5 * math.exp(-step / 18) + 0.05 * float(rng.standard_normal())
        bands = {"ll": loss * 0.7, "lh": loss * 1.1, "hl": loss * 1.15, "hh": loss * 1.6}
        if step:
            run.append(
                "steps.jsonl",
                {
                    "step": step,
                    "time": float(step),
                    "loss": loss,
                    "bands": bands,
                    "grad_norm": loss / 2,
                    "learning_rate": 1e-3,
                    "sigma": 0.6,
                    "seconds": 2.1,
                    "peak_bytes": 1_300_000_000,
                },
            )
        if step % 10 == 0:
            levels = [
                {"sigma": s, "loss": loss * (1.4 - s), "bands": bands} for s in (0.1, 0.3, 0.5, 0.7, 0.9)
            ]
            row = {"step": step, "time": 0.0, "loss": loss, "bands": bands, "sigmas": levels, "seconds": 1.0}
            run.append("validation.jsonl", row)
        if step % 20 == 0:
            for index, prompt in enumerate(PROMPTS):
                write_sample(run, step, index, prompt)
            if step:
                (run.checkpoints / f"step-{step:06d}").mkdir(parents=True)
    run.log.write_text("".join(f"12:00:{i % 60:02d} step {i}\n" for i in range(steps)))
    return run


def write_sample(run: RunFolder, step: int, index: int, prompt: str) -> None:
    """A hill or a lake that comes out of noise; the second prompt fails at step 20."""
    row = {"step": step, "index": index, "prompt": prompt, "seed": 7, "seconds": 1.0}
    if (step, index) == (20, 1):
        run.append("samples.jsonl", {**row, "file": None, "error": "OutOfMemoryError: too large"})
        return
    y, x = np.mgrid[:192, :256]
    hill = y > 110 + 30 * np.sin(x / (40 + 20 * index))
    colours = np.where(hill[..., None], (150, 60, 40) if index == 0 else (40, 90, 140), (200, 190, 180))
    noise = np.random.default_rng(index).normal(0, 90 / (1 + step / 8), colours.shape)
    name = f"samples/{step:06d}-{index:02d}.png"
    Image.fromarray(np.clip(colours + noise, 0, 255).astype(np.uint8)).save(run.path / name)
    run.append("samples.jsonl", {**row, "file": name, "error": None})


def write_dataset(folder: Path) -> Path:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(9):
        Image.fromarray(rng.integers(0, 256, (140, 150, 3), dtype=np.uint8)).save(folder / f"{i}.png")
        (folder / f"{i}.txt").write_text("a hill")
    return folder


def fill_home(runs: Path, datasets: Path) -> RunFolder:
    """Three runs: "oil" done, "oil-more" interrupted, "oil-live" to be kept alive, which is returned."""
    source = write_dataset(datasets / "hills")
    done = write_run(runs, source, "oil", steps=STEPS)
    done.say(Status("done", step=STEPS, num_steps=STEPS, message="all steps are done", checkpoint_step=STEPS))
    died = write_run(runs, source, "oil-more", steps=27, restart=22, parent="oil")
    died.say(Status("running", step=27, num_steps=STEPS, stage="training", checkpoint_step=20))
    content = json.loads((died.path / "status.json").read_text())
    (died.path / "status.json").write_text(json.dumps(content | {"pid_born": "long ago"}))
    return write_run(runs, source, "oil-live", steps=DONE)


def keep_alive(run: RunFolder, ended: threading.Event) -> None:
    """The heartbeat of a process that trains: this one."""
    while True:
        run.say(Status("running", step=DONE, num_steps=STEPS, stage="training", checkpoint_step=20))
        if ended.wait(1.5):
            return
