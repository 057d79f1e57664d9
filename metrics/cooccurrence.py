"""Counting co-occurrences of grey levels in windows of a picture: the loops under `glcm_*`. Numba, released GIL.

Not here: grey levels, what properties mean (`metrics.glcm_properties`), windows that overlap much (`metrics.sliding`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metrics.kernels import jit
from metrics.threads import in_threads

LEVELS = 64
PROPERTIES = ("entropy", "contrast", "dissimilarity", "homogeneity", "energy", "correlation", "asm")

Offset = tuple[int, int]  # (dy, dx) from the first pixel of a pair to the second; y grows downward


def window_properties(
    grey: NDArray[np.uint8], *, offsets: Sequence[Offset], window_px: int, stride_px: int
) -> NDArray[np.float64]:
    """Properties of every window, averaged over offsets: (rows, columns, 7) float64, in the order of `PROPERTIES`.

    Args:
        grey: (H, W) uint8, values below 64.
        offsets: One or more steps, each shorter than the window; a step named twice counts twice.
        window_px: Side of a window.
        stride_px: Window (r, c) has its top left at (r * stride, c * stride); all of it lies in the picture.

    Raises:
        ValueError: as `check_windows` does.
    """
    check_windows(grey, offsets, window_px, stride_px)
    steps, times = distinct_offsets(offsets)
    rows, columns = ((side - window_px) // stride_px + 1 for side in grey.shape)
    out = np.zeros((rows, columns, len(PROPERTIES)))
    counts = np.arange(window_px**2 + 1, dtype=np.float64)
    logs = counts * np.log2(np.maximum(counts, 1))
    work = partial(
        _measure, np.ascontiguousarray(grey), steps, times / times.sum(), logs, window_px, stride_px, out
    )
    in_threads(work, rows * columns)
    return out


def check_windows(grey: NDArray[np.uint8], offsets: Sequence[Offset], window_px: int, stride_px: int) -> None:
    """ValueError for windows that do not fit the picture, a stride below 1, offsets that leave no pair."""
    largest = min(4096, *grey.shape)
    if not 2 <= window_px <= largest:
        raise ValueError(
            f"the picture is {grey.shape[1]} x {grey.shape[0]} px and a window {window_px} x {window_px}; "
            f"choose a window of 2 to {largest} px a side"
        )
    if stride_px < 1:
        raise ValueError(f"stride must be at least 1 px, got {stride_px}")
    if not offsets:
        raise ValueError("no offsets given; name at least one (dy, dx), such as (0, 1)")
    for dy, dx in offsets:
        if max(abs(dy), abs(dx)) >= window_px:
            raise ValueError(f"offset {(dy, dx)} leaves no pixel pair in a window of {window_px} px")


def distinct_offsets(offsets: Sequence[Offset]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Each offset once, (n, 2), and how often it is named, (n,): the sixteen published ones hold two twice."""
    steps, times = np.unique(np.array(offsets, np.int64), axis=0, return_counts=True)
    return steps, times


def count_matrix(grey: NDArray[np.uint8], offset: Offset) -> NDArray[np.int64]:
    """Pairs of levels (i, j) at one offset in all of `grey`, (H, W) uint8 below 64: (64, 64) int64 counts."""
    counts = np.zeros((2, LEVELS * LEVELS), np.int32)
    height, width = grey.shape
    count_pairs(np.ascontiguousarray(grey).ravel(), height, width, offset[0], offset[1], LEVELS, counts)
    return counts.sum(axis=0, dtype=np.int64).reshape(LEVELS, LEVELS)


_jit: Any = jit(nogil=True, error_model="numpy")
# Put into its callers before they are compiled: a loop compiled once less, a quarter of a second.
_jit_inline: Any = jit(inline="always", error_model="numpy")


