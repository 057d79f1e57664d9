"""What the votes of a benchmark say: strengths of the models, and which metrics agree with the eye. No torch.

Not here: votes themselves (`studio.benchmark.duels`), the arithmetic (`metrics.preference`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from metrics.preference import Agreement, Strength, agreement, strengths, win_rates
from metrics.protocols import Column
from studio.benchmark.duels import judged_of
from studio.benchmark.folder import BenchmarkFolder


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the votes say."""

    num_votes: int
    strengths: Mapping[str, Strength]
    win_rates: Mapping[str, float]
    agreements: Mapping[str, Agreement]
    """By column key: the paper's table 1 on one's own pictures."""


def verdict(folder: BenchmarkFolder, columns: Sequence[Column]) -> Verdict:
    """Strengths of the contenders, and how far each column of pictures agrees with the votes."""
    judged, known = judged_of(folder), folder.scores()
    found: dict[str, Agreement] = {}
    for column in columns:
        if not column.is_of_pictures:
            continue
        pairs = [
            (a - b, one.outcome)
            for one in judged
            if (a := _score(known, one.left_picture, column.key)) is not None
            and (b := _score(known, one.right_picture, column.key)) is not None
        ]
        agreed = agreement([apart for apart, _ in pairs], [said for _, said in pairs], column.card.direction)
        if agreed is not None:
            found[column.key] = agreed
    votes = [one.as_vote() for one in judged]
    return Verdict(len(judged), strengths(votes), win_rates(votes), found)


def _score(known: Mapping[str, Any], picture: str, key: str) -> float | None:
    value = known.get(picture, {}).get("values", {}).get(key)
    return None if value is None else float(value)
