"""Latents on disk: whole, found again by the same request alone, forgotten with their job."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from finetune.drawing.passes import Pass
from studio.pipeline.saved_latents import (
    SavedLatents,
    forget_latents,
    latents_path,
    plan_digest,
    read_latents,
    save_latents,
)
from studio.render_request import RenderRequest

PLAN = plan_digest([Pass((64, 64), (1.0, 0.5), False, 0)])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_every_bit_comes_back(tmp_path: Path, dtype: torch.dtype) -> None:
    latents = torch.randn(1, 16, 4, 6).to(dtype)
    save_latents(tmp_path / "1-a.safetensors", SavedLatents(latents, 4, None), PLAN)
    saved = read_latents(tmp_path / "1-a.safetensors", PLAN)
    assert saved is not None
    assert saved.step == 4
    assert saved.latents.dtype == dtype
    assert torch.equal(saved.latents, latents)
    assert saved.picture is None
    assert os.listdir(tmp_path) == ["1-a.safetensors"]


def test_the_enlarged_picture_comes_back_with_them(tmp_path: Path) -> None:
    latents, picture = torch.randn(1, 16, 4, 6).bfloat16(), torch.randn(1, 16, 4, 6)
    save_latents(tmp_path / "1-a.safetensors", SavedLatents(latents, 4, picture), PLAN)
    saved = read_latents(tmp_path / "1-a.safetensors", PLAN)
    assert saved is not None
    assert saved.picture is not None
    assert torch.equal(saved.picture, picture)


def test_the_folder_may_be_deleted_under_a_worker(tmp_path: Path) -> None:
    """Its cache is anybody's to clear, also between two saves of one render."""
    path = tmp_path / "cache" / "latents" / "1-a.safetensors"
    for step in (4, 8):
        save_latents(path, SavedLatents(torch.full((1, 2), float(step)), step, None), PLAN)
        saved = read_latents(path, PLAN)
        assert saved is not None
        assert (saved.step, saved.latents.tolist()) == (step, [[step, step]])
        shutil.rmtree(tmp_path / "cache")
    assert read_latents(path, PLAN) is None


@pytest.mark.parametrize(
    "passes",
    [
        [Pass((64, 96), (1.0, 0.5), False, 0)],
        [Pass((64, 64), (1.0, 0.6), False, 0)],
        [Pass((64, 64), (1.0, 0.5), True, 0)],
        [Pass((32, 32), (1.0, 0.5), False, 0), Pass((64, 64), (0.5,), True, 2)],
    ],
    ids=["size", "levels", "literal", "more"],
)
def test_steps_of_another_plan_are_no_steps_of_this_one(tmp_path: Path, passes: list[Pass]) -> None:
    path = tmp_path / "1-a.safetensors"
    save_latents(path, SavedLatents(torch.zeros(1, 2), 1, None), plan_digest(passes))
    assert read_latents(path, PLAN) is None
    assert read_latents(path, plan_digest(passes)) is not None


def test_nothing_saved(tmp_path: Path) -> None:
    assert read_latents(tmp_path / "none", PLAN) is None


@pytest.mark.parametrize("content", [b"", b"hello", b"\x10" + b"\0" * 7 + b"{}"])
def test_damage_means_from_the_start(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "1-a.safetensors"
    path.write_bytes(content)
    assert read_latents(path, PLAN) is None
    assert not path.exists()


def test_anything_that_changes_pixels_changes_the_name(
    tmp_path: Path, new_request: Callable[..., RenderRequest]
) -> None:
    def name(
        job_id: int = 5, weights: str = "ab", dtype: torch.dtype = torch.float32, **changes: object
    ) -> str:
        path = latents_path(tmp_path, job_id, new_request(**changes), weights_hash=weights, dtype=dtype)
        return path.name

    names = [
        name(),
        name(job_id=6),
        name(weights="cd"),
        name(dtype=torch.bfloat16),
        name(seed=8),
        name(prompt="sea"),
        name(num_inference_steps=10),
    ]
    assert len(set(names)) == len(names)
    assert name() == names[0]
    assert names[0].startswith("5-")


def test_other_jobs_are_forgotten(tmp_path: Path) -> None:
    for name in ("1-a.safetensors", "2-a.safetensors", "12-a.safetensors", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    assert forget_latents(tmp_path, keep_jobs={2}) == 2
    assert sorted(os.listdir(tmp_path)) == ["2-a.safetensors", "notes.txt"]
