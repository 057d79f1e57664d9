"""Means of a set with bootstrap intervals, and whether two sets differ: by redrawing their pictures.

A set's Compression Ratio is a ratio of sums, so its pictures weigh by their bytes: `raw` says how many each has.
Percentiles are taken further out than the share says, as Student's t is wider than the normal distribution (Hesterberg
2015, "What Teachers Should Know About the Bootstrap", 4.2.3): plain ones of 24 values hold the truth 91 to 93 times of
100, not 95, and BCa ones hardly more often.
Not here: distances of feature sets (`metrics.frechet`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Raw = Sequence[float] | None
"""Raw bytes of each picture where values are ratios of raw bytes to encoded ones; None for a plain mean."""

NUM_DRAWS, SHARE = 2000, 0.95


def set_mean(values: Sequence[float], raw: Raw = None) -> float:
    """The mean of a set's values, or with `raw` the ratio of their sums."""
    tops, bottoms = _sums(values, raw)
    return float(tops.sum() / bottoms.sum())


def mean_interval(
    values: Sequence[float],
    raw: Raw = None,
    *,
    num_draws: int = NUM_DRAWS,
    share: float = SHARE,
    seed: int = 0,
) -> tuple[float, float]:
    """Where `set_mean` lies when the pictures are drawn again with replacement: (low, high)."""
    tops, bottoms = _sums(values, raw)
    if tops.size < 2:
        raise ValueError("an interval needs at least two pictures; add pictures to the set")
    drawn = _drawn(tops, bottoms, _draws(tops.size, num_draws, np.random.default_rng(seed)))
    return _middle(drawn, share, tops.size)


def difference_interval(
    ours: Sequence[float],
    theirs: Sequence[float],
    *,
    paired: bool,
    raw: tuple[Raw, Raw] = (None, None),
    num_draws: int = NUM_DRAWS,
    share: float = SHARE,
    seed: int = 0,
) -> tuple[float, float]:
    """Interval of `set_mean(ours) - set_mean(theirs)`: without 0 in it, the difference is real.

    `paired` draws pictures of equal index together, which is sharper where both sets answer the same prompts.
    """
    first, second = _sums(ours, raw[0]), _sums(theirs, raw[1])
    sizes = first[0].size, second[0].size
    if paired and sizes[0] != sizes[1]:
        raise ValueError(f"paired sets need equal lengths, got {sizes[0]} and {sizes[1]}")
    if min(sizes) < 2:
        raise ValueError("an interval needs at least two pictures a set; add pictures")
    rng = np.random.default_rng(seed)
    draws = _draws(sizes[0], num_draws, rng)
    others = draws if paired else _draws(sizes[1], num_draws, rng)
    return _middle(_drawn(*first, draws) - _drawn(*second, others), share, min(sizes))


def _sums(values: Sequence[float], raw: Raw) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What is added up above and below the line."""
    found = np.asarray(values, np.float64)
    if raw is None:
        return found, np.ones_like(found)
    weights = np.asarray(raw, np.float64)
    return weights, weights / found


def _draws(count: int, num_draws: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return rng.integers(count, size=(num_draws, count))


def _drawn(
    tops: NDArray[np.float64], bottoms: NDArray[np.float64], draws: NDArray[np.int64]
) -> NDArray[np.float64]:
    return np.asarray(tops[draws].sum(1) / bottoms[draws].sum(1))


def _middle(found: NDArray[np.float64], share: float, count: int) -> tuple[float, float]:
    from scipy import stats  # half a second that the page's start does not pay

    reach = np.sqrt(count / (count - 1)) * stats.t.ppf((1 + share) / 2, count - 1)
    low, high = np.quantile(found, stats.norm.cdf([-reach, reach]))
    return float(low), float(high)
