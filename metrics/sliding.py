"""Co-occurrence properties in windows that overlap: the loops under `glcm_map`. Numba, released GIL.

A window that moves down by a few rows keeps most of its pixel pairs. So counts are updated by the rows that leave and
enter, and the two sums that need counts (of squares, and of c log2 c) are updated with them, in integers: no drift,
however far a window slides. The other sums need only pairs, and come from running sums over rows.
Not here: windows side by side (`metrics.cooccurrence`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metrics.cooccurrence import LEVELS, PROPERTIES, Offset, check_windows, correlation, distinct_offsets
from metrics.kernels import jit
from metrics.threads import in_threads


def sliding_properties(
    grey: NDArray[np.uint8],
    *,
    offsets: Sequence[Offset],
    window_px: int,
    stride_px: int,
    chosen: Sequence[int],
) -> NDArray[np.float32]:
    """As `metrics.cooccurrence.window_properties`, but float32 and only the `chosen` entries of `PROPERTIES`."""
    check_windows(grey, offsets, window_px, stride_px)
    steps, times = distinct_offsets(offsets)
    weights = (times / times.sum()).tolist()
    tables = [_tables((window_px - abs(dy)) * (window_px - abs(dx))) for dy, dx in steps.tolist()]
    grey = np.ascontiguousarray(grey)
    rows, columns = ((side - window_px) // stride_px + 1 for side in grey.shape)
    out = np.empty((rows, columns, len(chosen)), np.float32)

    def slide_down(start: int, stop: int) -> None:
        block = np.zeros((rows, stop - start, len(PROPERTIES)))
        for (dy, dx), weight, table in zip(steps.tolist(), weights, tables, strict=True):
            _slide(grey, start, dy, dx, weight, window_px, stride_px, *table, block)
        out[:, start:stop] = block[:, :, chosen]

    in_threads(slide_down, columns)
    return out


def _tables(pairs: int) -> tuple[int, NDArray[np.int64], NDArray[np.int64], float, float]:
    """Fixed-point tables for windows of `pairs` pairs.

    Returns: F(pairs); F(c + 1) - F(c) for c below `pairs`, where F(c) = c log2 c; 1 / (1 + d^2) for d = -63 to 63;
    and the two scales: the largest powers of two at which a sum over all pairs stays below 2^62. At 64 px that leaves
    44 bits after the point.
    """
    counts = np.arange(pairs + 1, dtype=np.float64)
    logs = counts * np.log2(np.maximum(counts, 1))
    log_scale = 2.0 ** (61 - int(np.ceil(np.log2(max(2.0, logs[-1])))))
    near_scale = 2.0 ** (61 - int(np.ceil(np.log2(max(2, pairs)))))
    fixed = np.rint(logs * log_scale).astype(np.int64)
    differences = np.arange(1 - LEVELS, LEVELS, dtype=np.float64)
    near = np.rint(near_scale / (1 + differences**2)).astype(np.int64)
    return int(fixed[-1]), np.diff(fixed), near, log_scale, near_scale


_jit: Any = jit(nogil=True, error_model="numpy")
_jit_inline: Any = jit(inline="always", error_model="numpy")


@_jit
def _slide(
    grey: NDArray[np.uint8],
    first_column: int,
    dy: int,
    dx: int,
    weight: float,
    window: int,
    stride: int,
    log_pairs: int,
    log_steps: NDArray[np.int64],
    near: NDArray[np.int64],
    log_scale: float,
    near_scale: float,
    block: NDArray[np.float64],
) -> None:
    """Add weight * properties at one offset to block[row, column], for columns from `first_column` on."""
    height, width = window - abs(dy), window - abs(dx)  # of the rectangle of first pixels
    pairs = height * width
    counts = np.empty(LEVELS * LEVELS, np.int32)
    sums = np.empty((grey.shape[0] + 1, 7), np.int64)
    for column in range(block.shape[1]):
        left = (first_column + column) * stride + max(0, -dx)
        top = max(0, -dy)
        _sum_rows(grey, top, left, width, dy, dx, near, sums)
        counts[:] = 0
        squares, logs = 0, 0  # over counts: of (c^2 - c) / 2, and of F(c)
        entered = top  # rows above this one have entered
        for row in range(block.shape[0]):
            if row > 0:
                less = _update(grey, top - stride, top, left, width, dy, dx, np.int64(-1), counts, log_steps)
                squares -= less[0]
                logs -= less[1]
            more = _update(grey, entered, top + height, left, width, dy, dx, np.int64(1), counts, log_steps)
            squares += more[0]
            logs += more[1]
            entered = top + height
            a = sums[entered, 0] - sums[top, 0]
            b = sums[entered, 1] - sums[top, 1]
            aa = sums[entered, 2] - sums[top, 2]
            bb = sums[entered, 3] - sums[top, 3]
            ab = sums[entered, 4] - sums[top, 4]
            asm = (2 * squares + pairs) / (float(pairs) * pairs)
            block[row, column, 0] += weight * (log_pairs - logs) / (log_scale * pairs)
            block[row, column, 1] += weight * (aa + bb - 2 * ab) / pairs
            block[row, column, 2] += weight * (sums[entered, 5] - sums[top, 5]) / pairs
            block[row, column, 3] += weight * (sums[entered, 6] - sums[top, 6]) / (near_scale * pairs)
            block[row, column, 4] += weight * math.sqrt(asm)
            block[row, column, 5] += weight * correlation(pairs, a, b, aa, bb, ab)
            block[row, column, 6] += weight * asm
            top += stride


@_jit
def _update(
    grey: NDArray[np.uint8],
    top: int,
    bottom: int,
    left: int,
    width: int,
    dy: int,
    dx: int,
    sign: int,
    counts: NDArray[np.int32],
    log_steps: NDArray[np.int64],
) -> tuple[int, int]:
    """Count the pairs of some rows in (sign 1) or out (-1); returns by how much the sums over counts changed."""
    squares, logs = 0, 0
    taken = 0 if sign > 0 else 1
    for y in range(top, bottom):
        first = grey[y, left : left + width]
        second = grey[y + dy, left + dx : left + dx + width]
        for x in range(width):
            cell = np.uintp(first[x]) * np.uintp(LEVELS) + np.uintp(second[x])
            count = counts[cell]
            counts[cell] = count + sign
            squares += count - taken
            logs += log_steps[np.uintp(count - taken)]
    return squares, logs


@_jit_inline
def _sum_rows(
    grey: NDArray[np.uint8],
    top: int,
    left: int,
    width: int,
    dy: int,
    dx: int,
    near: NDArray[np.int64],
    sums: NDArray[np.int64],
) -> None:
    """sums[y]: over the pairs (a, b) above row y, sums of a, b, a^2, b^2, ab, |a - b| and near[a - b + 63].

    The last may wrap around; its differences over a window are right nevertheless.
    """
    for i in range(7):
        sums[top, i] = 0
    for y in range(top, grey.shape[0] - max(0, dy)):
        a_sum, b_sum, aa_sum, bb_sum, ab_sum, far, near_sum = 0, 0, 0, 0, 0, 0, 0
        first = grey[y, left : left + width]
        second = grey[y + dy, left + dx : left + dx + width]
        for x in range(width):
            a: Any = np.int64(first[x])
            b: Any = np.int64(second[x])
            a_sum += a
            b_sum += b
            aa_sum += a * a
            bb_sum += b * b
            ab_sum += a * b
            far += abs(a - b)
        for x in range(width):
            near_sum += near[np.uintp(np.intp(first[x]) - np.intp(second[x]) + (LEVELS - 1))]
        row = (a_sum, b_sum, aa_sum, bb_sum, ab_sum, far, near_sum)
        for i in range(7):
            sums[y + 1, i] = sums[y, i] + row[i]
