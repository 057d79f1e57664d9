"""What is left out of training, why, and what somebody decided otherwise: `excluded.json` beside the pictures.

Leaving out moves and deletes nothing, so that it can be taken back. No torch.
Not here: finding reasons (`finetune.data.scan`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from finetune.json_text import parse_json
from finetune.whole_files import whole_file

FILE_NAME = "excluded.json"
VERSION = 1

Reason = Literal[
    "unreadable", "too-small", "not-native", "blurred", "duplicate", "no-caption", "long-caption", "by-hand"
]

FINAL: frozenset[Reason] = frozenset({"unreadable", "too-small"})
"""These cannot be overruled: there is nothing to train on."""


@dataclass(frozen=True, slots=True)
class Exclusion:
    """One picture left out."""

    file_name: str
    reason: Reason
    words: str
    """One sentence with the numbers."""


@dataclass(frozen=True, slots=True)
class Exclusions:
    """What is left out of a dataset. Immutable: each decision gives a new one, `save` keeps it."""

    found: Mapping[str, Exclusion] = field(default_factory=dict)
    """By the last scan: file name -> its first reason."""

    by_hand: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()
    """Kept by hand against the scan."""

    def all(self) -> tuple[Exclusion, ...]:
        """All that are left out, in the order of their names."""
        left_out = {
            name: exclusion
            for name, exclusion in self.found.items()
            if name not in self.kept or exclusion.reason in FINAL
        }
        for name in self.by_hand:
            left_out.setdefault(name, Exclusion(name, "by-hand", "Left out by hand."))
        return tuple(left_out[name] for name in sorted(left_out))

    def names(self) -> frozenset[str]:
        return frozenset(exclusion.file_name for exclusion in self.all())

    def leave_out(self, file_names: Iterable[str]) -> Exclusions:
        """By hand."""
        names = frozenset(file_names)
        return Exclusions(self.found, self.by_hand | names, self.kept - names)

    def keep(self, file_names: Iterable[str]) -> Exclusions:
        """By hand, against whatever spoke against them. Raises ValueError where it cannot be overruled."""
        names = frozenset(file_names)
        for name in sorted(names & self.found.keys()):
            if self.found[name].reason in FINAL:
                raise ValueError(f"{name} cannot be kept: {self.found[name].words}")
        return Exclusions(self.found, self.by_hand - names, self.kept | (names & self.found.keys()))

    def with_found(self, found: Iterable[Exclusion]) -> Exclusions:
        """After another scan; what was decided by hand stays."""
        return Exclusions({exclusion.file_name: exclusion for exclusion in found}, self.by_hand, self.kept)


def load_exclusions(root: Path) -> Exclusions:
    """Of the dataset folder `root`; none where nothing was left out yet."""
    path = root / FILE_NAME
    try:
        content = parse_json(path.read_text(encoding="utf-8"))
        if content["version"] > VERSION:
            raise ValueError(f"it is of version {content['version']}, this studio reads {VERSION}")
        found = [Exclusion(name, e["reason"], e["words"]) for name, e in content["found"].items()]
        for each in found:
            if each.reason not in get_args(Reason) or not isinstance(each.words, str):
                raise ValueError(f"unknown reason {str(each.reason)[:40]!r} of {each.file_name[:80]}")
        hand, kept = frozenset(content["by_hand"]), frozenset(content["kept"])
        if not all(isinstance(name, str) for name in hand | kept):
            raise ValueError("by_hand and kept must hold file names")
    except FileNotFoundError:
        return Exclusions()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} cannot be read ({error}); delete it and scan again") from error
    return Exclusions({exclusion.file_name: exclusion for exclusion in found}, hand, kept)


def save_exclusions(root: Path, exclusions: Exclusions) -> None:
    """Write `excluded.json`, whole or not at all."""
    content = {
        "version": VERSION,
        "found": {n: {"reason": e.reason, "words": e.words} for n, e in sorted(exclusions.found.items())},
        "by_hand": sorted(exclusions.by_hand),
        "kept": sorted(exclusions.kept),
    }
    write_json(root / FILE_NAME, content)


def write_json(path: Path, content: object) -> None:
    """Whole or not at all. Raises ValueError where the folder cannot be written."""
    try:
        with whole_file(path) as part:
            part.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")
    except OSError as error:
        raise ValueError(
            f"{path} cannot be written ({error.strerror}); give yourself the right to, or copy the dataset"
        ) from error
