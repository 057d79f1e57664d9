"""Traces that enlarging leaves: how alike the frequencies of a picture are that an enlarged one copies from each other.

Interpolation by a factor k mirrors the spectrum of the small picture about half its sampling rate, a = 1/k cycles per
pixel: what stands at a/2 - d stands again, weaker, at a/2 + d. So X(f1) X(f2), with f1 + f2 = a, has the same phase
wherever it is measured, while in a picture that was never enlarged it averages out (cyclostationarity: Gardner, 1991;
for enlarged pictures: Gallagher, 2005; Mahdian & Saic, 2008). Not here: conclusions (`metrics.effective_resolution`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from metrics.kernels import jit

TILE_PX = 240
"""Side of a tile. 240 has many divisors: 1/k falls on a whole bin for k = 1.25, 1.5, 1.6, 2, 2.5, 3, 4, 5, 6, 8, 10."""

HOP_PX = TILE_PX // 2
MAX_TILES = 80
SUMS = np.arange(24, 205)
"""Sums f1 + f2 that are looked at, in bins of 1/240 cycles per pixel: enlargement by 10 down to 1.18."""

_LUMA = (np.float32(0.299), np.float32(0.587), np.float32(0.114))
_OFFSETS = 44
_PHASES = 64  # bins over which a sum between two whole bins is looked for
_LOWEST_BIN = 3  # below, the window's own leak


@dataclass(frozen=True, slots=True, eq=False)
class Traces:
    """Of one axis of a picture."""

    coherence: NDArray[np.float64]
    """(len(SUMS),) in [0, 1], how alike mirrored frequencies are; 1 is an exact copy, 0.02 to 0.1 chance."""

    sums: NDArray[np.float64]
    """(len(SUMS),) cycles per pixel, each within 1/480 of its bin, where the coherence is highest."""

    power: NDArray[np.float64]
    """(121,) mean power of 0 to 0.5 cycles per pixel; white noise of variance v gives v."""


def traces(image: NDArray[np.uint8]) -> tuple[Traces, Traces]:
    """Measure the most detailed tiles of (H, W, 3) RGB uint8 along x and along y; sides of at least 240 px."""
    corners = _detailed_corners(image)
    along_x, along_y = _Axis(), _Axis()
    for top, left in corners:
        # In place of `luma`, whose threads cost more than so small a tile.
        red, green, blue = image[top : top + TILE_PX, left : left + TILE_PX].transpose(2, 0, 1)
        tile = _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue
        along_x.add(tile, left // HOP_PX)
        along_y.add(tile.T, top // HOP_PX)
    return along_x.traces(), along_y.traces()


class _Axis:
    """Sums over tiles; tiles that begin at the same pixel share a phase."""

    def __init__(self) -> None:
        self.products: dict[int, NDArray[np.complex64]] = {}
        self.weighted: NDArray[np.float64] = np.zeros(TILE_PX // 2 + 1)
        self.power: NDArray[np.float64] = np.zeros(TILE_PX // 2 + 1)
        self.lines = 0

    def add(self, tile: NDArray[np.float32], start: int) -> None:
        # No matrix products here: on a busy machine BLAS waits for its threads longer than so little work takes.
        window, squared_bins = _window()
        # Detail of a line is what matters, not noise: neighbours are averaged.
        lines = (tile[0::2] + tile[1::2]) / 2
        # Means in float64, so that of a flat line nothing is left, rounding included.
        means = np.einsum("lw,w->l", lines, window, dtype=np.float64) / window.sum(dtype=np.float64)
        lines = (lines - means.astype(np.float32)[:, None]) * window
        spectra = scipy.fft.rfft(lines, axis=1).astype(np.complex64)
        power = np.square(spectra.real) + np.square(spectra.imag)
        self.power += power.sum(0, dtype=np.float64)
        # A line with a hard edge must not outvote all others: each weighs by its whitened detail, and one whose
        # detail is below a grey level of noise, less.
        energy = np.einsum("lf,f->l", power[:, 8:], squared_bins[8:]) / len(squared_bins[8:])
        one_level = np.square(window).sum() * squared_bins[8:].mean()
        spectra *= (1 / np.sqrt(energy + 0.8 * one_level))[:, None]
        self.weighted += (np.square(spectra.real) + np.square(spectra.imag)).sum(0, dtype=np.float64)
        rows, columns, there = _mirrored_bins()
        if start not in self.products:
            self.products[start] = np.zeros(rows.shape, np.complex64)
        real, imaginary = (np.ascontiguousarray(part.T) for part in (spectra.real, spectra.imag))
        _add_products(real, imaginary, rows, columns, there, self.products[start])
        self.lines += len(lines)

    def traces(self) -> Traces:
        rows, columns, there = _mirrored_bins()
        # Starts are HOP_PX apart; a sum s/240 turns by s/2 cycles from one to the next, one between two bins by more
        # or less: a Fourier transform over the starts tries them all.
        by_start = np.zeros((max(self.products) - min(self.products) + 1, *rows.shape), np.complex64)
        for start, products in self.products.items():
            by_start[start - min(self.products)] = products
        turns = scipy.fft.fft(by_start, max(_PHASES, len(by_start)), axis=0)
        scale = np.sqrt(self.weighted[rows] * self.weighted[columns])
        alike = np.where(there, np.abs(turns) / np.maximum(scale, 1e-30), 0).sum(2) / there.sum(1)
        per_hop = np.fft.fftfreq(len(turns))[:, None]
        beyond = (per_hop - SUMS / 2 + 0.5) % 1 - 0.5  # cycles per hop away from the whole bin
        alike = np.where(np.abs(beyond) <= 0.25, alike, 0)
        best = alike.argmax(0)
        each = np.arange(len(SUMS))
        sums = SUMS / TILE_PX + beyond[best, each] / HOP_PX
        window, _ = _window()
        norm = self.lines * float(np.square(window).sum())
        return Traces(alike[best, each].astype(np.float64), sums, self.power / norm)


_jit: Any = jit(nogil=True, fastmath=True)


@_jit
def _add_products(
    real: NDArray[np.float32],
    imaginary: NDArray[np.float32],
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    there: NDArray[np.bool_],
    products: NDArray[np.complex64],
) -> None:
    """products += over all lines, the products of the two bins of each pair that counts; spectra are (bins, lines)."""
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            if not there[i, j]:
                continue
            a, b = rows[i, j], columns[i, j]
            x, y = np.float32(0), np.float32(0)
            for line in range(real.shape[1]):
                x += real[a, line] * real[b, line] - imaginary[a, line] * imaginary[b, line]
                y += real[a, line] * imaginary[b, line] + imaginary[a, line] * real[b, line]
            products[i, j] += np.complex64(complex(x, y))


@cache
def _window() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Hann window, (240,), and the square of each bin's number, (121,)."""
    bins = np.arange(TILE_PX // 2 + 1, dtype=np.float32)
    return np.hanning(TILE_PX + 1)[:-1].astype(np.float32), np.square(bins)


@cache
def _mirrored_bins() -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]]:
    """Pairs of bins that make each sum: first, second and which of them count, (len(SUMS), offsets).

    Only pairs near the middle: 45 % of the way down. Further out the copy is too weak to be seen beside noise.
    """
    offset = np.arange(1, _OFFSETS + 1)
    first = SUMS[:, None] // 2 - offset
    second = SUMS[:, None] - first
    reach = np.maximum(3, (0.225 * SUMS).astype(int))[:, None]
    there = (offset <= reach) & (first >= _LOWEST_BIN) & (second <= TILE_PX // 2)
    return np.where(there, first, 0), np.where(there, second, 0), there


def _detailed_corners(image: NDArray[np.uint8]) -> list[tuple[int, int]]:
    """Top left corners of the tiles with most fine detail, on a grid of `HOP_PX`."""
    height, width = (side // HOP_PX for side in image.shape[:2])
    green = image[: height * HOP_PX, : width * HOP_PX, 1]
    # Every eighth line is enough to choose by; a jump counts 16 levels at most, so that texture beats one edge.
    across = _jumps(green[3::8]).reshape(height, -1, width, HOP_PX).mean((1, 3))
    down = _jumps(np.ascontiguousarray(green[:, 3::8].T)).reshape(width, -1, height, HOP_PX).mean((1, 3)).T
    cells = across + down
    tiles = cells[1:, 1:] + cells[1:, :-1] + cells[:-1, 1:] + cells[:-1, :-1]
    order: NDArray[Any] = np.argsort(-tiles, axis=None, kind="stable")[:MAX_TILES]
    return [(int(i) // tiles.shape[1] * HOP_PX, int(i) % tiles.shape[1] * HOP_PX) for i in order]


def _jumps(lines: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Grey levels between neighbours along each line, (n, length) -> the same shape, at most 16."""
    wide = lines.astype(np.int16)
    return np.minimum(np.abs(np.diff(wide, axis=1, append=wide[:, -1:])), 16).astype(np.float32)
