"""Ranges cover every index once, errors arrive, and callers may be threads themselves."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from metrics import threads
from metrics.glcm import patch_scores
from metrics.threads import in_threads


@pytest.mark.parametrize("cores", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 2, 7, 1000])
def test_every_index_is_visited_once(monkeypatch: pytest.MonkeyPatch, cores: int, count: int) -> None:
    monkeypatch.setattr(threads, "_usable_cores", lambda: cores)
    visits = np.zeros(count, np.int64)

    def visit(start: int, stop: int) -> None:
        visits[start:stop] += 1

    in_threads(visit, count)
    assert (visits == 1).all()


def test_an_error_in_any_range_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_usable_cores", lambda: 2)

    def fail_late(start: int, stop: int) -> None:
        if stop == 100:
            raise ArithmeticError("the last range")

    with pytest.raises(ArithmeticError, match="the last range"):
        in_threads(fail_late, 100)


def test_many_callers_at_once_get_their_own_numbers() -> None:
    images = [np.random.default_rng(seed).integers(0, 256, (128, 192), dtype=np.uint8) for seed in range(12)]
    alone = [patch_scores(image) for image in images]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(patch_scores, images))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)
