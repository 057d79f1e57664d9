"""Blind duels: two pictures of one prompt and seed, sides shuffled, names hidden until the end. No torch.

What is shown is decided by a seed, so a page that is opened again goes on with the same pair. A vote is kept as a line;
taking one back is another line, and of a pair whose names were shown no vote counts. Not here: what the votes say
(`studio.benchmark.verdict`).
"""

from __future__ import annotations

import csv
import hashlib
import io
import random
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import combinations
from typing import Any, Literal, get_args

from metrics.preference import Outcome, Vote
from studio.benchmark.folder import BenchmarkFolder
from studio.benchmark.progress import Standings
from studio.pictures.gallery_rows import Picture

Choice = Literal["left", "right", "tie", "neither"]
"""The better picture; as good; or both bad, which counts as a tie and is told apart in the file."""


@dataclass(frozen=True, slots=True)
class Duel:
    """One pair that can be shown."""

    key: str
    """Of the pair, whatever sides: the same pair is not asked twice."""

    prompt: str
    seed: int
    left: str
    """A contender."""

    right: str
    left_picture: Picture
    right_picture: Picture


@dataclass(frozen=True, slots=True)
class Judged:
    """One vote that counts."""

    key: str
    left: str
    right: str
    left_picture: str
    right_picture: str
    choice: Choice
    at: float

    @property
    def outcome(self) -> Outcome:
        outcomes: dict[Choice, Outcome] = {"left": "first", "right": "second", "tie": "tie", "neither": "tie"}
        return outcomes[self.choice]

    def as_vote(self) -> Vote:
        return Vote(self.left, self.right, self.outcome)


def duels(found: Standings, *, order_seed: int = 0) -> list[Duel]:
    """Every pair that is drawn, in an order and with sides that follow from the seed alone."""
    pictures = {
        (cell.contender, cell.prompt, cell.seed): standing.picture
        for cell, standing in found.cells
        if standing.picture is not None
    }
    listed = []
    names = [contender.name for contender in found.plan.contenders]
    for prompt in found.plan.prompts:
        for seed in found.plan.seeds:
            for one, other in combinations(names, 2):
                first, second = (
                    pictures.get((one, prompt.name, seed)),
                    pictures.get((other, prompt.name, seed)),
                )
                if first is None or second is None or first.id == second.id:
                    continue
                key = hashlib.sha256(f"{prompt.name}\n{seed}\n{one}\n{other}".encode()).hexdigest()[:16]
                if random.Random(f"{order_seed} {key}").random() < 0.5:
                    listed.append(Duel(key, prompt.name, seed, one, other, first, second))
                else:
                    listed.append(Duel(key, prompt.name, seed, other, one, second, first))
    listed.sort(key=lambda duel: random.Random(f"order {order_seed} {duel.key}").random())
    return listed


def next_duel(found: Standings, folder: BenchmarkFolder, *, order_seed: int = 0) -> Duel | None:
    """The first that has no vote and whose names were not shown; None where there is none left."""
    done = {one.key for one in judged_of(folder)} | revealed_of(folder)
    return next((duel for duel in duels(found, order_seed=order_seed) if duel.key not in done), None)


def cast(folder: BenchmarkFolder, duel: Duel, choice: Choice) -> None:
    """Keep a vote; void from the beginning where the names of this pair were shown."""
    if choice not in get_args(Choice):
        raise ValueError(f"a vote is {', '.join(get_args(Choice))}, got {choice!r}")
    vote = Judged(
        duel.key,
        duel.left,
        duel.right,
        duel.left_picture.id,
        duel.right_picture.id,
        choice,
        round(time.time(), 1),
    )
    folder.add_vote({**asdict(vote), "void": duel.key in revealed_of(folder)})


def reveal(folder: BenchmarkFolder, duel: Duel) -> None:
    """Keep in mind that the names of this pair were shown: it is not asked again, and no later vote on it counts."""
    folder.add_vote({"revealed": duel.key})


def revealed_of(folder: BenchmarkFolder) -> frozenset[str]:
    """Keys of the pairs whose names were shown."""
    return frozenset(line["revealed"] for line in folder.votes() if isinstance(line.get("revealed"), str))


def take_back(folder: BenchmarkFolder) -> Judged | None:
    """Undo the last vote that counts; None where there is none."""
    counted = judged_of(folder)
    if not counted:
        return None
    folder.add_vote({"undo": counted[-1].key})
    return counted[-1]


def judged_of(folder: BenchmarkFolder) -> list[Judged]:
    """The votes that count, oldest first: not taken back, not void; of two on one pair the later. Damaged lines cost
    themselves alone."""
    counted: dict[str, Judged] = {}
    for line in folder.votes():
        if isinstance(line.get("undo"), str):
            counted.pop(line["undo"], None)
            continue
        vote = _vote_in(line)
        if vote is not None and not line.get("void"):
            counted.pop(vote.key, None)
            counted[vote.key] = vote
    return list(counted.values())


def votes_csv(folder: BenchmarkFolder, found: Standings) -> str:
    """The votes that count, a line each, with the prompt's words and the time in UTC."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("time", "prompt", "seed", "left", "right", "choice", "left_picture", "right_picture"))
    known = {duel.key: duel for duel in duels(found)}
    words = {prompt.name: prompt.text for prompt in found.plan.prompts}
    for one in judged_of(folder):
        duel = known.get(one.key)
        asked = ("", "") if duel is None else (words[duel.prompt], duel.seed)
        at = datetime.fromtimestamp(one.at, UTC).isoformat(timespec="seconds")
        writer.writerow((at, *asked, one.left, one.right, one.choice, one.left_picture, one.right_picture))
    return text.getvalue()


def _vote_in(line: Mapping[str, Any]) -> Judged | None:
    names = ("key", "left", "right", "left_picture", "right_picture")
    at = line.get("at")
    if not all(isinstance(line.get(name), str) for name in names) or line.get("choice") not in get_args(
        Choice
    ):
        return None
    if isinstance(at, bool) or not isinstance(at, int | float):
        return None
    key, left, right, left_picture, right_picture = (str(line[name]) for name in names)
    return Judged(key, left, right, left_picture, right_picture, line["choice"], float(at))
