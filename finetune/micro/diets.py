"""What the transformer is fed: which pictures, how many at once, whole or as windows; and how often each.

Composition is learnt where tokens are few (64 and 256 a picture), then carried to 1,024 and 4,096 tokens. Windows cut
from the largest latents, at their true positions and low noise, teach fine detail at a twentieth of the cost.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Diet:
    """What a share of the steps is fed: pictures of these short sides, whole or in 1,024 px windows."""

    short_side_px: tuple[int, ...]
    batch: int
    early: float  # weight before COARSE_UNTIL of the budget
    late: float
    window: bool = False


COARSE_UNTIL = 0.5
DIETS: tuple[Diet, ...] = (
    Diet((512,), 16, 0.85, 0.35),
    Diet((768, 1024), 6, 0.15, 0.40),
    Diet((2048,), 2, 0.0, 0.04),
    Diet((4096,), 1, 0.0, 0.01),
    Diet((2048, 4096), 6, 0.0, 0.20, window=True),
)
