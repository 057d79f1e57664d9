"""Which noise levels the bundled transformer is trained at."""

from __future__ import annotations

import pytest
import torch

from finetune.micro import noise_levels


def many(num_tokens: int, *, redrawn: bool = False) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    drawn = [noise_levels.drawn_sigmas(8, num_tokens, generator, redrawn=redrawn) for _ in range(400)]
    assert drawn[0].shape == (8, 1, 1, 1)
    sigma = torch.cat(drawn).flatten()
    assert 0 < sigma.min() < sigma.max() < 1
    return sigma


def test_what_is_redrawn_is_never_composed() -> None:
    assert many(16384, redrawn=True).max() <= noise_levels.REDRAWN_BELOW


@pytest.mark.parametrize(("num_tokens", "depth"), [(256, 0.1), (1024, 0.05), (4096, 0.025)])
def test_many_lie_where_a_scene_is_decided_and_some_everywhere(num_tokens: int, depth: float) -> None:
    sigma = many(num_tokens)
    undecided = (sigma > 1 - depth).float().mean()
    assert noise_levels.UNDECIDED_SHARE < undecided < noise_levels.UNDECIDED_SHARE + 0.2
    even = (1 - noise_levels.UNDECIDED_SHARE) * noise_levels.EVEN_SHARE
    assert (sigma < 0.25).float().mean() > 0.25 * even
