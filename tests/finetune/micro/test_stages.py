"""One step of the transformer's stage: what it is fed, where it runs, what moves."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from finetune.micro import dit
from finetune.micro.clip import new_clip, new_tokenizer
from finetune.micro.diets import DIETS
from finetune.micro.latents import LatentFile
from finetune.micro.scenes.description import random_scene
from finetune.micro.training import training_device


def latent_files(folder: Path, sides_px: tuple[int, ...]) -> list[LatentFile]:
    """A file of white latents for each side."""
    made = []
    for seed, side in enumerate(sides_px):
        path = folder / f"{seed}.npy"
        white = np.random.default_rng(seed).normal(size=(16, side // 16, side // 16))
        np.save(path, white.astype(np.float16))
        made.append(LatentFile(path, random_scene(seed), side, side))
    return made


def test_a_step_moves_the_model_and_its_average_follows(tmp_path: Path) -> None:
    tokenizer = new_tokenizer(tmp_path / "tokenizer")
    stage = dit.TransformerStage(latent_files(tmp_path, (512, 512)), new_clip(tokenizer), tokenizer)
    before = {name: tensor.clone() for name, tensor in stage.model.state_dict().items()}
    values = stage.step(0.02, torch.Generator().manual_seed(0))
    assert json.dumps(values)  # plain numbers: they are written to a log
    assert 0 < values["loss"] < 10
    moved = {n for n, t in stage.model.state_dict().items() if not torch.equal(t, before[n])}
    assert {"proj_out.weight", "pos_embed.proj.weight"} <= moved
    model, ema = stage.model.proj_out.weight, stage.ema.proj_out.weight
    assert 0 < (ema - before["proj_out.weight"]).abs().max() < (model - before["proj_out.weight"]).abs().max()


def test_a_window_is_cut_where_its_positions_say(tmp_path: Path) -> None:
    tokenizer = new_tokenizer(tmp_path / "tokenizer")
    stage = dit.TransformerStage(latent_files(tmp_path, (2048,)), new_clip(tokenizer), tokenizer)
    diet = next(diet for diet in DIETS if diet.window)
    latents, files, corner = stage._latents(diet, random.Random(3))
    assert corner is not None
    rows = (2048 // 64, dit.GRID)
    top, left = (place - (rows[1] - rows[0]) // 2 for place in corner)
    whole = dit.loaded(files[0])
    step = dit.PATCH
    expected = whole[:, top * step : top * step + 64, left * step : left * step + 64]
    torch.testing.assert_close(latents[0], expected)


def test_a_gpu_is_asked_for_by_name_or_left_to_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert training_device().type == training_device("cpu").type == "cpu"
    with pytest.raises(ValueError, match="torch finds no GPU"):
        training_device("cuda")
    with pytest.raises(ValueError, match="auto, cpu or cuda"):
        training_device("gpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert training_device().type == training_device("cuda").type == "cuda"
    assert training_device("cpu").type == "cpu"
