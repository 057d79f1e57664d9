"""Small runs for tests: a tiny random model, six noisy pictures, and a process in which a run can be killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from finetune.config.files import from_values
from finetune.run_folder import RunFolder, create_run


def write_dataset(folder: Path, *, count: int = 6, side_px: int = 80) -> Path:
    """Pictures of noise in two shapes, with captions."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(count):
        width = side_px + (16 if i % 2 else 0)
        pixels = rng.integers(0, 256, (side_px, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
        (folder / f"{i}.txt").write_text(f"a red hill {i}")
    return folder


def new_run(runs: Path, base: Path, pictures: Path, **sections: Mapping[str, Any]) -> RunFolder:
    """A run of six steps at 64 px, full or LoRA as `method` says; `sections` replace single settings."""
    values: dict[str, dict[str, Any]] = {
        "model": {"base": str(base)},
        "data": {"source": str(pictures), "resolution_px": 64, "max_sequence_length": 16},
        "resources": {"precision": "fp32", "device": "cpu", "gradient_checkpointing": False},
        "method": {"kind": "lora", "rank": 4},
        "schedule": {"num_steps": 6, "checkpoint_every": 2},
        "validation": {"every": 0, "num_examples": 2},
        "output": {"name": "run"},
    }
    for name, settings in sections.items():
        values[name] = {**values.get(name, {}), **settings}
    if values["method"]["kind"] == "full":
        del values["method"]["rank"]
    return create_run(runs, from_values(values))


def train_in_child(run: str, *, killed_in_write: int | None = None) -> None:
    """Train in a process that is its own; `killed_in_write` kills it amid that write of a checkpoint, 1 the first."""
    import torch
    from safetensors.torch import save_file

    from finetune import checkpointing, train

    torch.set_num_threads(1)
    if killed_in_write is not None:
        writes, whole_write = 0, save_file

        def half_a_write(tensors: Any, path: Any, *rest: Any) -> None:
            nonlocal writes
            writes += 1
            if writes == killed_in_write:
                whole_write(tensors, path, *rest)
                os.truncate(path, Path(path).stat().st_size // 2)
                os.kill(os.getpid(), signal.SIGKILL)
            whole_write(tensors, path, *rest)

        vars(checkpointing)["save_file"] = half_a_write
    raise SystemExit(train.main([run]))
