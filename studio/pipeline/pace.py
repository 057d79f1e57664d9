"""How quickly a render goes, and how long it will take."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from statistics import median

RECENT_STEPS = 8


class Pace:
    """Times the steps of one render. The median is not led astray by a slow first step."""

    def __init__(
        self,
        num_steps: int,
        decode_s_per_megapixel: float | None,
        *,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._decode_s_per_megapixel = decode_s_per_megapixel
        self._recent: deque[float] = deque(maxlen=min(num_steps, RECENT_STEPS))
        self._last: float | None = None
        self._clock = clock

    def begin(self) -> None:
        """The first step starts now."""
        self._last = self._clock()

    def step_done(self) -> None:
        now = self._clock()
        if self._last is not None:
            self._recent.append(now - self._last)
        self._last = now

    @property
    def seconds_per_step(self) -> float | None:
        return median(self._recent) if self._recent else None

    def decode_s(self, size: tuple[int, int]) -> float | None:
        """What decoding (width_px, height_px) will take, if this model has decoded before."""
        if self._decode_s_per_megapixel is None:
            return None
        return self._decode_s_per_megapixel * size[0] * size[1] / 1e6

    def seconds_left(self, num_steps_left: int, size: tuple[int, int]) -> float | None:
        """Of the remaining steps and, where it is known, the decoding."""
        if self.seconds_per_step is None:
            return None
        decode_s = self.decode_s(size)
        return num_steps_left * self.seconds_per_step + (0.0 if decode_s is None else decode_s)
