"""Checkpoints: whole or absent, the oldest taken away, and the newest whole one found again. safetensors and JSON only.

A checkpoint is a folder `step-000020`, written beside under another name and then renamed, so that a process killed at
any moment leaves the ones before as they were. Its `whole.json` lists the size of every file: one cut short later, by a
full disk or a bad copy, is passed over for the one before.
Not here: which tensors a run is made of (`finetune.training_state`).
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from finetune.json_text import parse_json
from finetune.whole_files import part_of

TENSORS, NUMBERS, WHOLE = "state.safetensors", "state.json", "whole.json"
ASIDE = "aside"
VERSION = 1

_NAME = re.compile(r"step-(\d{6,})")

Writer = Callable[[Path], None]
"""Writes further files into a folder: the state of a sharded run."""


@dataclass(frozen=True, slots=True)
class Found:
    """The newest checkpoint that is whole, and what is to be said of those that are not."""

    step: int
    folder: Path
    complaints: tuple[str, ...]


def save_checkpoint(
    checkpoints: Path,
    step: int,
    *,
    tensors: Mapping[str, Tensor],
    numbers: Mapping[str, Any],
    write_more: Writer | None = None,
) -> Path:
    """Write everything, then let it be seen at one stroke.

    Raises ValueError where the disk does not take it, with what was there before unharmed.
    """
    checkpoints.mkdir(parents=True, exist_ok=True)
    final = checkpoints / f"step-{step:06d}"
    part = part_of(final)
    try:
        part.mkdir()
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, part / TENSORS)
        (part / NUMBERS).write_text(json.dumps(dict(numbers)), encoding="utf-8")
        if write_more is not None:
            write_more(part)
        sizes = {str(f.relative_to(part)): f.stat().st_size for f in sorted(part.rglob("*")) if f.is_file()}
        (part / WHOLE).write_text(
            json.dumps({"version": VERSION, "step": step, "sizes": sizes}), encoding="utf-8"
        )
        for path in (*sorted(part.rglob("*")), part):
            _to_disk(path)
        if final.exists():  # of the same step, by a run that was set back
            shutil.rmtree(final)
        os.rename(part, final)
        _to_disk(checkpoints)
    except (OSError, SafetensorError) as error:
        stands = [name for name, _ in _steps(checkpoints)]
        before = f"that of step {stands[-1]} stands" if stands else "there is none before it"
        full = "no space" in str(error).lower() or getattr(error, "errno", None) == errno.ENOSPC
        remedy = "free space on this disk" if full else "look at the disk"
        raise ValueError(
            f"the checkpoint of step {step} cannot be written ({error}); {before}; {remedy}, then resume"
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return final


def newest_whole(checkpoints: Path, *, at: int | None = None) -> Found | None:
    """The newest whole checkpoint, or that of step `at`; None where there is none at all.

    Raises ValueError where `at` is asked for and absent or damaged, and for one of a newer version.
    """
    complaints: list[str] = []
    for step, folder in reversed(_steps(checkpoints)):
        if at is not None and step != at:
            continue
        wrong = _damage(folder)
        if wrong is None:
            return Found(step, folder, tuple(complaints))
        complaints.append(f"the checkpoint of step {step} is damaged ({wrong}) and was passed over")
    if at is not None:
        have = ", ".join(str(step) for step, _ in _steps(checkpoints))
        raise ValueError(
            complaints[0]
            if complaints
            else f"there is no checkpoint of step {at}; there are {have or 'none'}"
        )
    if complaints:
        raise ValueError(f"{complaints[0]}, and none before it is whole; delete them to begin anew")
    return None


def load_checkpoint(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors on the CPU, and numbers."""
    return load_file(folder / TENSORS), parse_json((folder / NUMBERS).read_text(encoding="utf-8"))


def prune(checkpoints: Path, *, keep: int, keep_every: int) -> None:
    """Delete all but the newest `keep` and multiples of `keep_every` (0: none), and what killed writers left."""
    steps = _steps(checkpoints)
    for step, folder in steps[:-keep]:
        if not keep_every or step % keep_every:
            shutil.rmtree(folder, ignore_errors=True)
    for left in checkpoints.glob(".step-*.part"):
        shutil.rmtree(left, ignore_errors=True)


def set_aside_after(checkpoints: Path, step: int) -> tuple[int, ...]:
    """Move checkpoints later than `step` out of the way, for a run that goes on from there; returns their steps."""
    moved = []
    for later, folder in _steps(checkpoints):
        if later > step:
            target = checkpoints / ASIDE / folder.name
            target.parent.mkdir(exist_ok=True)
            shutil.rmtree(target, ignore_errors=True)
            os.rename(folder, target)
            moved.append(later)
    return tuple(moved)


def checkpoint_steps(checkpoints: Path) -> tuple[int, ...]:
    """Steps of which there is one, whole or not, in order."""
    return tuple(step for step, _ in _steps(checkpoints))


def _steps(checkpoints: Path) -> list[tuple[int, Path]]:
    if not checkpoints.is_dir():
        return []
    found = ((_NAME.fullmatch(path.name), path) for path in checkpoints.iterdir())
    return sorted((int(match.group(1)), path) for match, path in found if match is not None)


def _damage(folder: Path) -> str | None:
    """What is wrong with a checkpoint; None for a whole one."""
    try:
        content = parse_json((folder / WHOLE).read_text(encoding="utf-8"))
        version, sizes = int(content["version"]), dict(content["sizes"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"{WHOLE}: {error}"
    if version > VERSION:
        raise ValueError(
            f"{folder} is a checkpoint of version {version}, and this studio knows up to {VERSION}; update the studio"
        )
    for name, size in sizes.items():
        path = folder / name
        there = path.stat().st_size if path.is_file() else None
        if there != size:
            return f"{name} has {there} bytes instead of {size}" if there is not None else f"{name} is gone"
    return None


def _to_disk(path: Path) -> None:
    """Wait until a file or a folder's listing is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
