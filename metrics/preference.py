"""What people prefer: Bradley-Terry strengths from pairs, with intervals, and how far metrics agree with the votes.

Sources: Bradley and Terry 1952, ties as half a win for each side; Spearman's and Pearson's correlations (SRCC, PLCC) as
in Diffusion-4K, table 1. Not here: what is shown to whom (`studio.benchmark.duels`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from metrics.catalogue import Direction

Outcome = Literal["first", "second", "tie"]
FEWEST = 3
"""Votes below which nothing is estimated."""

_PRIOR = 0.1
"""Of half wins against an average player, so that a side that never lost has a finite strength."""


@dataclass(frozen=True, slots=True)
class Vote:
    """One pair, judged."""

    first: str
    second: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Strength:
    """Of one player, as a log-odds ratio against the average: 0 is average, 1 wins 73 of 100 against it."""

    value: float
    interval: tuple[float, float]
    """95 %, by drawing the votes again."""

    num_votes: int


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of one metric with the votes."""

    srcc: float
    plcc: float
    num_votes: int


def strengths(votes: Sequence[Vote], *, num_draws: int = 300, seed: int = 0) -> dict[str, Strength]:
    """Of every player, the strongest first; empty for fewer than three votes."""
    if len(votes) < FEWEST:
        return {}
    players = sorted({name for vote in votes for name in (vote.first, vote.second)})
    place = {name: i for i, name in enumerate(players)}
    pairs = np.array([(place[vote.first], place[vote.second]) for vote in votes])
    shares = np.array([{"first": 1.0, "tie": 0.5, "second": 0.0}[vote.outcome] for vote in votes])
    rng = np.random.default_rng(seed)
    value = _fit(pairs, shares, len(players))
    draws = []
    for _ in range(num_draws):
        chosen = rng.integers(len(votes), size=len(votes))
        draws.append(_fit(pairs[chosen], shares[chosen], len(players)))
    low, high = np.quantile(np.array(draws), [0.025, 0.975], axis=0)
    counts = np.bincount(pairs.ravel(), minlength=len(players))
    found = {
        name: Strength(float(value[i]), (float(low[i]), float(high[i])), int(counts[i]))
        for name, i in place.items()
    }
    return dict(sorted(found.items(), key=lambda item: -item[1].value))


def agreement(
    differences: Sequence[float], outcomes: Sequence[Outcome], direction: Direction
) -> Agreement | None:
    """Of `metric(first) - metric(second)` with who was preferred (1, 0 for a tie, -1), pair by pair.

    Where less is better, the sign is turned, so that 1 always means that the metric says what people say. None for
    fewer than three pairs, and where either side is the same throughout.
    """
    if len(differences) != len(outcomes):
        raise ValueError(f"every pair needs one vote, got {len(differences)} pairs and {len(outcomes)} votes")
    sign = -1.0 if direction == "lower" else 1.0
    said = np.array([{"first": 1.0, "tie": 0.0, "second": -1.0}[outcome] for outcome in outcomes])
    found = sign * np.asarray(differences, np.float64)
    if len(said) < FEWEST or np.ptp(said) == 0 or np.ptp(found) == 0:
        return None
    from scipy import stats  # a second of importing that nobody needs who only opens the page

    return Agreement(
        float(stats.spearmanr(found, said).statistic), float(stats.pearsonr(found, said).statistic), len(said)
    )


def win_rates(votes: Sequence[Vote]) -> Mapping[str, float]:
    """Share of a player's pairs that it won, ties as half."""
    won: dict[str, float] = {}
    played: dict[str, int] = {}
    for vote in votes:
        share = {"first": 1.0, "tie": 0.5, "second": 0.0}[vote.outcome]
        for name, part in ((vote.first, share), (vote.second, 1 - share)):
            won[name] = won.get(name, 0.0) + part
            played[name] = played.get(name, 0) + 1
    return {name: won[name] / played[name] for name in won}


def _fit(pairs: NDArray[np.int64], shares: NDArray[np.float64], num_players: int) -> NDArray[np.float64]:
    """The most likely strengths, of mean 0: a logistic regression on who plays whom, slightly held to the average."""
    from scipy import optimize

    def loss(strength: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        ahead = strength[pairs[:, 0]] - strength[pairs[:, 1]]
        expected = 1 / (1 + np.exp(-ahead))
        likely = (np.logaddexp(0, ahead) - shares * ahead).sum()
        held = (np.logaddexp(0, strength) - 0.5 * strength).sum() * 2 * _PRIOR
        slope = 2 * _PRIOR * (1 / (1 + np.exp(-strength)) - 0.5)
        np.add.at(slope, pairs[:, 0], expected - shares)
        np.add.at(slope, pairs[:, 1], shares - expected)
        return float(likely + held), slope

    found = optimize.minimize(loss, np.zeros(num_players), jac=True, method="L-BFGS-B").x
    return np.asarray(found - found.mean())
