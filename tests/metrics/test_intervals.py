"""Intervals of sets: their width in closed form, pairs, ratios of sums, and how often equal sets are told apart."""

from __future__ import annotations

import numpy as np
import pytest

from metrics.compression import compression_ratio, set_compression_ratio
from metrics.intervals import difference_interval, mean_interval, set_mean


def test_the_mean_lies_in_its_interval_and_more_pictures_narrow_it() -> None:
    values = np.random.default_rng(0).normal(3, 1, 200)
    low, high = mean_interval(values)
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 200**0.5, rel=0.15)
    assert (high - low) < np.subtract(*mean_interval(values[:20])[::-1])


def test_pairing_sees_what_spread_hides() -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(0, 5, 40)
    better = base + 0.5 + rng.normal(0, 0.2, 40)
    assert difference_interval(better, base, paired=True)[0] > 0
    low, high = difference_interval(better, base, paired=False)
    assert low < 0 < high


def test_equal_sets_are_seldom_called_different() -> None:
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(100):
        low, high = difference_interval(rng.normal(size=30), rng.normal(size=30), paired=False, num_draws=400)
        wrong += not low < 0 < high
    assert wrong <= 12


def test_what_cannot_be_judged_is_refused() -> None:
    with pytest.raises(ValueError, match="at least two"):
        mean_interval([1.0])
    with pytest.raises(ValueError, match="equal lengths"):
        difference_interval([1, 2], [1, 2, 3], paired=True)


def test_ratios_of_a_set_weigh_by_bytes_as_the_set_itself_does() -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, top, (side, 64, 3), np.uint8) for side, top in ((16, 256), (200, 4), (64, 60))]
    ratios, raw = [compression_ratio(image) for image in images], [image.nbytes for image in images]
    assert set_mean(ratios, raw) == pytest.approx(set_compression_ratio(images), rel=1e-12)
    assert abs(set_mean(ratios, raw) - np.mean(ratios)) > 0.5
    assert set_mean(ratios) == pytest.approx(np.mean(ratios), rel=1e-12)


def test_the_interval_of_a_ratio_holds_the_ratio_and_not_the_mean() -> None:
    rng = np.random.default_rng(1)
    raw = rng.uniform(1, 100, 60)
    ratios = 20 / np.sqrt(raw) + rng.uniform(0, 0.2, 60)  # small pictures have high ratios
    low, high = mean_interval(ratios, raw)
    assert low < set_mean(ratios, raw) < high < ratios.mean()
    low, high = difference_interval(ratios, ratios * 1.01, paired=True, raw=(raw, raw))
    assert high < 0
