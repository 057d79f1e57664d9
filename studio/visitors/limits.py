"""What a visitor of a public host may ask for: size, steps, pictures, uploads, and how often. No torch.

Not here: the sizes that a model reaches (`studio.models.lookup`), whose jobs are whose (`studio.home.ownership`).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from studio.home.settings import Settings
from studio.models.catalogue import ModelEntry
from studio.pipeline.coarse_first import full_size_steps
from studio.render_request import RenderRequest

MAX_GPU_CALL_S = 300
"""Longest single use of a lent GPU that is granted; longer ones are refused after the wait."""

# One A100, bfloat16, F16 latents: the paper's table 5 at 4096 x 4096.
_PAPER_STEP_S = {"sd3": 1.16, "flux": 2.42}
_PAPER_MEGAPIXELS = 4096 * 4096 / 1e6
_MARGIN, _START_S = 1.5, 20.0


@dataclass(frozen=True, slots=True)
class VisitorLimits:
    """In the units of a request."""

    max_megapixels: float
    max_upload_mib: int
    max_steps: int = 50
    max_pictures: int = 4
    """Of one submission, and waiting at once."""

    max_per_hour: int = 30
    max_per_hour_of_address: int = 90
    """Of all visitors behind one address: who throws the cookie away begins no new hour."""

    max_per_hour_of_all: int = 240
    max_waiting_of_all: int = 40

    @classmethod
    def of(cls, settings: Settings) -> VisitorLimits | None:
        """None on one's own machine."""
        return cls(settings.max_megapixels, settings.max_upload_mib) if settings.hosted else None

    def sentence(self) -> str:
        """All of them, for the page."""
        return (
            f"On this public host: pictures up to {self.max_megapixels:g} megapixels and {self.max_steps} steps, "
            f"{self.max_pictures} waiting at once, {self.max_per_hour} an hour, uploads up to "
            f"{self.max_upload_mib} MiB; {self.max_per_hour_of_address} an hour from one address, "
            f"{self.max_per_hour_of_all} from all. Others cannot see your pictures; they stay with this browser's "
            "cookie. "
            "Training is the owner's alone: duplicate the Space, or run the studio on your own machine."
        )


class VisitorQuota:
    """Checks submissions against the limits and remembers how many there were. Safe from any thread."""

    def __init__(self, limits: VisitorLimits, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits, self._clock = limits, clock
        self._lock = threading.Lock()
        self._submitted: dict[str, deque[float]] = {}

    def admit(
        self,
        visitor: str,
        requests: Sequence[RenderRequest],
        *,
        waiting: int,
        waiting_of_all: int,
        address: str = "",
    ) -> None:
        """Count the submission in, or raise ValueError with the limit that it goes beyond.

        Args:
            address: Where the request came from, as far as that can be known; empty where it cannot.
            waiting: Jobs of this visitor's that wait or run.
            waiting_of_all: Of everybody's.
        """
        limits = self.limits
        for request in requests:
            if request.num_inference_steps > limits.max_steps:
                raise ValueError(
                    f"{request.num_inference_steps} steps were asked for, this host draws at most "
                    f"{limits.max_steps}; choose fewer"
                )
        if waiting + len(requests) > limits.max_pictures:
            raise ValueError(
                f"{waiting} of your pictures wait and {len(requests)} more were asked for, this host takes "
                f"{limits.max_pictures} at once; wait for one, or ask for fewer"
            )
        if waiting_of_all + len(requests) > limits.max_waiting_of_all:
            raise ValueError(f"{waiting_of_all} pictures wait here already; try again in some minutes")
        with self._lock:
            now = self._clock()
            self._forget(now)
            counted = [
                (f"visitor {visitor}", limits.max_per_hour, "each visitor"),
                ("all", limits.max_per_hour_of_all, "everybody together"),
            ]
            if address:
                counted.insert(1, (f"address {address}", limits.max_per_hour_of_address, "each address"))
            for key, most, whom in counted:
                before = self._submitted.get(key, deque())
                if len(before) + len(requests) > most:
                    minutes = 1 + int(3600 - (now - before[0])) // 60 if before else 60
                    raise ValueError(
                        f"this host draws {most} pictures an hour for {whom}; come back in {minutes} minutes, or "
                        "duplicate the Space"
                    )
            for key, _, _ in counted:
                self._submitted.setdefault(key, deque()).extend(now for _ in requests)

    def _forget(self, now: float) -> None:
        for key in list(self._submitted):
            times = self._submitted[key]
            while times and now - times[0] > 3600:
                times.popleft()
            if not times:
                del self._submitted[key]


def gpu_seconds(request: RenderRequest, entry: ModelEntry) -> int:
    """How long a lent GPU is asked for: the paper's speed by size and steps, with a margin. At least 30.

    Attention grows with the square of the tokens and the rest with the tokens, so the exponent lies between.
    Raises ValueError for more than MAX_GPU_CALL_S.
    """
    share = request.width_px * request.height_px / 1e6 / _PAPER_MEGAPIXELS
    latents = 1.0 if entry.autoencoder == "f16" else 4.0**1.5  # F8 has four times the tokens
    step_s = _PAPER_STEP_S[entry.family] * latents * share**1.5
    needed = max(30, round(_START_S + _MARGIN * step_s * full_size_steps(request, entry)))
    if needed > MAX_GPU_CALL_S:
        raise ValueError(
            f"{entry.title} at {request.width_px} x {request.height_px} in {request.num_inference_steps} steps needs "
            f"the GPU for about {needed} s, and it is lent for {MAX_GPU_CALL_S} s at most; choose fewer steps or "
            "a smaller size"
        )
    return needed
