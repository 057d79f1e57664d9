"""Noise levels for drawing an enlarged picture anew. No torch.

Not here: the enlarged picture (`finetune.drawing.coarse_to_fine`).
"""

from __future__ import annotations

import math

MIN_REDRAW_STEPS = 4


def redraw_sigmas(num_steps: int, sigma: float) -> tuple[float, ...]:
    """Noise levels from `sigma` down, evenly and as densely as `num_steps` from 1; four at least."""
    count = max(MIN_REDRAW_STEPS, math.ceil(num_steps * sigma))
    return tuple(sigma * (count - i) / count for i in range(count))
