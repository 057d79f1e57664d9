"""The scale beyond which a picture holds no real detail: tells a native 4K picture from an enlarged 1K or 2K one.

Two kinds of evidence, on the most detailed parts of luma. Copies: enlarging mirrors frequencies (`metrics.resampling`),
which nearest, bilinear, bicubic and Lanczos all do, and which light noise and JPEG mostly do not hide. A cliff: power
falls by 20 dB within a fifth of an octave and stays down, along both axes, as after enlarging without copies (sinc).
A soft picture is not accused: blur leaves neither. Strong JPEG (75 and below) of a soft picture can pass for a factor
of 2. Not here: how traces are measured, radial spectra (`metrics.spectrum`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metrics.resampling import SUMS, TILE_PX, Traces, traces

MIN_SIDE_PX = 64

_BLOCK_SUMS = {30: 0.35, 60: 0.25, 120: 0.35}
"""Coherence needed for 8, 4 and 2: the blocks of JPEG (8 px) and WebP (4 px) leave traces at these very places. Nearly
all pictures that were never enlarged stay below (`tests/bench/resolution_table.py`)."""

_JPEG_SUMS = (90, 150, 180)
"""Three, five and six eighths: what JPEG leaves of its 8 px blocks where no power of two lies."""

_JPEG_NEED = 0.85
_OTHER_NEED = 0.40
_NOISY_NEED = 0.20
"""For 2, where noise above the rounding of 8 bits hides what blocks leave, and no JPEG is in sight."""

_REACH = 15
_OVER_USUAL, _OVER_HIGHEST = 3.0, 2.5  # in odds, among the sums within reach
_CLIFF_DB = 20.0


@dataclass(frozen=True, slots=True)
class EffectiveResolution:
    """What of a picture's size is real."""

    scale: float
    """Share of the side, (0, 1]: 1 is native, 0.25 a 1K picture enlarged to 4K."""

    width_px: int
    """Size that would hold all the detail there is."""

    height_px: int

    cutoff: float
    """Highest frequency with detail of its own, cycles per pixel, 0.5 times the scale."""

    native: bool
    evidence: str
    """One sentence."""


