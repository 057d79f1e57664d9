"""Scores of one picture by name: every metric that needs no weights, parts that several share computed once.

Not here: reading files (`metrics.pictures`), metrics with weights (`clip_score`, `aesthetics`), sets (`frechet`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from metrics.artefacts import Artefact, find_artefacts
from metrics.catalogue import CARDS, ENERGY_LEVELS, card
from metrics.compression import JpegSettings, compression_ratio
from metrics.effective_resolution import effective_resolution
from metrics.glcm import glcm_score
from metrics.glcm_properties import glcm_properties
from metrics.spectrum import radial_spectrum
from metrics.subbands import DetailEnergies, detail_energies, luma


@dataclass(frozen=True, slots=True)
class Score:
    """A value with its unit."""

    metric: str
    value: float
    unit: str


class _Measured:
    """One picture; what several metrics need is computed when the first one asks."""

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        self.pixels = pixels

    @cached_property
    def grey(self) -> NDArray[np.float32]:
        return luma(self.pixels)

    @cached_property
    def properties(self) -> dict[str, float]:
        return glcm_properties(self.pixels)

    @cached_property
    def energies(self) -> tuple[DetailEnergies, ...]:
        return detail_energies(self.grey, levels=ENERGY_LEVELS)

    @cached_property
    def artefacts(self) -> dict[str, Artefact]:
        return {artefact.kind: artefact for artefact in find_artefacts(self.pixels)}


def _energy(band: str, level: int) -> Callable[[_Measured], float]:
    return lambda m: float(getattr(m.energies[level - 1], band))


def _property(name: str) -> Callable[[_Measured], float]:
    return lambda m: m.properties[name]


def _artefact(kind: str) -> Callable[[_Measured], float]:
    return lambda m: m.artefacts[kind].score


_ARTEFACTS = ("stripes", "grid", "seam")


def _metrics() -> dict[str, Callable[[_Measured], float]]:
    found: dict[str, Callable[[_Measured], float]] = {
        "glcm_score": lambda m: glcm_score(m.pixels),
        "glcm_entropy": lambda m: m.properties["entropy"],  # the same number as glcm.glcm_entropy, shared
        "compression_ratio": lambda m: compression_ratio(m.pixels),
        "compression_ratio_444": lambda m: compression_ratio(m.pixels, JpegSettings(subsampling="4:4:4")),
        "effective_resolution": lambda m: effective_resolution(m.pixels).scale,
        "spectrum_slope": lambda m: radial_spectrum(m.grey).slope,
    }
    for entry in CARDS:
        kind, _, rest = entry.name.partition("_")
        if entry.name in found:
            continue
        if kind == "glcm":
            found[entry.name] = _property(rest)
        elif kind == "energy":
            band, _, level = rest.partition("_")
            found[entry.name] = _energy(band, int(level))
        elif entry.name in _ARTEFACTS:
            found[entry.name] = _artefact(entry.name)
    return found


_FUNCTIONS = _metrics()

WEIGHT_FREE: tuple[str, ...] = tuple(entry.name for entry in CARDS if entry.name in _FUNCTIONS)
"""Metrics of a single picture that need nothing but the picture, in the catalogue's order."""


LEARNED = ("clip_score", "clip_score[micro]", "aesthetics")
"""Metrics of a single picture that need a network (`metrics.learned`)."""


def score_picture(pixels: NDArray[np.uint8], *, metrics: Sequence[str] = WEIGHT_FREE) -> dict[str, Score]:
    """Score (H, W, 3) uint8 RGB, by name and in the order asked.

    Raises:
        ValueError: an unknown name, one that needs weights or a second set, or a picture too small for a metric.
    """
    found, missing = score_what_fits(pixels, metrics=metrics)
    for reason in missing.values():
        raise ValueError(reason)
    return found


def score_what_fits(
    pixels: NDArray[np.uint8], *, metrics: Sequence[str] = WEIGHT_FREE
) -> tuple[dict[str, Score], dict[str, str]]:
    """As `score_picture`, but a metric that the picture is too small for is left out: (scores, reasons by metric).

    Raises:
        ValueError: an unknown name, or one that needs weights or a second set.
    """
    for name in metrics:
        entry = card(name)
        if name not in _FUNCTIONS:
            wanted = f"needs {entry.needs}" if entry.needs else f"is of a {entry.scope}"
            raise ValueError(f"{name} {wanted}; of a picture alone there are {', '.join(WEIGHT_FREE)}")
    measured = _Measured(pixels)
    shared: dict[str, list[str]] = {}
    for name in metrics:
        shared.setdefault(_part(name), []).append(name)
    if {"energies", "spectrum_slope"} & shared.keys():
        _ = measured.grey
    found: dict[str, float] = {}
    missing: dict[str, str] = {}

    def measure(part: str) -> None:
        for name in shared[part]:
            try:
                found[name] = _FUNCTIONS[name](measured)
            except ValueError as error:
                missing[name] = str(error)

    # Two at a time: each has stretches on one core, such as a JPEG encoder, which the other fills.
    with ThreadPoolExecutor(2) as pool:
        for _ in pool.map(measure, sorted(shared, key=_LONGEST_FIRST.__contains__, reverse=True)):
            pass
    scores = {name: Score(name, found[name], card(name).unit) for name in metrics if name in found}
    return scores, {name: missing[name] for name in metrics if name in missing}


_LONGEST_FIRST = ("artefacts", "effective_resolution", "properties", "glcm_score")


def _part(metric: str) -> str:
    """What metrics are computed from together; each part is measured by one thread."""
    kind = metric.partition("_")[0]
    if kind == "energy":
        return "energies"
    if kind == "glcm" and metric != "glcm_score":
        return "properties"
    return "artefacts" if metric in _ARTEFACTS else metric
