"""Means over prompts, paired differences, what is best, and how many prompts are missing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from metrics.prompt_statistics import best_of, difference_of, mean_of


def by_prompt(values: np.ndarray) -> dict[str, list[float]]:
    """(prompts, seeds) or (prompts,)."""
    return {str(i): np.atleast_1d(row).tolist() for i, row in enumerate(values)}


def test_a_mean_by_hand() -> None:
    found = mean_of({"a": [1, 3], "b": [5], "c": []})
    assert (found.value, found.num_prompts, found.num_pictures) == (3.5, 2, 3)
    low, high = found.interval or (0, 0)
    assert (low, high) == (2, 5)
    assert mean_of({"a": [1.0]}).interval is None
    with pytest.raises(ValueError, match="no pictures"):
        mean_of({"a": []})


def test_a_ratio_of_sums_by_hand() -> None:
    """100 and 300 raw bytes in 50 and 50: 4, where the mean of the ratios is 4 too; 100 in 10 and 100 in 50 are not."""
    values, raw = {"a": [10.0, 2.0]}, {"a": [100.0, 100.0]}
    assert mean_of(values, raw).value == pytest.approx(200 / 60)
    assert mean_of({"a": [10.0], "b": [2.0]}, {"a": [100.0], "b": [100.0]}).value == pytest.approx(200 / 60)


NUM_SIMULATIONS, FEW_PROMPTS = 2000, 24
"""24 prompts are what the bundled model has of its own."""


def coverage(one: Callable[[np.random.Generator], tuple[float, float] | None], truth: float) -> float:
    """Share of simulated benchmarks whose interval holds the truth."""
    rng, held = np.random.default_rng(11), 0
    for _ in range(NUM_SIMULATIONS):
        low, high = one(rng) or (np.nan, np.nan)
        held += low < truth < high
    return held / NUM_SIMULATIONS


def test_the_interval_of_a_mean_holds_the_truth_as_often_as_it_says() -> None:
    """Skewed scores, two seeds a prompt that are alike. The error of the simulation itself is 0.5 %."""

    def mean(rng: np.random.Generator) -> tuple[float, float] | None:
        prompts = rng.gamma(4, 1, (FEW_PROMPTS, 1))
        return mean_of(by_prompt(prompts + rng.normal(0, 0.5, (FEW_PROMPTS, 2)))).interval

    assert coverage(mean, 4.0) == pytest.approx(0.95, abs=0.02)


def test_the_interval_of_a_difference_holds_the_truth_as_often_as_it_says() -> None:
    def difference(rng: np.random.Generator) -> tuple[float, float] | None:
        hard = rng.normal(0, 5, FEW_PROMPTS)
        ours, theirs = hard + rng.gamma(4, 0.5, FEW_PROMPTS), hard + rng.normal(0, 1, FEW_PROMPTS)
        return difference_of(by_prompt(ours), by_prompt(theirs)).interval

    assert coverage(difference, 2.0) == pytest.approx(0.95, abs=0.02)


def test_the_interval_of_a_ratio_of_sums_holds_the_truth_as_often_as_it_says() -> None:
    """Files of lognormal sizes: the truth is raw bytes over the expected size, not the expected ratio."""
    raw = {str(i): [1000.0] for i in range(FEW_PROMPTS)}

    def ratio(rng: np.random.Generator) -> tuple[float, float] | None:
        return mean_of(by_prompt(1000 / rng.lognormal(4, 0.4, FEW_PROMPTS)), raw).interval

    truth = 1000 / np.exp(4 + 0.4**2 / 2)
    assert coverage(ratio, truth) == pytest.approx(0.95, abs=0.02)
    assert coverage(ratio, truth * np.exp(0.4**2)) < 0.9, "the mean of the ratios is something else"


def test_pictures_of_one_prompt_are_no_independent_evidence() -> None:
    rng = np.random.default_rng(1)
    prompts = rng.normal(size=40)
    once = mean_of(by_prompt(prompts)).interval
    repeated = mean_of(by_prompt(np.repeat(prompts[:, None], 5, axis=1))).interval
    assert once is not None
    assert repeated == pytest.approx(once)


def test_the_same_prompts_are_compared_in_pairs() -> None:
    """What differs from prompt to prompt is the same for both, and hides nothing."""
    rng = np.random.default_rng(2)
    hard = rng.normal(0, 5, 60)
    ours, theirs = hard + rng.normal(0.3, 0.3, 60), hard + rng.normal(0, 0.3, 60)
    found = difference_of(by_prompt(ours), by_prompt(theirs))
    assert found.is_real
    assert found.value == pytest.approx((ours - theirs).mean())
    assert (found.num_prompts, found.more_prompts) == (60, 0)
    assert not difference_of(by_prompt(ours), by_prompt(rng.permutation(theirs))).is_real
    swapped = difference_of(by_prompt(theirs), by_prompt(ours))
    assert swapped.value == pytest.approx(-found.value)


def test_only_common_prompts_count() -> None:
    found = difference_of({"a": [2.0], "b": [5.0], "c": []}, {"a": [1.0], "c": [9.0]})
    assert (found.value, found.num_prompts, found.interval) == (1.0, 1, None)
    with pytest.raises(ValueError, match="no prompt in common"):
        difference_of({"a": [1.0]}, {"b": [1.0]})


def test_how_many_more_prompts_would_settle_it() -> None:
    """A difference of 0.1 with a deviation of 1 a prompt needs about (1.96 / 0.1)^2 = 384 prompts."""
    rng = np.random.default_rng(3)
    noise = rng.normal(size=100)
    noise = (noise - noise.mean()) / noise.std()
    found = difference_of(by_prompt(noise + 0.1), by_prompt(np.zeros(100)))
    assert found.more_prompts == pytest.approx(284, abs=60)
    same = difference_of(by_prompt(noise), by_prompt(noise))
    assert (same.is_real, same.more_prompts) == (False, None)


def test_best_is_marked_only_where_it_is_real() -> None:
    rng = np.random.default_rng(4)
    base = rng.normal(size=50)
    models = {"a": by_prompt(base), "b": by_prompt(base + rng.normal(0.5, 0.1, 50)), "c": by_prompt(base - 1)}
    assert best_of(models, "higher") == "b"
    assert best_of(models, "lower") == "c"
    assert best_of(models, "neither") is None
    assert best_of({"a": models["a"]}, "higher") is None
    close = {**models, "d": by_prompt(base + 0.5 + rng.normal(0, 1.0, 50))}
    assert best_of(close, "higher") is None
    assert best_of({"a": {"x": [1.0]}, "b": {"y": [2.0]}}, "higher") is None
