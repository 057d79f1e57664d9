"""Latents of an unfinished render on disk, so that it can go on where it was interrupted.

A file belongs to one job, and to everything that decides its pixels: another request, other weights, another dtype
or passes as another version of the studio plans them never resume from it.
Not here: when they are saved (`studio.pipeline.denoising`).
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from finetune.drawing.passes import Pass
from studio.home.disk import whole_file
from studio.render_request import RenderRequest


class SavedLatents(NamedTuple):
    """The state of a render after `step` steps."""

    latents: Tensor  # packed, as the pipeline's `latents=` takes them
    step: int
    picture: Tensor | None
    """The enlarged picture that their pass began with (`finetune.drawing.coarse_to_fine.Begun`); None in the first."""


def latents_path(
    folder: Path, job_id: int, request: RenderRequest, *, weights_hash: str, dtype: torch.dtype
) -> Path:
    """Where a job's latents lie: <folder>/<job>-<hash of all that decides the pixels>.safetensors."""
    decisive = json.dumps([request.to_dict(), weights_hash, str(dtype)], sort_keys=True)
    return folder / f"{job_id}-{hashlib.sha256(decisive.encode()).hexdigest()[:16]}.safetensors"


def plan_digest(passes: Sequence[Pass]) -> str:
    """Of sizes and noise levels: a step's number means the same picture under equal plans alone."""
    decisive = json.dumps(["held", [[one.size, one.sigmas, one.is_literal] for one in passes]])
    return hashlib.sha256(decisive.encode()).hexdigest()[:16]


def save_latents(path: Path, saved: SavedLatents, plan: str) -> None:
    """Write them in one step; a kill at any moment leaves the older file or this one. `plan`: a `plan_digest`."""
    tensors = {"latents": saved.latents} | ({} if saved.picture is None else {"picture": saved.picture})
    with whole_file(path) as part:
        metadata = {"step": str(saved.step), "plan": plan}
        whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        save_file(whole, part, metadata=metadata)


def read_latents(path: Path, plan: str) -> SavedLatents | None:
    """What was saved under this plan.

    None where nothing was, or under another plan, or the disk has damaged it: then the render starts anew.
    """
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata()
            if about["plan"] != plan:
                return None
            picture = file.get_tensor("picture") if "picture" in file.keys() else None  # noqa: SIM118
            return SavedLatents(file.get_tensor("latents"), int(about["step"]), picture)
    except (SafetensorError, KeyError, TypeError, ValueError, struct.error):
        path.unlink(missing_ok=True)
        return None


def forget_latents(folder: Path, *, keep_jobs: set[int]) -> int:
    """Delete the latents of all other jobs; returns how many files."""
    stale = [path for path in folder.glob("*-*.safetensors") if _job_id(path) not in keep_jobs]
    for path in stale:
        path.unlink(missing_ok=True)
    return len(stale)


def _job_id(path: Path) -> int | None:
    number = path.name.partition("-")[0]
    return int(number) if number.isdecimal() else None
