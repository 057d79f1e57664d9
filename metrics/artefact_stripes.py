"""Fine stripes: one frequency, exactly along x or y, that stands alone in the spectrum.

Wood grain and blinds are spread over many frequencies, and outlines along the whole axis; stripes that a decoder leaves
are a spike. Periods of 2 to 16 px. Not here: grids and seams (`metrics.artefact_lines`), verdicts.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.fft
from numpy.typing import NDArray

TILE_PX = 256
_MAX_TILES = 64
_LOWEST_BIN = 16
_COMB = (32, 64, 96, 128)
"""Bins of 8, 4, 8/3 and 2 px, where 8 px blocks stand together."""

_TIMES_AROUND = 15.0
_LEVELS = 0.25


class StripesFinding(NamedTuple):
    """How far the spike stands out: 1 is the threshold."""

    strength: float
    period_px: float
    levels: float
    """Amplitude in grey levels, over the tiles that hold the stripes."""

    place: tuple[int, int, int, int]
    """x, y, w, h of the tiles that hold them."""


def strongest_stripes(grey: NDArray[np.float32]) -> tuple[StripesFinding, StripesFinding]:
    """Of (H, W) float32, at least 64 px a side: vertical stripes, which change along x, and horizontal ones."""
    corners, side = _corners(grey.shape[0], grey.shape[1])
    window = np.hanning(side + 1)[:-1].astype(np.float32)
    both = window[:, None] * window
    ratios: tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]] = ([], [])
    levels: tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]] = ([], [])
    for top, left in corners:
        tile = grey[top : top + side, left : left + side]
        spectrum = scipy.fft.fft2((tile - tile.mean()) * both, workers=-1)
        power = np.square(np.abs(spectrum)).astype(np.float64)
        for axis, plane in enumerate((power, power.T)):
            ratios[axis].append(_over_around(plane, float(np.square(both).sum())))
            levels[axis].append(2 * np.sqrt(plane[0, : side // 2 + 1]) / both.sum())
    vertical, horizontal = (
        _finding(np.array(ratios[axis]), np.array(levels[axis]), corners, side) for axis in (0, 1)
    )
    return vertical, horizontal


def _over_around(power: NDArray[np.float64], window_power: float) -> NDArray[np.float64]:
    """Each bin of row 0 over the median of its neighbours, along the axis or beside it, whichever is higher."""
    half = power.shape[1] // 2
    reach = np.r_[-8:-2, 3:9]
    bins = np.arange(half + 1)
    along = np.median(power[0][(bins[:, None] + reach) % power.shape[1]], axis=1)
    beside = np.median(power[reach][:, : half + 1], axis=0)
    # Below a hundredth of a squared grey level is rounding.
    return np.asarray(power[0, : half + 1] / (np.maximum(along, beside) + 0.01 * window_power))


def _finding(
    ratios: NDArray[np.float64], levels: NDArray[np.float64], corners: list[tuple[int, int]], side: int
) -> StripesFinding:
    scale = side / TILE_PX
    # An eighth of the picture is enough: the mean of the best eighth of the tiles, but no fewer than two.
    count = max(min(2, len(ratios)), len(ratios) // 8)
    ordered = np.sort(ratios, axis=0)[::-1]
    mean = np.sqrt(ordered[:count].mean(0) * ratios.mean(0))
    comb = [round(b * scale) for b in _COMB]
    for place, bin_ in enumerate(comb):
        others = [mean[b] for i, b in enumerate(comb) if i != place]
        mean[bin_] /= max(1.0, float(np.median(others)))
    lowest = round(_LOWEST_BIN * scale)
    peak = lowest + int(mean[lowest:].argmax())
    holding = ratios[:, peak] >= 0.25 * ratios[:, peak].max()
    rows = [corners[i] for i in np.flatnonzero(holding)]
    top, left = min(y for y, _ in rows), min(x for _, x in rows)
    bottom, right = max(y for y, _ in rows) + side, max(x for _, x in rows) + side
    amplitude = float(np.median(levels[holding, peak]))
    # At half the sampling rate a wave is its own mirror image and counts twice.
    amplitude /= 2 if 2 * peak == side else 1
    strength = min(float(mean[peak]) / _TIMES_AROUND, amplitude / _LEVELS)
    return StripesFinding(strength, side / peak, amplitude, (left, top, right - left, bottom - top))


def _corners(height: int, width: int) -> tuple[list[tuple[int, int]], int]:
    """Tiles spread evenly, at most `_MAX_TILES`, and their side."""
    side = min(TILE_PX, height // 4 * 4, width // 4 * 4)
    down, across = (min(8, length // side) for length in (height, width))
    tops = [round(i * (height - side) / max(1, down - 1)) for i in range(down)]
    lefts = [round(i * (width - side) / max(1, across - 1)) for i in range(across)]
    return [(top, left) for top in tops for left in lefts][:_MAX_TILES], side
