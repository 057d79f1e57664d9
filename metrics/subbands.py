"""A picture's wavelet subbands: taken apart, put together with bands muted or scaled, and their energies.

Any discrete wavelet and boundary mode of PyWavelets. Bands are computed in float32 by `metrics.dwt` on all cores;
modes that continue a picture with values it does not have (`smooth`, `antisymmetric`, `antireflect`) are taken apart
by PyWavelets itself, in float64, and slower. Not here: pictures of subbands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple, cast, get_args

import numpy as np
import pywt
from numpy.typing import NDArray

from metrics.dwt import Bands, IndexMode, analyse, synthesise
from metrics.kernels import jit
from metrics.threads import in_threads

WAVELETS: tuple[str, ...] = tuple(pywt.wavelist(kind="discrete"))
MODES: tuple[str, ...] = (*get_args(IndexMode), "smooth", "antisymmetric", "antireflect")

_AS_THEY_ARE: Mapping[tuple[str, int], float] = MappingProxyType({})


class DetailBands(NamedTuple):
    """The three detail bands of one level, float32, in PyWavelets' order and scale: cH, cV, cD."""

    lh: NDArray[np.float32]  # horizontal edges
    hl: NDArray[np.float32]  # vertical edges
    hh: NDArray[np.float32]


class DetailEnergies(NamedTuple):
    """Mean square of the coefficients of one level, in squared grey levels. PyWavelets' cH, cV, cD."""

    lh: float
    hl: float
    hh: float


@dataclass(frozen=True, slots=True, eq=False)
class Subbands:
    """A picture taken apart."""

    ll: NDArray[np.float32]
    """What is left at the coarsest level."""

    details: tuple[DetailBands, ...]
    """Finest first: details[0] is level 1."""

    wavelet: str
    mode: str
    shape: tuple[int, int]
    """Of the picture, (H, W)."""


def luma(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(H, W, 3) RGB uint8 -> (H, W) float32 in 0..255, Rec. 601 weights."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"image must be (H, W, 3) RGB uint8, got {image.shape} {image.dtype}")
    grey = np.empty(image.shape[:2], np.float32)
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    in_threads(partial(_weigh_channels, np.ascontiguousarray(image), weights, grey), len(grey))
    return grey


def decompose(
    grey: NDArray[np.float32], *, wavelet: str = "haar", mode: str = "symmetric", levels: int = 5
) -> Subbands:
    """Take a grey picture apart.

    Args:
        grey: (H, W) float32; odd sides are fine.
        wavelet: One of `WAVELETS`.
        mode: How the picture goes on beyond its borders, one of `MODES`.
        levels: How many; each halves the side, so 2**levels must not exceed the shorter one.

    Raises:
        ValueError: another shape or dtype, too many levels, an unknown wavelet or mode.
    """
    kind = _wavelet(wavelet, mode)
    if grey.ndim != 2 or grey.dtype != np.float32:
        raise ValueError(
            f"grey must be (H, W) float32, got {grey.shape} {grey.dtype}; `luma` makes it of RGB"
        )
    if levels < 1 or min(grey.shape) < 2**levels:
        raise ValueError(
            f"{levels} levels need a grey picture of at least {2 ** max(levels, 1)} px a side, got shape {grey.shape}; "
            f"choose 1 to {max(1, min(grey.shape).bit_length() - 1)}"
        )
    repeats = mode in get_args(IndexMode)
    # What `smooth` makes up multiplies rounding errors; so nothing is rounded between levels there.
    ll: NDArray[Any] = grey if repeats else grey.astype(np.float64)
    details = []
    for _ in range(levels):
        if repeats:
            ll, *high = analyse(ll, kind, cast(IndexMode, mode))
        else:
            ll, high = pywt.dwt2(ll, kind, mode)
        details.append(DetailBands(*(band.astype(np.float32, copy=False) for band in high)))
    shape = grey.shape[0], grey.shape[1]
    return Subbands(ll.astype(np.float32, copy=False), tuple(details), wavelet, mode, shape)


def rebuild(subbands: Subbands, gains: Mapping[tuple[str, int], float] = _AS_THEY_ARE) -> NDArray[np.float32]:
    """Put the picture together again, (H, W) float32, with some bands multiplied.

    Args:
        subbands: What `decompose` returned.
        gains: ("lh", 1) is the finest LH, ("ll", levels) what is left at the coarsest level; 0 mutes a band. Bands
            that are not named stay as they are.

    Raises:
        ValueError: a gain for a band that is not there, or one that is not finite.
    """
    levels = len(subbands.details)
    known = [
        ("ll", levels),
        *((name, level) for level in range(1, levels + 1) for name in DetailBands._fields),
    ]
    for band, gain in gains.items():
        if band not in known:
            raise ValueError(
                f"there is no band {band!r}; with {levels} levels the coarsest are ('ll', {levels}) "
                f"and ('lh', {levels}), the finest ('lh', 1), ('hl', 1) and ('hh', 1)"
            )
        if not np.isfinite(gain):
            raise ValueError(f"the gain of {band!r} must be a finite number, got {gain}")
    kind = _wavelet(subbands.wavelet, subbands.mode)
    shapes = [subbands.shape, *(detail.lh.shape for detail in subbands.details)]
    picture, low_gain = subbands.ll, gains.get(("ll", levels), 1.0)
    for level in range(levels, 0, -1):
        lh, hl, hh = (gains.get((name, level), 1.0) for name in DetailBands._fields)
        picture = synthesise(
            Bands(picture, *subbands.details[level - 1]),
            shapes[level - 1],
            kind,
            periodization=subbands.mode == "periodization",
            gains=(low_gain, lh, hl, hh),
        )
        low_gain = 1.0
    return picture


def detail_energies(
    grey: NDArray[np.float32], *, levels: int = 3, wavelet: str = "haar", mode: str = "symmetric"
) -> tuple[DetailEnergies, ...]:
    """Energies of the detail bands, finest level first. Arguments and errors as for `decompose`."""
    details = decompose(grey, wavelet=wavelet, mode=mode, levels=levels).details
    return tuple(DetailEnergies(*(_mean_square(band) for band in bands)) for bands in details)


def _wavelet(wavelet: str, mode: str) -> pywt.Wavelet:
    if wavelet not in WAVELETS:
        raise ValueError(
            f"there is no discrete wavelet {wavelet!r}; haar, db4, sym8 and bior4.4 are well known ones"
        )
    if mode not in MODES:
        raise ValueError(f"there is no boundary mode {mode!r}; choose from {', '.join(MODES)}")
    return pywt.Wavelet(wavelet)


def _mean_square(band: NDArray[np.float32]) -> float:
    # Rows in float32, by BLAS-free einsum, their sums in float64.
    return float(np.einsum("ij,ij->i", band, band).sum(dtype=np.float64) / band.size)


_jit: Any = jit(nogil=True)


@_jit
def _weigh_channels(
    image: NDArray[np.uint8], weights: NDArray[np.float32], grey: NDArray[np.float32], start: int, stop: int
) -> None:
    for y in range(start, stop):
        for x in range(image.shape[1]):
            red, green, blue = (
                np.float32(image[y, x, 0]),
                np.float32(image[y, x, 1]),
                np.float32(image[y, x, 2]),
            )
            grey[y, x] = weights[0] * red + weights[1] * green + weights[2] * blue
