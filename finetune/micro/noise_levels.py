"""Noise levels that the transformer is trained at: where a picture's composition, its shapes and its grain are decided.

sigma is 0 at the picture and 1 at white noise (rectified flow).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from finetune.micro.architecture import COMPOSED_TOKENS

COMPOSING_SHIFT = 2.8
"""How much training leans to noise: a smooth scene shows through it until it is nearly all there is."""

EVEN_SHARE = 0.3  # drawn evenly: shapes inside a token and fine grain live below 0.4
# Which scene it becomes is decided above 0.9 at COMPOSED_TOKENS: from there on it shows through. Of a shifted logit
# normal one in twenty-five lies there, and after 5,400 steps words did not decide where a ridge or the sun stands.
UNDECIDED_SHARE, UNDECIDED_DEPTH = 0.2, 0.1
REDRAWN_BELOW = 0.6
"""Larger pictures are drawn anew from less noise than this; above it the small one is composed."""


def drawn_sigmas(
    count: int,
    num_tokens: int,
    generator: torch.Generator,
    *,
    redrawn: bool = False,
    undecided: float = UNDECIDED_SHARE,
) -> Tensor:
    """For `count` pictures of `num_tokens` each: (count, 1, 1, 1), in (0, 1).

    Logit-normal and shifted, even, or where the scene is decided (a share of `undecided`). If `redrawn`: low ones.
    """
    u = (torch.arange(count) + torch.rand(count, generator=generator)) / count  # spread over the batch
    if redrawn:
        return (REDRAWN_BELOW * u).view(-1, 1, 1, 1)
    normal = torch.sigmoid(torch.special.ndtri(u.clamp(1e-4, 1 - 1e-4)))
    sigma = COMPOSING_SHIFT * normal / (1 + (COMPOSING_SHIFT - 1) * normal)
    even, high, below = (torch.rand(count, generator=generator) for _ in range(3))
    sigma = torch.where(even < EVEN_SHARE, u.flip(0), sigma)
    # Averaged over more tokens the scene shows at more noise: as the square root of their number.
    depth = UNDECIDED_DEPTH * math.sqrt(COMPOSED_TOKENS / num_tokens)
    sigma = torch.where(high < undecided, 1 - depth * below.clamp(1e-4), sigma)
    return sigma.view(-1, 1, 1, 1)
