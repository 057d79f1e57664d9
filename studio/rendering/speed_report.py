"""What a speed option gives and what it costs: the same picture drawn exactly and with it, on this machine.

Not here: the options (`finetune.drawing.speed_options`), the table (`studio.cli.speed`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.drawing.speed_names import SpeedOptions
from metrics.subbands import detail_energies, luma
from studio.memory.speeds import SpeedMeasurement
from studio.pipeline.draw import render
from studio.pipeline.opening import OpenedModel, device_name
from studio.render_request import RenderRequest

LEVELS = 3


@dataclass(frozen=True, slots=True)
class SpeedReport:
    """One option against the exact picture of the same request."""

    option: str
    """Empty for the exact one."""

    denoise_s: float
    speed_up: float
    psnr_db: float
    """Of the two pictures, peak 255; infinite where they are the same."""

    band_ratios: dict[str, float]
    """Haar detail energy, with the option over without: LH1 is the finest."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values; None for a PSNR without end."""
        return asdict(self) | {"psnr_db": None if math.isinf(self.psnr_db) else self.psnr_db}


def reports(opened: OpenedModel, request: RenderRequest, options: Sequence[str]) -> Iterator[SpeedReport]:
    """The exact picture's first, then each option's, all after one picture that nobody times.

    Options are timed in their second picture, since compiling happens in the first. Raises ValueError for one that
    this model or machine cannot have.
    """
    exact_request = replace(request, speed="")
    render(opened, exact_request)
    exact = render(opened, exact_request)
    exact_s = exact.timings_s["denoise"]
    yield SpeedReport("", exact_s, 1.0, math.inf, band_ratios(exact.image, exact.image))
    for option in options:
        render(opened, replace(request, speed=option))
        found = render(opened, replace(request, speed=option))
        yield SpeedReport(
            option,
            found.timings_s["denoise"],
            exact_s / found.timings_s["denoise"],
            psnr(found.image, exact.image),
            band_ratios(found.image, exact.image),
        )


def measured(found: SpeedReport, opened: OpenedModel, request: RenderRequest) -> SpeedMeasurement:
    """What this machine keeps of it."""
    shares = [ratio for ratio in found.band_ratios.values() if math.isfinite(ratio)] or [1.0]
    return SpeedMeasurement(
        time=round(time.time(), 1),
        device=device_name(opened.device),
        model=opened.entry.id,
        option=str(SpeedOptions.parse(found.option)),
        width_px=request.width_px,
        height_px=request.height_px,
        speed_up=found.speed_up,
        psnr_db=None if math.isinf(found.psnr_db) else found.psnr_db,
        detail=(min(shares), max(shares)),
    )


def psnr(image: NDArray[np.uint8], reference: NDArray[np.uint8]) -> float:
    """dB between two (H, W, 3) uint8 pictures, peak 255; infinite where they are the same."""
    error = np.mean((image.astype(np.float64) - reference) ** 2)
    return math.inf if error == 0 else float(10 * np.log10(255.0**2 / error))


def band_ratios(image: NDArray[np.uint8], reference: NDArray[np.uint8]) -> dict[str, float]:
    """Energy of each Haar detail band of luma, `image` over `reference`; 1 where both have none."""
    ratios = {}
    pairs = zip(
        detail_energies(luma(image), levels=LEVELS),
        detail_energies(luma(reference), levels=LEVELS),
        strict=True,
    )
    for level, (ours, theirs) in enumerate(pairs, start=1):
        for band in ("lh", "hl", "hh"):
            here, there = float(getattr(ours, band)), float(getattr(theirs, band))
            ratios[f"{band.upper()}{level}"] = here / there if there else 1.0 if not here else math.inf
    return ratios
