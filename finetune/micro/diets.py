"""What the transformer is fed: which pictures, how many at once, whole, as windows, or lifted; and how often each.

Composition is learnt where tokens are few (64 and 256 a picture), then carried to 1,024 and 4,096 tokens. Two cheap
diets help it there: windows cut from the largest latents, at their true positions and low noise, teach fine detail at
a twentieth of the cost; small pictures lifted to a large size, at noise that hides all detail, teach it many
compositions.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

LIFT_CHANNELS = 2  # luminance and colour of a block: all that lifting tells truly


@dataclass(frozen=True, slots=True)
class Diet:
    """What a share of the steps is fed: pictures of these short sides, whole, in 1,024 px windows, or lifted."""

    short_side_px: tuple[int, ...]
    batch: int
    early: float  # weight before COARSE_UNTIL of the budget
    late: float
    window: bool = False
    lift: int = 1  # how many times larger than rendered


COARSE_UNTIL = 0.61
DIETS: tuple[Diet, ...] = (
    Diet((512,), 16, 0.60, 0.25),
    Diet((768, 1024), 6, 0.40, 0.40),
    Diet((2048,), 2, 0.0, 0.05),
    Diet((4096,), 1, 0.0, 0.02),
    Diet((2048, 4096), 6, 0.0, 0.24, window=True),
    Diet((768, 1024), 2, 0.0, 0.02, lift=2),
    Diet((768, 1024), 1, 0.0, 0.02, lift=4),
)
# The small world is learnt at the size that pictures are composed at; larger ones are drawn anew from little noise.
WORLD_DIETS: tuple[Diet, ...] = (
    Diet((512,), 16, 0.08, 0.08),
    Diet((768, 1024), 6, 0.84, 0.70),
    Diet((2048, 4096), 6, 0.08, 0.20, window=True),
    Diet((768, 1024), 2, 0.0, 0.02, lift=2),
)


def lifted(latents: Tensor, times: int) -> Tensor:
    """What the same scene's smooth part would be at `times` the size: two components enlarged, no detail.

    latents: (N, 16, h, w) -> (N, 16, times h, times w).
    """
    large = F.interpolate(latents[:, :LIFT_CHANNELS], scale_factor=times, mode="bicubic")
    rest = large.new_zeros(len(latents), latents.shape[1] - LIFT_CHANNELS, *large.shape[2:])
    return torch.cat([large, rest], 1)
