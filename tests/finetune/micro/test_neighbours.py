"""Heads that begin by looking at a neighbour do look there."""

from __future__ import annotations

import pytest
import torch

from finetune.micro import architecture
from finetune.micro.copying import begin_by_copying
from finetune.micro.neighbours import STEPS, look_at_neighbours

SIDE = 8


def scores(block: int, head: int) -> torch.Tensor:
    """Of every query over every key, in a picture of 8 x 8 tokens of noise."""
    torch.manual_seed(0)
    model = architecture.new_transformer().eval()
    begin_by_copying(model, torch.ones(16, architecture.PATCH**2))
    look_at_neighbours(model)
    with torch.inference_mode():
        stream = model.pos_embed(torch.randn(1, 16, architecture.PATCH * SIDE, architecture.PATCH * SIDE))
        layer = model.transformer_blocks[block]
        stream = torch.nn.functional.layer_norm(stream, stream.shape[-1:])
        place = slice(head * 64, head * 64 + 64)
        query = layer.attn.norm_q(layer.attn.to_q(stream)[..., place])
        key = layer.attn.norm_k(layer.attn.to_k(stream)[..., place])
        return (query @ key.mT)[0] / 8


@pytest.mark.parametrize("head", range(len(STEPS)))
def test_a_head_looks_at_its_neighbour(head: int) -> None:
    down, right = STEPS[head]
    best = scores(block=0, head=head).argmax(-1)
    for row in range(1, SIDE - 1):
        for column in range(1, SIDE - 1):
            assert best[row * SIDE + column] == (row + down) * SIDE + column + right


def test_a_wide_head_falls_off_slowly() -> None:
    wide, sharp = (scores(block, 0).softmax(-1).diagonal().mean() for block in (1, 0))
    assert sharp > 3 * wide > 3 / SIDE**2
