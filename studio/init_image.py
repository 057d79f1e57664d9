"""The picture that a render begins from: which one, and how much of it is drawn anew. Standard library only.

Not here: its file (`studio.home.init_images`), drawing (`studio.pipeline.denoising`).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

MIN_STRENGTH, MAX_STRENGTH, USUAL_STRENGTH = 0.05, 0.95, 0.6
_ID = re.compile(r"[0-9a-f]{12}-[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class InitImage:
    """A picture that this studio keeps, and the noise level that drawing begins from (SDEdit, arXiv 2108.01073)."""

    id: str
    """Whose it is, and a digest of its file; see `studio.home.init_images.keep_init_image`."""

    strength: float = USUAL_STRENGTH
    """Low keeps the picture, high keeps little but its colours."""

    def __post_init__(self) -> None:
        if not isinstance(self.id, str) or not _ID.fullmatch(self.id):
            raise ValueError(
                f"an init image is named by the studio that keeps it, got {str(self.id)[:80]!r}; choose the file again"
            )
        if isinstance(self.strength, bool) or not isinstance(self.strength, int | float):
            raise ValueError(
                f"the strength must be a number, got {self.strength!r}; {USUAL_STRENGTH:g} is usual"
            )
        if not (math.isfinite(self.strength) and MIN_STRENGTH <= self.strength <= MAX_STRENGTH):
            raise ValueError(
                f"the strength of an init image must lie between {MIN_STRENGTH:g} and {MAX_STRENGTH:g}, "
                f"got {self.strength:g}; {USUAL_STRENGTH:g} is usual"
            )
        object.__setattr__(self, "strength", float(self.strength))
