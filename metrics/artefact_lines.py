"""What whole rows and columns have in common: jumps that repeat every 8, 16 or 32 px, and single ones.

Every place between two rows (and columns) gets two numbers in each of several sections of its length: the signed jump
beyond what its neighbours lead to expect, and the mean jump. A grid repeats them; a seam is alone, in all sections.
Not here: stripes (`metrics.artefact_stripes`), verdicts and words (`metrics.artefacts`).
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from metrics.kernels import jit
from metrics.threads import in_threads

SECTIONS = 8
PERIODS_PX = (8, 16, 32)
_CAP = 16
"""Grey levels at which a jump stops counting, so that outlines do not drown a grid."""

_BINS_PER_LEVEL = 16  # of the histograms that medians are taken from

_GRID_SIGMAS, _GRID_SHARE, _GRID_LEVELS = 7.0, 0.10, 0.25
_MAX_SEAMS = 7
_SEAM_SIGMAS, _SEAM_LEVELS, _SEAM_TIMES_OWN, _SEAM_WEAKEST = 8.0, 0.6, 2.7, 0.6


class LineProfiles(NamedTuple):
    """Of the places between lines, (SECTIONS, lines - 3): entry i lies between line i + 1 and line i + 2."""

    signed: NDArray[np.float64]
    """Median of the step minus the mean of the steps before and after it, grey levels: an outline that crosses less
    than half of a section does not count."""

    jumps: NDArray[np.float64]
    """Mean size of the step, grey levels."""

    section_px: int


class GridFinding(NamedTuple):
    """How strongly a period stands out: 1 is the threshold."""

    strength: float
    period_px: int
    first_line: int


class SeamFinding(NamedTuple):
    """The place that stands out most: 1 is the threshold."""

    strength: float
    line: int
    levels: float


def line_profiles(grey: NDArray[np.float32]) -> tuple[LineProfiles, LineProfiles]:
    """Of (H, W) float32: between rows (sections along the width), and between columns (sections along the height)."""
    return _profiles(grey), _profiles(np.ascontiguousarray(grey.T))


def _profiles(grey: NDArray[np.float32]) -> LineProfiles:
    signed, jumps = (np.zeros((SECTIONS, len(grey) - 3)) for _ in range(2))
    in_threads(partial(_measure_rows, grey, signed, jumps), len(grey) - 3)
    return LineProfiles(signed, jumps, grey.shape[1] // SECTIONS)


def grids(profiles: LineProfiles) -> tuple[GridFinding, ...]:
    """For each of `PERIODS_PX`: how far one phase of the period stands out against the phase half a period away.

    The difference of the two cancels everything of half the period, so JPEG's 8 px do not pass for 16 or 32.
    """
    found = []
    for period in PERIODS_PX:
        best = GridFinding(0.0, period, 0)
        for lines in (profiles.signed, profiles.jumps):
            mean = lines.mean(0)
            strength, phase = _repeats(mean - _running_median(mean), period, float(profiles.jumps.mean()))
            if strength > best.strength:
                best = GridFinding(strength, period, (phase + 2) % period)
        found.append(best)
    return tuple(found)


def _repeats(line: NDArray[np.float64], period: int, usual: float) -> tuple[float, int]:
    count = len(line) // period
    if count < 6:
        return 0.0, 0
    cycles = line[: count * period].reshape(count, period)
    differences = cycles - np.roll(cycles, period // 2, axis=1)
    # Medians: outlines that meet a phase in a few cycles must not speak for the period.
    low, middle, high = np.percentile(differences, (25, 50, 75), axis=0)
    sigma = 0.93 * np.median(high - low) / np.sqrt(count) + 1e-3  # of a median of normal values
    phase = int(np.abs(middle).argmax())
    size = float(abs(middle[phase]))
    if middle[phase] < 0:
        phase = (phase + period // 2) % period
    return float(size / max(sigma * _GRID_SIGMAS, _GRID_SHARE * (usual + 0.5), _GRID_LEVELS)), phase


def strongest_seam(profiles: LineProfiles) -> SeamFinding:
    """The place where all sections jump the same way, the more so the fewer such places there are."""
    signed = profiles.signed
    mean = signed.mean(0)
    size = np.abs(mean)
    size[:3] = size[-3:] = 0
    # All sections but one, which may be white or black through and through: an outline seldom spans so many.
    # Natural outlines change along their way, a seam's step does not, but for what texture makes uncertain: the
    # standard error of a median, from the mean step as if normal.
    uncertain = 1.9 * profiles.jumps / np.sqrt(profiles.section_px)
    weakest = np.maximum(np.sort(signed * np.sign(mean) + uncertain, axis=0)[1], 0)
    joint = np.minimum(size, weakest / _SEAM_WEAKEST)
    peak = int(joint.argmax())
    # What comes after as many seams as there may be is the picture's own: outlines that return, blocks. A seam's
    # neighbours jump too, half as far the other way, so only the highest of five counts.
    highest = np.lib.stride_tricks.sliding_window_view(np.pad(joint, 2), 5).max(1)
    rivals = np.sort(np.where(joint == highest, joint, 0))[::-1]
    own = float(rivals[min(_MAX_SEAMS, len(rivals) - 1)])
    sigma = 1.48 * float(np.median(np.abs(mean))) + 1e-3
    strength = float(joint[peak]) / max(sigma * _SEAM_SIGMAS, _SEAM_LEVELS, own * _SEAM_TIMES_OWN)
    return SeamFinding(strength, peak + 2, float(size[peak]))


def _running_median(line: NDArray[np.float64], reach: int = 12) -> NDArray[np.float64]:
    padded = np.pad(line, reach, mode="reflect")
    return np.asarray(np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1), axis=1))


_jit: Any = jit(nogil=True, fastmath=True)


@_jit
def _measure_rows(
    grey: NDArray[np.float32], signed: NDArray[np.float64], jumps: NDArray[np.float64], start: int, stop: int
) -> None:
    width, sections = grey.shape[1], signed.shape[0]
    middle, last_bin = _CAP * _BINS_PER_LEVEL, 2 * _CAP * _BINS_PER_LEVEL
    histogram = np.zeros(last_bin + 1, np.int32)
    for y in range(start, stop):
        for section in range(sections):
            first, last = width * section // sections, width * (section + 1) // sections
            size = np.float32(0)
            histogram[:] = 0
            for x in range(first, last):
                before, step = grey[y + 1, x] - grey[y, x], grey[y + 2, x] - grey[y + 1, x]
                after = grey[y + 3, x] - grey[y + 2, x]
                beyond = (step - np.float32(0.5) * (before + after)) * np.float32(_BINS_PER_LEVEL)
                bin_ = int(beyond + np.float32(middle + 0.5))
                histogram[min(max(bin_, 0), last_bin)] += 1
                size += min(abs(step), np.float32(_CAP))
            jumps[section, y] = size / np.float32(last - first)
            # The median, linear within the bin that holds it.
            below, bin_, half = 0, 0, 0.5 * (last - first)
            while below + histogram[bin_] < half:
                below += histogram[bin_]
                bin_ += 1
            inside = (half - below) / histogram[bin_] - 0.5
            signed[section, y] = (bin_ - middle + inside) / _BINS_PER_LEVEL
