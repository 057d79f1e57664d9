"""One level of the separable discrete wavelet transform, and its inverse, on all cores. float32, numba, released GIL.

Each row of output is made in one go, first down the columns, then along the row, so a picture is read once and no
half-transformed copy of it is kept. Coefficients are PyWavelets', sample by sample.
Not here: levels, energies (`metrics.subbands`); boundary modes that make up values instead of repeating them.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
import pywt
from numpy.typing import NDArray

from metrics.kernels import jit
from metrics.threads import in_threads

Floats = NDArray[np.float32]

# How each mode continues the samples a b c d, and how PyWavelets names it:
IndexMode = Literal[
    "symmetric",  # b a | a b c d | d c
    "reflect",  # c b | a b c d | c b
    "periodic",  # c d | a b c d | a b
    "periodization",  # as periodic, after repeating the last sample of an odd number; half as many coefficients
    "constant",  # a a | a b c d | d d
    "zero",  # 0 0 | a b c d | 0 0
]


class Bands(NamedTuple):
    """(rows, columns) float32 each: PyWavelets' cA, cH, cV, cD."""

    ll: Floats
    lh: Floats  # low along the rows of pixels, high down the columns: horizontal edges
    hl: Floats  # vertical edges
    hh: Floats


def analyse(picture: Floats, wavelet: pywt.Wavelet, mode: IndexMode) -> Bands:
    """Split (H, W) into bands of (H + L - 1) // 2 rows, filters being L long; (H + 1) // 2 in periodization."""
    low, high = (np.array(taps[::-1], np.float32) for taps in (wavelet.dec_lo, wavelet.dec_hi))
    rows, columns = (continuation(side, len(low), mode) for side in picture.shape)
    shape = (len(rows) - len(low) + 2) // 2, (len(columns) - len(low) + 2) // 2
    before = len(low) // 2 - 1 if mode == "periodization" else len(low) - 2
    bands = Bands(*(np.empty(shape, np.float32) for _ in range(4)))
    picture = np.ascontiguousarray(picture)
    in_threads(partial(_analyse_rows, picture, low, high, rows, columns, before, *bands), shape[0])
    return bands


