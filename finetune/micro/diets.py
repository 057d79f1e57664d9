"""What the transformer is fed: which pictures, how many at once, whole or as windows; and how often each.

Composition is learnt where tokens are few (256 to 512 a picture). Larger pictures come at low noise alone, as they are
drawn anew from small ones; mostly as windows, at true positions and at the cost of smaller pictures. Small windows
show many scenes; among the tokens of a large picture, positions repeat, and only large windows teach what to look at.
"""

from __future__ import annotations

from dataclasses import dataclass

from finetune.micro.architecture import COMPOSED_PX


@dataclass(frozen=True, slots=True)
class Diet:
    """What a share of the steps is fed: pictures of these short sides, whole or in windows."""

    short_side_px: tuple[int, ...]
    batch: int
    early: float  # weight before COARSE_UNTIL of the budget
    late: float
    redrawn: bool = False  # at low noise alone
    window: int = 0  # its side, tokens; 0: pictures whole


COARSE_UNTIL = 0.5
COMPOSING = Diet((COMPOSED_PX,), 16, 0.95, 0.42)
DIETS: tuple[Diet, ...] = (
    COMPOSING,
    Diet((768, 1024), 4, 0.0, 0.14, redrawn=True),
    Diet((2048,), 1, 0.0, 0.14, redrawn=True),
    Diet((4096,), 1, 0.0, 0.008, redrawn=True),
    Diet((4096,), 1, 0.0, 0.1, redrawn=True, window=64),
    Diet((1024, 2048, 4096), 16, 0.05, 0.192, redrawn=True, window=16),
)
