"""The stage without attention: what it learns, what it hands on; and the loss that it shares with the blocks' stage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from finetune.micro import architecture, dit, tokenwise
from finetune.micro.clip import new_clip, new_tokenizer
from finetune.micro.flow_loss import LOW_BANDS, banded_loss
from finetune.micro.latents import LatentFile
from finetune.micro.scenes.description import random_scene
from finetune.micro.training import save_checkpoint
from finetune.micro.world import World


def two_worlds(folder: Path) -> list[LatentFile]:
    """A sea that is bright above and a forest that is bright below, 512 px, under white grain."""
    files, rng = [], np.random.default_rng(0)
    for terrain, sign in (("sea", 1.0), ("forest", -1.0)):
        latents = rng.normal(0, 0.3, (16, 32, 32)).astype(np.float16)
        latents[0, :16] += sign
        latents[0, 16:] -= sign
        np.save(path := folder / f"{terrain}.npy", latents)
        files.append(LatentFile(path, random_scene(3, terrain=terrain), 512, 512))
    return files


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tokenwise.TokenwiseStage:
    monkeypatch.setattr(tokenwise, "BATCHES", (8, 4))
    tokenizer = new_tokenizer(tmp_path / "tokenizer")
    stage = tokenwise.TokenwiseStage(
        World(two_worlds(tmp_path), new_clip(tokenizer), tokenizer), torch.device("cpu")
    )
    said = torch.zeros(2, 1, architecture.TEXT_WIDTH)
    said[0, :, ::2] = said[1, :, 1::2] = 1.0  # a CLIP that was trained tells a sea from a forest
    stage.pooled = said.expand_as(stage.pooled)
    return stage


@torch.no_grad()
def seen_from_noise(stage: tokenwise.TokenwiseStage, file: int) -> float:
    """How much the luminance seen at white noise is like a file's: 1 is all of it, 0 none, negative its opposite."""
    noise = torch.randn(8, 16, 32, 32, generator=torch.Generator().manual_seed(1))
    text = torch.zeros(8, 1, architecture.TEXT_WIDTH), stage.pooled[file]
    velocity = stage.model(noise, *text, torch.full((8,), 1000.0), return_dict=False)[0]
    wanted = stage.latents[file, 0].float()
    return float(((noise - velocity)[:, 0].mean(0) * wanted).mean() / wanted.square().mean())


def test_words_soon_decide_what_is_seen_in_white_noise(stage: tokenwise.TokenwiseStage) -> None:
    assert [abs(seen_from_noise(stage, file)) < 0.1 for file in (0, 1)] == [True, True]
    for step in range(200):
        stage.step(0.1, torch.Generator().manual_seed(step))
    assert min(seen_from_noise(stage, file) for file in (0, 1)) > 0.5


def moved(stage: tokenwise.TokenwiseStage, progress: float) -> set[str]:
    """Names of the weights that a step moves."""
    before = {name: weight.clone() for name, weight in stage.model.state_dict().items()}
    stage.step(progress, torch.Generator().manual_seed(0))
    return {
        name for name, weight in stage.model.state_dict().items() if not torch.equal(weight, before[name])
    }


def test_the_blocks_feed_forward_comes_in_later(stage: tokenwise.TokenwiseStage) -> None:
    early, late = moved(stage, 0.1), moved(stage, 0.6)
    assert "proj_out.weight" in early & late
    assert not any(name.startswith(architecture.BLOCKS) for name in early)
    # Gates begin closed: what they let through moves after them.
    assert any(".norm1.linear." in name for name in late)


def test_a_larger_budget_takes_nothing_back(stage: tokenwise.TokenwiseStage) -> None:
    stage.step(0.6, torch.Generator().manual_seed(0))
    assert any(name.startswith(architecture.BLOCKS) for name in moved(stage, 0.3))
    assert all(group["lr"] > 0 for optimizer in stage.optimizers.values() for group in optimizer.param_groups)


def test_what_it_learnt_is_where_attention_begins(stage: tokenwise.TokenwiseStage, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="run its stage first"):
        tokenwise.tokenwise_weights(tmp_path)
    stage.step(0.6, torch.Generator().manual_seed(0))
    save_checkpoint(stage, tmp_path / "tokenwise.pt", 1, 1.0)
    tokenizer = new_tokenizer(tmp_path / "tokenizer")
    whole = dit.TransformerStage(
        World(two_worlds(tmp_path), new_clip(tokenizer), tokenizer),
        torch.device("cpu"),
        begun=tokenwise.tokenwise_weights(tmp_path),
    )
    learnt = stage.model.state_dict()
    assert all(torch.equal(whole.model.state_dict()[name], tensor) for name, tensor in learnt.items())
    assert all(torch.equal(whole.ema.state_dict()[name], tensor) for name, tensor in learnt.items())
    whole.step(0.02, torch.Generator().manual_seed(0))
    blocks, rest = (group["lr"] for group in whole.optimizers["model"].param_groups)
    assert rest == pytest.approx(dit.REST_SHARE * blocks)


@pytest.mark.parametrize("change", ["renamed", "lost", "of another width"])
def test_weights_of_another_recipe_are_refused(
    stage: tokenwise.TokenwiseStage, tmp_path: Path, change: str
) -> None:
    begun = stage.model.state_dict()
    weight = begun.pop("proj_out.weight")
    if change != "lost":
        begun |= {"renamed": weight} if change == "renamed" else {"proj_out.weight": weight[:, :64]}
    tokenizer = new_tokenizer(tmp_path / "tokenizer")
    with pytest.raises(ValueError, match="run --stage tokenwise anew"):
        dit.TransformerStage(World([], new_clip(tokenizer), tokenizer), begun=begun)


def test_the_loss_by_hand() -> None:
    checkers = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(8, 8)[None, None]
    assert banded_loss(checkers).item() == pytest.approx(1.0)  # no mean over a square is seen
    constant = torch.full((1, 1, 16, 16), 0.5)
    assert banded_loss(constant).item() == pytest.approx(0.25 * (1 + sum(weight for _, weight in LOW_BANDS)))
    blocks = checkers[..., :8, :8].repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert banded_loss(blocks).item() == pytest.approx(1 + LOW_BANDS[0][1])
