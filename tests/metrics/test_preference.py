"""Strengths against a second implementation, intervals on simulated votes, correlations against SciPy and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from metrics.preference import Outcome, Vote, agreement, strengths, win_rates


def simulated(true: dict[str, float], count: int, seed: int) -> list[Vote]:
    rng = np.random.default_rng(seed)
    names = list(true)
    votes = []
    for _ in range(count):
        first, second = rng.choice(len(names), 2, replace=False)
        ahead = true[names[first]] - true[names[second]]
        won: Outcome = "first" if rng.random() < 1 / (1 + math.exp(-ahead)) else "second"
        votes.append(Vote(names[first], names[second], won))
    return votes


def by_minorize_maximize(votes: list[Vote], prior: float) -> dict[str, float]:
    """Hunter 2004: each skill is its wins over the sum of 1 / (its skill + the other's), again and again."""
    names = sorted({name for vote in votes for name in (vote.first, vote.second)})
    skill = dict.fromkeys(names, 1.0)
    for _ in range(20_000):
        wins, chances = dict.fromkeys(names, prior), dict.fromkeys(names, 0.0)
        for vote in votes:
            share = {"first": 1.0, "tie": 0.5, "second": 0.0}[vote.outcome]
            wins[vote.first] += share
            wins[vote.second] += 1 - share
            for name in (vote.first, vote.second):
                chances[name] += 1 / (skill[vote.first] + skill[vote.second])
        for name in names:  # half wins against an average player, of skill 1
            chances[name] += 2 * prior / (skill[name] + 1)
        new = {name: wins[name] / chances[name] for name in names}
        moved = max(abs(math.log(new[name] / skill[name])) for name in names)
        skill = new
        if moved < 1e-12:
            break
    mean = sum(math.log(value) for value in skill.values()) / len(names)
    return {name: math.log(value) - mean for name, value in skill.items()}


def test_strengths_are_those_of_another_algorithm() -> None:
    votes = simulated({"a": 1.0, "b": 0.0, "c": -1.0}, 80, 0)
    votes += [Vote("a", "b", "tie"), Vote("c", "a", "tie")]
    found = strengths(votes, num_draws=3)
    assert list(found) == ["a", "b", "c"]
    wanted = by_minorize_maximize(votes, prior=0.1)
    for name, strength in found.items():
        assert strength.value == pytest.approx(wanted[name], abs=1e-4)
    assert sum(one.num_votes for one in found.values()) == 2 * len(votes)


def test_two_players_in_closed_form() -> None:
    """30 wins of 40: log(30.1 / 10.1) apart, but for the prior on each."""
    votes = [Vote("a", "b", "first")] * 30 + [Vote("a", "b", "second")] * 10
    found = strengths(votes, num_draws=3)
    assert found["a"].value - found["b"].value == pytest.approx(math.log(3), abs=0.02)
    assert win_rates(votes) == {"a": 0.75, "b": 0.25}


def test_intervals_hold_the_truth() -> None:
    true = {"a": 0.8, "b": 0.0, "c": -0.8}
    held = 0
    for seed in range(60):
        found = strengths(simulated(true, 150, seed), num_draws=100, seed=seed)
        held += sum(
            found[name].interval[0] <= value <= found[name].interval[1] for name, value in true.items()
        )
    assert 0.88 <= held / 180 <= 1.0


def test_who_never_lost_is_finite_and_first() -> None:
    found = strengths([Vote("a", "b", "first")] * 5, num_draws=5)
    assert list(found) == ["a", "b"]
    assert all(math.isfinite(one.value) for one in found.values())
    assert strengths([Vote("a", "b", "first")] * 2) == {}


def test_agreement_is_scipys() -> None:
    rng = np.random.default_rng(1)
    metric = rng.normal(size=40)
    felt = metric + rng.normal(size=40)
    outcomes: list[Outcome] = ["first" if f > 0.3 else "second" if f < -0.3 else "tie" for f in felt]
    said = [{"first": 1, "tie": 0, "second": -1}[outcome] for outcome in outcomes]
    found = agreement(metric.tolist(), outcomes, "higher")
    assert found is not None
    assert found.srcc == pytest.approx(stats.spearmanr(metric, said).statistic, abs=1e-12)
    assert found.plcc == pytest.approx(np.corrcoef(metric, said)[0, 1], abs=1e-12)
    turned = agreement(metric.tolist(), outcomes, "lower")
    assert turned is not None
    assert (turned.srcc, turned.plcc) == pytest.approx((-found.srcc, -found.plcc))


def test_agreement_by_hand_and_where_there_is_none() -> None:
    perfect = agreement([3.0, -1.0, 0.0, 2.0], ["first", "second", "tie", "first"], "higher")
    assert perfect is not None
    assert perfect.srcc == pytest.approx(0.9486833)  # ranks 4, 1, 2, 3 and 3.5, 1, 2, 3.5
    assert agreement([1.0, 2.0], ["first", "second"], "higher") is None
    assert agreement([1.0, 2.0, 3.0], ["first"] * 3, "higher") is None
    with pytest.raises(ValueError, match="every pair needs one vote"):
        agreement([1.0], [], "higher")
