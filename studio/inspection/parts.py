"""One part of a picture, measured: co-occurrence, grey levels, spectrum, scores. Plain arrays; plots are the page's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PATCH_PX = 64
DISTANCES = (1, 2, 3, 4)
ANGLES_DEG = (0, 45, 90, 135)


@dataclass(frozen=True, slots=True)
class Box:
    """A part of a picture in whole pixels."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True, eq=False)
class PartReport:
    """What one part measures."""

    box: Box
    matrices: NDArray[np.float64]
    """(4 distances, 4 angles, 64, 64): shares of pixel pairs."""

    histogram: NDArray[np.int64]
    """(256,) pixels of each luma level."""

    frequency: NDArray[np.float64]
    power: NDArray[np.float64]
    """Radial spectrum; empty for a part below 32 px a side."""

    scores: dict[str, float]
    """By the catalogue's names, and the mean and deviation of luma. `glcm_score` needs a whole patch of 64 px."""


def patch_at(x: int, y: int, width_px: int, height_px: int) -> Box:
    """The 64 px patch of the published grid that holds a pixel; near the far edges, the last that fits."""
    side_x, side_y = min(PATCH_PX, width_px), min(PATCH_PX, height_px)
    left = min(max(0, x) // PATCH_PX * PATCH_PX, width_px - side_x)
    top = min(max(0, y) // PATCH_PX * PATCH_PX, height_px - side_y)
    return Box(left, top, side_x, side_y)


def clamped(box: Box, width_px: int, height_px: int) -> Box:
    """The part of a box that lies in the picture.

    Raises:
        ValueError: less than 8 px a side is left.
    """
    left, top = max(0, box.x), max(0, box.y)
    right, bottom = min(width_px, box.x + box.width), min(height_px, box.y + box.height)
    if min(right - left, bottom - top) < 8:
        raise ValueError(
            f"a part of {max(0, right - left)} x {max(0, bottom - top)} px is too small to measure; "
            "drag a rectangle of at least 8 x 8"
        )
    return Box(left, top, right - left, bottom - top)


def offset(distance: int, angle_deg: int) -> tuple[int, int]:
    """(dy, dx) as scikit-image rounds it; y grows downward."""
    angle = np.deg2rad(angle_deg)
    return round(float(np.sin(angle)) * distance), round(float(np.cos(angle)) * distance)


def measure_part(pixels: NDArray[np.uint8], box: Box) -> PartReport:
    """Measure a part of (H, W, 3) uint8, at least 8 px a side."""
    from metrics.glcm import glcm_score
    from metrics.glcm_properties import glcm_properties, patch_matrices
    from metrics.spectrum import MIN_SIDE_PX, radial_spectrum
    from metrics.subbands import detail_energies, luma

    part = np.ascontiguousarray(pixels[box.y : box.y + box.height, box.x : box.x + box.width])
    offsets = [offset(distance, angle) for distance in DISTANCES for angle in ANGLES_DEG]
    matrices = patch_matrices(part, offsets=offsets).reshape(len(DISTANCES), len(ANGLES_DEG), 64, 64)
    grey = luma(part)
    side = min(box.width, box.height)
    scores = {"glcm_score": glcm_score(part)} if side >= PATCH_PX else {}
    properties = glcm_properties(part, offsets=offsets, window_px=min(PATCH_PX, side))
    scores |= {f"glcm_{name}": value for name, value in properties.items()}
    scores |= {"mean": float(grey.mean(dtype=np.float64)), "deviation": float(grey.std(dtype=np.float64))}
    levels = min(3, side.bit_length() - 1)
    for level, bands in enumerate(detail_energies(grey, levels=levels), 1):
        scores |= {f"energy_{band}_{level}": value for band, value in bands._asdict().items()}
    frequency = power = np.empty(0)
    if side >= MIN_SIDE_PX:
        spectrum = radial_spectrum(grey, num_rings=min(64, side // 2))
        frequency, power = spectrum.frequency, spectrum.power
        scores["spectrum_slope"] = spectrum.slope
    histogram = np.bincount(np.rint(grey).astype(np.int64).ravel().clip(0, 255), minlength=256)
    return PartReport(box, matrices, histogram, frequency, power, scores)
