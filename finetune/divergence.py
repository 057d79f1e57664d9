"""Noticing that a run has gone wrong: a loss that is no number, or far above where it began."""

from __future__ import annotations

import math
from collections.abc import Iterable

DIVERGED_TIMES, WINDOW_STEPS = 10.0, 20


class Diverged(ValueError):
    """A sentence with the step, the noise level and the remedy."""


class DivergenceWatch:
    """Compares the last 20 losses with the first 20."""

    def __init__(self, losses: Iterable[float] = ()) -> None:
        """`losses` are those of the steps already done, in order."""
        self._first: list[float] = []
        self._last: list[float] = []
        for loss in losses:
            self._take(loss)

    def check(self, loss: float, where: str) -> None:
        """Take the loss of one more step; raises Diverged. `where` names step and sigma."""
        if not math.isfinite(loss):
            raise Diverged(f"the loss is {loss} at {where}")
        self._take(loss)
        if len(self._last) == WINDOW_STEPS:
            times = sum(self._last) / max(sum(self._first), 1e-12)
            if times > DIVERGED_TIMES:
                raise Diverged(f"the loss has grown to {times:.0f} times what it was at first, at {where}")

    def _take(self, loss: float) -> None:
        if len(self._first) < WINDOW_STEPS:
            self._first.append(loss)
        else:
            self._last = [*self._last[-(WINDOW_STEPS - 1) :], loss]
