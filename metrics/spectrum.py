"""How a picture's power is spread over spatial frequency, along rings (radial) and along directions (angular).

A Hann window keeps borders from posing as detail; large pictures are measured in tiles of 512 px. Natural pictures
fall off as one over the square of frequency (Field, 1987; Ruderman, 1994), a slope of -2. Not here: what a cut-off
means (`metrics.effective_resolution`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

MIN_SIDE_PX, TILE_PX = 32, 512
FIT_BAND = (0.01, 0.35)
"""Cycles per pixel between which the slope is fitted: above the window's own leak, below the corner's few samples."""


@dataclass(frozen=True, slots=True, eq=False)
class RadialSpectrum:
    """Mean power on rings of equal frequency."""

    frequency: NDArray[np.float64]
    """(n,) middle of each ring, cycles per pixel, rising, at most 0.5."""

    power: NDArray[np.float64]
    """(n,) mean of the squared Fourier coefficients; white noise of variance v gives v on every ring."""

    slope: float
    """Of log power over log frequency, fitted over `FIT_BAND`; about -2 for natural pictures, 0 for white noise."""


@dataclass(frozen=True, slots=True, eq=False)
class AngularSpectrum:
    """Mean power over directions, of the frequencies between 0.05 and 0.5 cycles per pixel, whitened by frequency."""

    angle_deg: NDArray[np.float64]
    """(n,) direction of the frequency, 0 to 180: 0 is a pattern that changes from left to right (vertical stripes)."""

    power: NDArray[np.float64]
    """(n,) mean power times squared frequency, over its own mean: 1 everywhere for a picture without direction."""


def radial_spectrum(grey: NDArray[np.float32], *, num_rings: int = 256) -> RadialSpectrum:
    """Power on rings, (H, W) float32 in grey levels; the mean is taken off first.

    Raises:
        ValueError: another shape, or a side below 32 px.
    """
    power, fy, fx = power_spectrum(grey)
    frequency = np.hypot(fy[:, None], fx[None, :])
    rings = np.minimum((frequency * (2 * num_rings)).astype(np.int32), num_rings)
    weight = _columns(power.shape, grey.shape[1])
    count = np.bincount(rings.ravel(), weight.ravel(), num_rings + 1)[:num_rings]
    total = np.bincount(rings.ravel(), (power * weight).ravel(), num_rings + 1)[:num_rings]
    there = count > 0
    middle = (np.arange(num_rings) + 0.5) / (2 * num_rings)
    ring_power = total[there] / count[there]
    return RadialSpectrum(middle[there], ring_power, _slope(middle[there], ring_power))


def power_ratio(first: RadialSpectrum, second: RadialSpectrum) -> NDArray[np.float64]:
    """First over second, in dB, at the first's frequencies; the second is read between its rings in log power.

    0 where they agree, 3 where the first has twice the power; a ring without power counts as 1e-12.
    """
    floor = 1e-12
    other = np.interp(first.frequency, second.frequency, np.log10(np.maximum(second.power, floor)))
    return np.asarray(10 * (np.log10(np.maximum(first.power, floor)) - other))


def angular_spectrum(grey: NDArray[np.float32], *, num_angles: int = 90) -> AngularSpectrum:
    """Power over directions, (H, W) float32 in grey levels. Errors as for `radial_spectrum`."""
    power, fy, fx = power_spectrum(grey)
    frequency = np.hypot(fy[:, None], fx[None, :])
    inside = (frequency >= 0.05) & (frequency <= 0.5)
    angle = np.degrees(
        np.arctan2(np.broadcast_to(fy[:, None], power.shape), np.broadcast_to(fx[None], power.shape))
    )
    # Bins lie around their angles, so that what is exactly along x or y falls into the middle of one.
    bins = (np.rint(angle % 180.0 / 180.0 * num_angles).astype(np.int32) % num_angles)[inside]
    weight = _columns(power.shape, grey.shape[1])[inside]
    whitened = (power * frequency**2)[inside]
    mean = np.bincount(bins, weight * whitened, num_angles) / np.maximum(
        np.bincount(bins, weight, num_angles), 1
    )
    overall = mean.mean()
    return AngularSpectrum(
        np.arange(num_angles) * 180.0 / num_angles,
        mean / overall if overall > 0 else np.ones(num_angles),
    )


def power_spectrum(
    grey: NDArray[np.float32],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Windowed power over half the plane, mean over tiles (Welch, 1967), and its frequencies.

    -> (h, w // 2 + 1), (h,), (w // 2 + 1,) for tiles of h x w, at most `TILE_PX` a side.
    """
    if grey.ndim != 2 or min(grey.shape) < MIN_SIDE_PX:
        raise ValueError(
            f"a spectrum needs a grey picture of at least {MIN_SIDE_PX} px a side, got shape {grey.shape}"
        )
    height, width = (min(side, TILE_PX) for side in grey.shape)
    rows, columns = (np.hanning(side + 1)[:-1].astype(np.float32) for side in (height, width))
    window = rows[:, None] * columns
    power = np.zeros((height, width // 2 + 1))
    tops, lefts = _starts(grey.shape[0], height), _starts(grey.shape[1], width)
    for top in tops:
        strip = np.stack([grey[top : top + height, left : left + width] for left in lefts])
        means = np.einsum("nhw,hw->n", strip, window, dtype=np.float64) / window.sum(dtype=np.float64)
        spectra = scipy.fft.rfft2((strip - means[:, None, None].astype(np.float32)) * window, workers=-1)
        power += (np.square(spectra.real) + np.square(spectra.imag)).sum(0, dtype=np.float64)
    power /= len(tops) * len(lefts) * np.square(window, dtype=np.float64).sum()
    along_y, along_x = np.fft.fftfreq(height), np.fft.rfftfreq(width)
    return power, along_y.astype(np.float64), along_x.astype(np.float64)


def _columns(shape: tuple[int, ...], width: int) -> NDArray[np.float64]:
    """How many coefficients of the whole plane each of the half plane stands for: two, but for the outer columns."""
    weight = np.full(shape, 2.0)
    weight[:, 0] = 1
    if min(width, TILE_PX) % 2 == 0:
        weight[:, -1] = 1
    return weight


def _starts(side: int, tile: int) -> list[int]:
    """Where tiles begin, evenly, side by side or overlapping a little, first to last pixel."""
    count = -(-side // tile)
    return [round(i * (side - tile) / max(1, count - 1)) for i in range(count)]


def _slope(frequency: NDArray[np.float64], power: NDArray[np.float64]) -> float:
    """Least squares in log-log, every octave weighing the same; 0 for a picture without any power."""
    chosen = (frequency >= FIT_BAND[0]) & (frequency <= FIT_BAND[1]) & (power > 0)
    if chosen.sum() < 2:
        return 0.0
    x, y = np.log(frequency[chosen]), np.log(power[chosen])
    weight = 1 / frequency[chosen]
    x_mean, y_mean = np.average(x, weights=weight), np.average(y, weights=weight)
    return float((weight * (x - x_mean) * (y - y_mean)).sum() / (weight * (x - x_mean) ** 2).sum())
