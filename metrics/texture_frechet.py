"""A Frechet distance of texture that needs no weights: how patches at 1:1 differ from a reference set's. Ours.

A patch of 256 px is 16 numbers: log energies of three Haar levels and three bands, and seven co-occurrence properties.
It says how detail is distributed, and nothing of what is shown. Not here: the distance itself (`metrics.frechet`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metrics.frechet import GaussianStatistics, frechet_distance
from metrics.glcm_properties import PROPERTIES, glcm_properties
from metrics.subbands import detail_energies, luma

PATCH_PX, LEVELS = 256, 3
FEATURES: tuple[str, ...] = (
    *(f"log_energy_{band}_{level}" for level in range(1, LEVELS + 1) for band in ("lh", "hl", "hh")),
    *(f"glcm_{name}" for name in PROPERTIES),
)
# One step of each feature on photographs, about: so that none outweighs the others by its unit alone.
_SCALES = np.array([1.0] * (3 * LEVELS) + [1.5, 40.0, 2.5, 0.15, 0.15, 0.2, 0.1])
_HARALICK = ((0, 1), (1, 1), (1, 0), (1, -1))


def texture_features(image: NDArray[np.uint8], *, max_patches: int = 64) -> NDArray[np.float64]:
    """(patches, 16) of a picture: whole patches side by side from the top left, at most `max_patches`, evenly chosen.

    image: (H, W, 3) RGB, uint8. Energies are natural logarithms of (mean square + 0.01 squared grey levels).

    Raises:
        ValueError: not (H, W, 3) uint8, or no whole patch.
    """
    grey = luma(image)
    rows, columns = grey.shape[0] // PATCH_PX, grey.shape[1] // PATCH_PX
    if not rows * columns:
        raise ValueError(
            f"the picture is {grey.shape[1]} x {grey.shape[0]} px; texture features need {PATCH_PX} x {PATCH_PX}"
        )
    count = min(max_patches, rows * columns)
    found = []
    for index in (i * rows * columns // count for i in range(count)):
        top, left = index // columns * PATCH_PX, index % columns * PATCH_PX
        place = (slice(top, top + PATCH_PX), slice(left, left + PATCH_PX))
        energies = np.array(detail_energies(np.ascontiguousarray(grey[place]), levels=LEVELS)).ravel()
        properties = glcm_properties(np.ascontiguousarray(image[place]), offsets=_HARALICK)
        found.append([*np.log(energies + 0.01), *(properties[name] for name in PROPERTIES)])
    return np.array(found) / _SCALES


def texture_frechet(ours: GaussianStatistics, reference: GaussianStatistics) -> float:
    """Frechet distance of two sets' texture features; 0 for equal distributions, lower is nearer."""
    return frechet_distance(ours, reference)