@_jit
def count_pairs(
    patch: NDArray[np.uint8],
    height: int,
    width: int,
    dy: int,
    dx: int,
    span: int,
    counts: NDArray[np.int32],
) -> None:
    """Count pairs (i, j) of a flattened patch, levels below `span`, at [0, i * span + j] and [1, i * span + j].

    A count is the sum of the two. Neighbours often fall into the same cell, and a processor waits for one count
    before it can make the next; so pixels take turns between the two.
    """
    pairs_across = width - abs(dx)
    step = dy * width + dx
    for y in range(max(0, -dy), height - max(0, dy)):
        start = y * width + max(0, -dx)
        for i in range(start, start + pairs_across - 1, 2):
            # Unsigned indices spare a check for negative ones.
            first, second = np.uintp(i), np.uintp(i + step)
            counts[0, np.uintp(patch[first]) * np.uintp(span) + np.uintp(patch[second])] += 1
            first, second = np.uintp(i + 1), np.uintp(i + 1 + step)
            counts[1, np.uintp(patch[first]) * np.uintp(span) + np.uintp(patch[second])] += 1
        if pairs_across % 2:
            i = start + pairs_across - 1
            counts[0, np.uintp(patch[i]) * np.uintp(span) + np.uintp(patch[i + step])] += 1


@_jit_inline
def copy_from_lowest(
    grey: NDArray[np.uint8], top: int, left: int, window: int, patch: NDArray[np.uint8]
) -> int:
    """Fill the flat `patch` with levels above the window's lowest; returns how many levels it spans.

    Few of the 64 levels occur in a window; the rest of its matrix need not be looked at.
    """
    lowest: Any = grey[top, left]
    highest: Any = lowest
    for y in range(top, top + window):
        for x in range(left, left + window):
            lowest = min(lowest, grey[y, x])
            highest = max(highest, grey[y, x])
    for y in range(window):
        for x in range(window):
            patch[y * window + x] = grey[top + y, left + x] - lowest
    span: Any = np.intp(highest) - np.intp(lowest) + 1
    return span


@_jit
def _measure(
    grey: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    weights: NDArray[np.float64],
    logs: NDArray[np.float64],
    window: int,
    stride: int,
    out: NDArray[np.float64],
    start: int,
    stop: int,
) -> None:
    """Fill out[row, column] for windows `start` to `stop`; logs[c] is c log2 c."""
    patch = np.empty(window * window, np.uint8)
    counts = np.empty((2, LEVELS * LEVELS), np.int32)
    counts[:] = 0
    for index in range(start, stop):
        row, column = index // out.shape[1], index % out.shape[1]
        span = copy_from_lowest(grey, row * stride, column * stride, window, patch)
        for k in range(len(offsets)):
            dy, dx = offsets[k, 0], offsets[k, 1]
            pairs = (window - abs(dy)) * (window - abs(dx))
            if span == 1:
                counts[0, 0] = pairs
            else:
                count_pairs(patch, window, window, dy, dx, span, counts)
            squares, log_sum, near, far = 0, 0.0, 0.0, 0
            a_sum, b_sum, aa_sum, bb_sum, ab_sum = 0, 0, 0, 0, 0
            for a in range(span):
                for b in range(span):
                    count: Any = np.int64(counts[0, a * span + b]) + np.int64(counts[1, a * span + b])
                    if count > 0:
                        counts[0, a * span + b] = 0
                        counts[1, a * span + b] = 0
                        squares += count * count
                        log_sum += logs[count]
                        near += count / (1 + (a - b) * (a - b))
                        far += count * abs(a - b)
                        a_sum += count * a
                        b_sum += count * b
                        aa_sum += count * a * a
                        bb_sum += count * b * b
                        ab_sum += count * a * b
            asm = squares / (float(pairs) * pairs)
            # A lowest level taken off changes neither differences nor the correlation.
            out[row, column, 0] += weights[k] * (logs[pairs] - log_sum) / pairs
            out[row, column, 1] += weights[k] * (aa_sum + bb_sum - 2 * ab_sum) / pairs
            out[row, column, 2] += weights[k] * far / pairs
            out[row, column, 3] += weights[k] * near / pairs
            out[row, column, 4] += weights[k] * math.sqrt(asm)
            out[row, column, 5] += weights[k] * correlation(pairs, a_sum, b_sum, aa_sum, bb_sum, ab_sum)
            out[row, column, 6] += weights[k] * asm


@_jit_inline
def correlation(pairs: int, a: int, b: int, aa: int, bb: int, ab: int) -> float:
    """Of pairs (a, b), from their sums; 1 where either does not vary, as in scikit-image."""
    a_spread, b_spread = pairs * aa - a * a, pairs * bb - b * b  # pairs^2 times the variances, exact
    if a_spread == 0 or b_spread == 0:
        return 1.0
    return (pairs * ab - a * b) / (math.sqrt(float(a_spread)) * math.sqrt(float(b_spread)))