def synthesise(
    bands: Bands,
    shape: tuple[int, int],
    wavelet: pywt.Wavelet,
    *,
    periodization: bool,
    gains: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0),
) -> Floats:
    """The (H, W) picture of `shape` whose bands these are, each first multiplied by its gain (LL, LH, HL, HH).

    All modes but periodization have the same inverse.
    """
    low, high = (np.array(taps) for taps in (wavelet.rec_lo, wavelet.rec_hi))
    down = np.array([low * gains[0], high * gains[1], low * gains[2], high * gains[3]], np.float32)
    along = np.array([low, high], np.float32)
    # Periodization centres its filters: coefficients go round, and the first sample may be the second of a pair.
    turns = len(low) // 4 if periodization else 0
    lead = 2 * turns - (len(low) // 2 - 1) if periodization else 0
    pairs = (shape[0] + lead + 1) // 2
    rows = (np.arange(pairs + len(low) // 2 - 1) - turns) % len(bands.ll)
    picture = np.empty(shape, np.float32)
    bands = Bands(*(np.ascontiguousarray(band) for band in bands))
    in_threads(partial(_synthesise_pairs, *bands, down, along, rows, turns, lead, picture), pairs)
    return picture


def continuation(side: int, taps: int, mode: IndexMode) -> NDArray[np.int64]:
    """Where the samples lie that filters of `taps` taps see, from before the first to after the last; -1 is a zero."""
    if mode == "periodization":
        padded = side + side % 2
        position = np.arange(1 - taps // 2, 1 - taps // 2 + padded + taps - 2)
        return np.minimum(position % padded, side - 1)
    position = np.arange(2 - taps, 2 * ((side + taps - 1) // 2))
    if mode == "symmetric":
        position %= 2 * side
        return np.minimum(position, 2 * side - 1 - position)
    if mode == "reflect":
        position %= max(1, 2 * side - 2)
        return np.minimum(position, np.maximum(0, 2 * side - 2 - position))
    if mode == "periodic":
        return position % side
    if mode == "constant":
        return position.clip(0, side - 1)
    return np.where((position < 0) | (position >= side), -1, position)


_jit: Any = jit(nogil=True, error_model="numpy")
_jit_inline: Any = jit(inline="always", error_model="numpy")


@_jit
def _analyse_rows(
    picture: Floats,
    low: Floats,
    high: Floats,
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    before: int,
    ll: Floats,
    lh: Floats,
    hl: Floats,
    hh: Floats,
    start: int,
    stop: int,
) -> None:
    """Filters are reversed, so that tap t of coefficient k meets the continued sample 2 k + t."""
    width, count, half = picture.shape[1], ll.shape[1], len(columns) // 2
    lows, highs = np.empty(width, np.float32), np.empty(width, np.float32)
    even, odd = np.empty(half, np.float32), np.empty(half, np.float32)
    for row in range(start, stop):
        lows[:] = 0
        highs[:] = 0
        for tap in range(len(low)):
            source = rows[2 * row + tap]
            if source >= 0:
                _add(picture[source], low[tap], high[tap], lows, highs)
        for part in range(2):
            _take_turns(lows if part == 0 else highs, columns, before, even, odd)
            narrow, wide = (ll[row], hl[row]) if part == 0 else (lh[row], hh[row])
            narrow[:] = 0
            wide[:] = 0
            for tap in range(0, len(low), 2):
                first = tap // 2
                _add(even[first : first + count], low[tap], high[tap], narrow, wide)
                _add(odd[first : first + count], low[tap + 1], high[tap + 1], narrow, wide)


@_jit
def _synthesise_pairs(
    ll: Floats,
    lh: Floats,
    hl: Floats,
    hh: Floats,
    down: Floats,
    along: Floats,
    rows: NDArray[np.int64],
    turns: int,
    lead: int,
    picture: Floats,
    start: int,
    stop: int,
) -> None:
    """Rows 2 * pair - lead and the next, for pairs `start` to `stop`."""
    height, width, count, half = picture.shape[0], picture.shape[1], ll.shape[1], down.shape[1] // 2
    pairs = (width + lead + 1) // 2
    length = max(pairs + half - 1, turns + count)
    # Two rows of pixels, low and high along the row, as coefficients from `turns` on; then one row of pixels in turns.
    upper, lower = np.empty((2, length), np.float32), np.empty((2, length), np.float32)
    even, odd = np.empty(pairs, np.float32), np.empty(pairs, np.float32)
    for pair in range(start, stop):
        upper[:] = 0
        lower[:] = 0
        for i in range(half):
            row, tap = rows[pair + i], 2 * (half - 1 - i)
            for band in range(4):
                source = (ll if band == 0 else lh if band == 1 else hl if band == 2 else hh)[row]
                _add(
                    source,
                    down[band, tap],
                    down[band, tap + 1],
                    upper[band // 2, turns:],
                    lower[band // 2, turns:],
                )
        for y in range(max(0, 2 * pair - lead), min(height, 2 * pair - lead + 2)):
            even[:] = 0
            odd[:] = 0
            for part in range(2):
                line = (upper if y == 2 * pair - lead else lower)[part]
                for x in range(length):
                    if x < turns or x >= turns + count:
                        line[x] = line[turns + (x - turns) % count]
                for i in range(half):
                    tap = 2 * (half - 1 - i)
                    _add(line[i : i + pairs], along[part, tap], along[part, tap + 1], even, odd)
            for x in range(width):
                picture[y, x] = (even if (x + lead) % 2 == 0 else odd)[(x + lead) // 2]


@_jit
def _add(source: Floats, a: float, b: float, first: Floats, second: Floats) -> None:
    """first += a * source; second += b * source."""
    for x in range(len(source)):
        first[x] += a * source[x]
        second[x] += b * source[x]


@_jit_inline
def _take_turns(line: Floats, columns: NDArray[np.int64], before: int, even: Floats, odd: Floats) -> None:
    """Deal the continued line out; its first `before` samples come before the line's own."""
    inner = min((before + 1) // 2, len(even))
    outer = max(inner, (before + len(line)) // 2)
    for x in range(inner, outer):
        even[x] = line[2 * x - before]
        odd[x] = line[2 * x + 1 - before]
    for border in range(2):
        for x in range(inner) if border == 0 else range(outer, len(even)):
            even[x] = 0 if columns[2 * x] < 0 else line[columns[2 * x]]
            odd[x] = 0 if columns[2 * x + 1] < 0 else line[columns[2 * x + 1]]
