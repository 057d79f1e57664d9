"""Positions that hold principal components of known layouts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from finetune.micro import architecture
from finetune.micro.latents import LatentFile
from finetune.micro.layouts import layout_places, principal_layouts, write_layouts
from finetune.micro.scenes.description import Terrain, random_scene

SIDE, TOKENS = 512 // 16, (512 // 16 // architecture.PATCH) ** 2


def scenes(folder: Path, sources: list[np.ndarray], terrain: Terrain = "sea") -> list[LatentFile]:
    """A file for each of these luminances (32, 32)."""
    files = []
    for seed, luminance in enumerate(sources):
        latents = np.zeros((16, SIDE, SIDE), np.float16)
        latents[0] = luminance
        np.save(path := folder / f"{terrain}-{seed}.npy", latents)
        files.append(LatentFile(path, random_scene(seed, terrain=terrain), 512, 512))
    return files


def test_layouts_of_a_world_of_two_are_those_two(tmp_path: Path) -> None:
    down, across = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    falling, rising = np.where(down > 0, 2.0, -2.0), np.where(across > 0, 1.0, -1.0)
    found = principal_layouts(scenes(tmp_path, [falling, rising]), architecture.PATCH, 2)
    torch.testing.assert_close(found.T @ found, TOKENS * torch.eye(2), rtol=1e-4, atol=1e-3)
    patch = architecture.PATCH
    for layout, source in zip(found.T, (falling, rising), strict=True):
        of_tokens = torch.from_numpy(source[::patch, ::patch].copy()).sign().float().flatten()
        assert abs(layout @ of_tokens) / TOKENS == pytest.approx(1, abs=1e-3)


def test_a_terrain_with_more_scenes_has_no_more_say(tmp_path: Path) -> None:
    down, across = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    many = scenes(tmp_path, [np.sign(down)] * 30, "forest")
    one = scenes(tmp_path, [1.5 * np.sign(across)], "sea")
    first = principal_layouts(many + one, architecture.PATCH, 1)[:, 0].view(16, 16)
    assert first[:, 0].mean().sign() != first[:, -1].mean().sign()
    torch.testing.assert_close(first[0], first[-1], rtol=1e-3, atol=1e-3)


def test_they_stand_where_a_small_picture_lies_and_leave_the_rest(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    files = scenes(tmp_path, [rng.normal(size=(SIDE, SIDE)) for _ in range(4)])
    model = architecture.new_transformer()
    before = model.pos_embed.pos_embed.clone()
    write_layouts(model, files)
    places = layout_places(model)
    others = [place for place in range(architecture.WIDTH) if place not in places]
    assert torch.equal(model.pos_embed.pos_embed[..., others], before[..., others])
    shown = model.pos_embed.cropped_pos_embed(SIDE, SIDE)[0][:, places]
    torch.testing.assert_close(shown, principal_layouts(files, architecture.PATCH, len(places)))
    written = model.pos_embed.pos_embed[..., places].abs().sum(-1) > 0
    assert written.sum() == TOKENS


def test_a_bank_without_small_scenes_is_refused(tmp_path: Path) -> None:
    (file,) = scenes(tmp_path, [np.zeros((SIDE, SIDE))])
    wide = LatentFile(file.path, file.scene, 1024, 512)
    with pytest.raises(ValueError, match="there is none"):
        principal_layouts([wide], architecture.PATCH, 4)
