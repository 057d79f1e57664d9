"""One step of the transformer's stage: what it is fed, where it runs, what moves."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from finetune.micro import architecture, bank, dit
from finetune.micro.clip import new_clip, new_tokenizer
from finetune.micro.codec import KEPT, Cascade
from finetune.micro.compiling import Forward, compile_blocks
from finetune.micro.diets import DIETS, Diet
from finetune.micro.latents import LatentFile, encode_bank, loaded, made
from finetune.micro.scenes.description import known_scenes, random_scene
from finetune.micro.training import training_device
from finetune.micro.world import World


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
    stage = dit.TransformerStage(World(latent_files(tmp_path, (512, 512)), new_clip(tokenizer), tokenizer))
    before = {name: tensor.clone() for name, tensor in stage.model.state_dict().items()}
    values = stage.step(0.02, torch.Generator().manual_seed(0))
    assert json.dumps(values)  # plain numbers: they are written to a log
    assert 0 < values["loss"] < 10
    moved = {n for n, t in stage.model.state_dict().items() if not torch.equal(t, before[n])}
    assert {"proj_out.weight", "pos_embed.proj.weight"} <= moved
    model, ema = stage.model.proj_out.weight, stage.ema.proj_out.weight
    assert 0 < (ema - before["proj_out.weight"]).abs().max() < (model - before["proj_out.weight"]).abs().max()


@pytest.mark.parametrize("diet", [diet for diet in DIETS if diet.window], ids=lambda diet: str(diet.window))
def test_a_window_is_cut_where_its_positions_say(tmp_path: Path, diet: Diet) -> None:
    side_px = diet.short_side_px[-1]
    tokenizer = new_tokenizer(tmp_path / "tokenizer")
    files = latent_files(tmp_path, (512, side_px))
    stage = dit.TransformerStage(World(files, new_clip(tokenizer), tokenizer))
    latents, files, corner = stage._latents(diet, random.Random(3))
    assert corner is not None
    step, side = architecture.PATCH, diet.window * architecture.PATCH
    top, left = ((place - (architecture.GRID - side_px // (16 * step)) // 2) * step for place in corner)
    expected = loaded(files[0])[:, top : top + side, left : left + side]
    assert expected.shape == (16, side, side)
    torch.testing.assert_close(latents[0], expected)


def test_terrains_with_more_scenes_are_not_drawn_more_often(tmp_path: Path) -> None:
    tokenizer = new_tokenizer(tmp_path / "tokenizer")
    (file,) = latent_files(tmp_path, (512,))
    files = [
        LatentFile(file.path, random_scene(seed, terrain=terrain), 512, 512)
        for terrain, count in (("forest", 30), ("sea", 1))
        for seed in range(count)
    ]
    stage = dit.TransformerStage(World(files, new_clip(tokenizer), tokenizer))
    drawn = stage._latents(DIETS[0], random.Random(0))[1] + stage._latents(DIETS[0], random.Random(1))[1]
    assert 8 <= sum(file.scene.terrain == "sea" for file in drawn) <= 24  # of 32


def test_the_transformer_is_fed_the_known_places_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, any_land = bank.Group(64, 64, 2, 5, known=True), bank.Group(64, 64, 2, 5)
    monkeypatch.setattr(bank, "GROUPS", (known, any_land))
    entries = bank.entries(tmp_path / "bank", made=False)
    assert [entry.scene for entry in entries] == [*known_scenes()[5:7], random_scene(5), random_scene(6)]
    for entry in entries:
        entry.path.parent.mkdir(parents=True, exist_ok=True)
        np.save(entry.path, np.full((64, 64, 3), 200, np.uint8))
    widths = (12, *KEPT)
    maps = [
        torch.full((kept, 4 * before), 1 / (4 * before)) for before, kept in zip(widths, KEPT, strict=False)
    ]
    cascade = Cascade((maps[0], maps[1], maps[2]), torch.zeros(KEPT[-1]))
    assert list(encode_bank(cascade, tmp_path / "bank", tmp_path / "latents")) == [(1, 2), (2, 2)]
    assert [file.scene for file in made(tmp_path / "bank", tmp_path / "latents")] == [*known_scenes()[5:7]]


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


def test_compiled_blocks_are_used_for_their_shape_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, ...]] = []

    def compiled(plain: Forward, **how: object) -> Forward:
        def quick(hidden_states: torch.Tensor, *rest: object, **named: object) -> object:
            seen.append(tuple(hidden_states.shape[:2]))
            return plain(hidden_states, *rest, **named)

        return quick

    monkeypatch.setattr(torch, "compile", compiled)
    model = architecture.new_transformer()
    compile_blocks(model, (2, 64), 40)

    def run(count: int, side: int, num_text_tokens: int) -> None:
        text = (
            torch.zeros(count, num_text_tokens, architecture.TEXT_WIDTH),
            torch.zeros(count, architecture.TEXT_WIDTH),
        )
        model(torch.zeros(count, 16, side, side), *text, torch.full((count,), 500.0))

    for other in ((1, 16, 40), (2, 32, 40), (2, 16, 288)):
        run(*other)
    assert not seen
    run(2, 16, 40)
    assert seen == [(2, 64)] * len(model.transformer_blocks)
