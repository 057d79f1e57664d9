"""What is compared: pictures, or two sets of them, and what is known of each so far. No widgets, no scoring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from studio.pictures.gallery_rows import Picture
from studio.pictures.settings_reader import read_settings
from studio.ui.compare.table import ScoredSet


@dataclass(frozen=True, slots=True)
class Item:
    """One picture that is compared."""

    key: str
    name: str
    path: Path
    record: dict[str, Any]
    picture: Picture | None = None
    """Its row in the gallery, if it has one."""


@dataclass(slots=True)
class Found:
    """What a comparison knows so far, by the items' keys."""

    scores: dict[str, dict[str, float]] = field(default_factory=dict)
    raw_bytes: dict[str, float] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)


def scored_sets(sets: Sequence[Sequence[Item]], found: Found, *, paired: bool) -> list[ScoredSet]:
    """What is known of each set; a pair of which one could not be read is left out whole."""
    places = list(range(max(len(one) for one in sets)))
    if paired:
        places = [i for i in places if all(found.scores.get(one[i].key) for one in sets)]
    known = [[one[i] for i in places if i < len(one) and found.scores.get(one[i].key)] for one in sets]
    return [
        ScoredSet(
            tuple(found.scores[item.key] for item in one), tuple(found.raw_bytes[item.key] for item in one)
        )
        for one in known
    ]


def set_names(sets: Sequence[Sequence[Item]]) -> list[str]:
    """The folders' names, with their parents' where those are equal."""
    folders = [one[0].path.parent for one in sets]
    if len({folder.name for folder in folders}) == len(folders):
        return [folder.name for folder in folders]
    return [f"{folder.parent.name}/{folder.name}" for folder in folders]


def record_of(item: Item) -> dict[str, Any]:
    """How a picture was made: from the gallery, or what its file holds; empty for a file that says nothing."""
    if item.record:
        return item.record
    try:
        found = read_settings(item.path)
        return {"settings": found.values} if found.record is None else found.record.to_dict()
    except ValueError:
        return {}


def farthest_pair(sets: Sequence[Sequence[Item]], scores: Mapping[str, float]) -> list[Item]:
    """The two pictures, of equal name or equal place, whose `scores`, by key, differ most."""
    by_name = {item.path.stem: item for item in sets[1]}
    pairs = [(item, by_name[item.path.stem]) for item in sets[0] if item.path.stem in by_name]
    if not pairs:
        pairs = list(zip(sets[0], sets[1], strict=False))

    def apart(pair: tuple[Item, Item]) -> float:
        ours, theirs = (scores.get(item.key) for item in pair)
        return -1.0 if ours is None or theirs is None else abs(ours - theirs)

    farthest: tuple[Item, Item] = max(pairs, key=apart)
    return list(farthest)
