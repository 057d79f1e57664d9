"""All numbers of a whole picture, on its master array, computed once. Plain values; chips and plots are the page's.

Metrics are imported when they measure first: their compiler costs the page a third of a second at its start.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from metrics.score_table import how_measured
from studio.inspection.opened import Opened, Subject

if TYPE_CHECKING:
    from metrics.artefacts import Artefact
    from metrics.effective_resolution import EffectiveResolution
    from metrics.spectrum import RadialSpectrum
    from metrics.subbands import DetailEnergies

T = TypeVar("T")
ENERGY_LEVELS = 5
KEPT_PICTURES = 32


@dataclass(frozen=True, slots=True, eq=False)
class PictureNumbers:
    """What one picture measures."""

    scores: dict[str, float]
    """By the names of `metrics.evaluate.WEIGHT_FREE`; those that a small picture cannot have are missing."""

    missing: dict[str, str]
    """Why, one sentence each, for scores that are not there."""

    artefacts: tuple[Artefact, ...]
    """One of each kind; empty for a picture too small to tell."""

    resolution: EffectiveResolution | None
    """None for a picture too small to tell."""

    spectrum: RadialSpectrum | None
    energies: tuple[DetailEnergies, ...]
    """Finest level first, up to five."""

    def to_json(self) -> dict[str, Any]:
        return {
            "scores": self.scores,
            "metrics": {name: how_measured(name) for name in self.scores},
            "missing": self.missing,
            "artefacts": [asdict(one) for one in self.artefacts],
            "effective_resolution": None if self.resolution is None else asdict(self.resolution),
            "energies": [bands._asdict() for bands in self.energies],
            "radial_spectrum": None
            if self.spectrum is None
            else {
                "slope": self.spectrum.slope,
                "frequency": self.spectrum.frequency.tolist(),
                "power": self.spectrum.power.tolist(),
            },
        }


class Numbers:
    """Measures opened pictures, each once. Safe from any thread; one at a time, since each uses every core."""

    def __init__(self, opened: Opened) -> None:
        self.opened = opened
        self._measuring = threading.Lock()
        self._known: OrderedDict[str, PictureNumbers] = OrderedDict()

    def of(self, subject: Subject) -> PictureNumbers:
        """Raises ValueError if the file can no longer be read."""
        with self._measuring:
            found = self._known.get(subject.id)
            if found is None:
                found = self._known[subject.id] = measure_picture(self.opened.pixels(subject))
                if len(self._known) > KEPT_PICTURES:
                    self._known.popitem(last=False)
            return found


def measure_picture(pixels: NDArray[np.uint8]) -> PictureNumbers:
    """Measure (H, W, 3) uint8 of any size; what a small picture cannot have is left out, with the reason."""
    from metrics.artefacts import find_artefacts
    from metrics.effective_resolution import effective_resolution
    from metrics.evaluate import WEIGHT_FREE, score_picture
    from metrics.spectrum import radial_spectrum
    from metrics.subbands import detail_energies, luma

    missing: dict[str, str] = {}

    def attempt(name: str, measure: Callable[[], T]) -> T | None:
        try:
            return measure()
        except ValueError as error:  # too small for this one; the others still tell something
            missing[name] = str(error)
            return None

    grey = luma(pixels)
    levels = min(ENERGY_LEVELS, max(1, min(grey.shape).bit_length() - 1))
    spectrum = attempt("spectrum_slope", lambda: radial_spectrum(grey))
    energies = attempt("energies", lambda: detail_energies(grey, levels=levels))
    resolution = attempt("effective_resolution", lambda: effective_resolution(pixels))
    artefacts = attempt("artefacts", lambda: find_artefacts(pixels))
    found: dict[str, float] = {}
    if spectrum is not None:
        found["spectrum_slope"] = spectrum.slope
    if resolution is not None:
        found["effective_resolution"] = resolution.scale
    found |= {one.kind: one.score for one in artefacts or ()}
    for level, bands in enumerate(energies or (), 1):
        found |= {f"energy_{band}_{level}": value for band, value in bands._asdict().items()}
    textures = tuple(name for name in WEIGHT_FREE if name.startswith("glcm_") and name != "glcm_score")
    for group in (("glcm_score",), textures, ("compression_ratio", "compression_ratio_444")):
        scored = attempt(group[0], lambda group=group: score_picture(pixels, metrics=group))  # type: ignore[misc]
        found |= {name: score.value for name, score in (scored or {}).items()}
    scores = {name: found[name] for name in WEIGHT_FREE if name in found}
    return PictureNumbers(scores, missing, tuple(artefacts or ()), resolution, spectrum, energies or ())