def effective_resolution(image: NDArray[np.uint8]) -> EffectiveResolution:
    """Estimate a picture's real size. Pictures below 240 px a side are called native: too little to tell.

    Args:
        image: (H, W, 3) RGB uint8, at least 64 px a side. A crop does as well as the whole.

    Raises:
        ValueError: another shape or dtype, or smaller.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"image must be (H, W, 3) RGB uint8, got {image.shape} {image.dtype}")
    height, width = image.shape[:2]
    if min(height, width) < MIN_SIDE_PX:
        raise ValueError(
            f"the picture is {width} x {height} px; its effective resolution needs {MIN_SIDE_PX} x {MIN_SIDE_PX}"
        )
    if min(height, width) < TILE_PX:
        return _result(image, 1.0, f"Taken as native: below {TILE_PX} px a side there is too little to tell.")
    return _result(image, *conclude(traces(image)))


def conclude(axes: tuple[Traces, Traces]) -> tuple[float, str]:
    """What the traces along x and y say: scale in (0, 1], and a sentence."""
    copied = _copied_scale(axes)
    if copied is not None:
        scale, coherence = copied
        return scale, (
            f"Frequencies above {scale / 2:.3f} cycles per pixel copy those below (coherence {coherence:.2f}): "
            f"enlarged about {1 / scale:.3g} times."
        )
    cliff = _cliff(axes)
    if cliff is not None:
        cutoff, fall = cliff
        return 2 * cutoff, f"Power falls by {fall:.0f} dB at {cutoff:.3f} cycles per pixel and stays down."
    if max(float(axis.power[TILE_PX // 16 :].max()) for axis in axes) < 0.02:
        return 1.0, "Taken as native: there is too little detail to tell."
    return 1.0, "No trace of enlarging: native."


def _result(image: NDArray[np.uint8], scale: float, evidence: str) -> EffectiveResolution:
    height, width = image.shape[:2]
    return EffectiveResolution(
        scale=scale,
        width_px=max(1, round(width * scale)),
        height_px=max(1, round(height * scale)),
        cutoff=scale / 2,
        native=scale == 1.0,
        evidence=evidence,
    )


def _copied_scale(axes: tuple[Traces, Traces]) -> tuple[float, float] | None:
    """The scale whose mirrored frequencies are copies, and their coherence; none where chance or blocks explain it."""
    # An axis counts by the amplitude just below the mirror: along wood grain there is nothing but codec noise.
    weights = np.array([[_level(axis.power, 0.35 * s, 0.5 * s) for s in SUMS / TILE_PX] for axis in axes])
    weights = np.sqrt(weights) / np.sqrt(weights).sum(0)
    alike = (weights * [axis.coherence for axis in axes]).sum(0)
    chance = [_chance(axis.coherence) for axis in axes]
    usual, highest = ((weights * [c[i] for c in chance]).sum(0) for i in (0, 1))
    blocks = np.isin(SUMS, _JPEG_SUMS)
    jpeg = int((blocks & (alike > 2.2 * usual) & (alike > usual + 0.02)).sum()) >= 2
    noisy = min(_level(axis.power, 0.42, 0.5) for axis in axes) > 1.3 and not jpeg
    need = np.full(len(SUMS), _OTHER_NEED)
    need[blocks] = _JPEG_NEED
    for total, least in _BLOCK_SUMS.items():
        need[total - SUMS[0]] = _NOISY_NEED if noisy and total == TILE_PX // 2 else least
    stands_out = np.maximum(_OVER_USUAL * _odds(usual), _OVER_HIGHEST * _odds(highest))
    passed = (alike >= need) & (_odds(alike) >= stands_out)
    if not passed.any():
        return None
    # Copies of copies pass too: the lowest mirror is the cut-off, if it is not much weaker than the best. The window
    # spreads each over a few bins.
    passed &= alike >= 0.5 * alike[passed].max()
    lowest = int(np.flatnonzero(passed)[0])
    best = lowest + int(alike[lowest : lowest + 5].argmax())
    sums = [axis.sums[best] for axis in axes]
    return float(sums[int(weights[1, best] > weights[0, best])]), float(alike[best])


def _chance(coherence: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Median and second highest of the sums within `_REACH` bins of each, without itself and without blocks' sums."""
    padded = np.pad(np.where(SUMS % 30 == 0, np.nan, coherence), _REACH, constant_values=np.nan)
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * _REACH + 1).copy()
    around[:, _REACH - 5 : _REACH + 6] = np.nan  # the window spreads a sum over some bins
    return np.nanmedian(around, axis=1), -np.sort(-around, axis=1)[:, 1]


def _odds(coherence: NDArray[np.float64]) -> NDArray[np.float64]:
    return coherence / np.maximum(1 - coherence, 1e-6)


def _level(power: NDArray[np.float64], low: float, high: float) -> float:
    """Geometric mean of the power between two frequencies, cycles per pixel."""
    first, last = int(np.ceil(low * TILE_PX)), max(int(np.floor(high * TILE_PX)), int(np.ceil(low * TILE_PX)))
    return float(np.exp(np.log(power[first : last + 1] + 1e-6).mean()))


def _cliff(axes: tuple[Traces, Traces]) -> tuple[float, float] | None:
    """Where power falls for good along both axes alike, and by how many dB; none where it falls gently."""
    best_cutoff, best_fall = 0.0, 0.0
    for cutoff in np.geomspace(0.06, 0.42, 80):
        falls = []
        for axis in axes:
            below = _level(axis.power, 0.8 * cutoff, 0.93 * cutoff)
            above = max(
                _level(axis.power, start, min(0.5, 1.2 * start))
                for start in np.geomspace(1.07 * cutoff, 0.48, 12)
            )
            falls.append(10 * np.log10(below / above))
        if min(falls) > best_fall:
            best_cutoff, best_fall = float(cutoff), float(min(falls))
    return (best_cutoff, best_fall) if best_fall >= _CLIFF_DB else None
