"""What a person changes in a dataset, and how each change is taken back: captions, and what is left out.

Captions go to `captions.jsonl` and decisions to `excluded.json` beside the pictures; the dataset's own files are never
written. Not here: which captions a find and replace would change (`studio.datasets.caption_changes`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from finetune.data.captions import HAND, Caption, CaptionStore
from finetune.data.exclusions import Exclusions
from finetune.json_text import parse_json
from studio.home.disk import disk_words, whole_file

KEPT_EDITS = 50


@dataclass(frozen=True, slots=True)
class Edit:
    """One thing that was done, and how it was before."""

    words: str
    """Such as "caption of a.png" or "replaced “sea” in 12 captions"."""

    captions: Mapping[str, Caption | None] = field(default_factory=dict)
    """File name -> the studio's caption before; None: there was none, the dataset's own counted."""

    decisions: Mapping[str, tuple[bool, bool]] = field(default_factory=dict)
    """File name -> (was left out by hand, was kept by hand)."""


class EditedCaptions(CaptionStore):
    """The store with a way back that costs one write however many captions it brings back."""

    def restore(self, before: Mapping[str, Caption | None]) -> None:
        """Let the captions of `before` count again, with who wrote them and when."""
        now, entries = time.time(), list[dict[str, object]]()
        for name, caption in before.items():
            entries.append({"file_name": name, "text": None, "by": HAND, "at": now})
            if caption is not None:
                entries.append({"file_name": name, **asdict(caption)})
        self._append(entries)


def decisions_of(exclusions: Exclusions, names: list[str]) -> dict[str, tuple[bool, bool]]:
    """(left out by hand, kept by hand) of each name."""
    return {name: (name in exclusions.by_hand, name in exclusions.kept) for name in names}


def with_decisions(exclusions: Exclusions, decisions: Mapping[str, tuple[bool, bool]]) -> Exclusions:
    """The same with these decisions; everything else stays."""
    names = frozenset(decisions)
    by_hand = frozenset(name for name, (left_out, _) in decisions.items() if left_out)
    kept = frozenset(name for name, (_, was_kept) in decisions.items() if was_kept)
    return Exclusions(
        exclusions.found, (exclusions.by_hand - names) | by_hand, (exclusions.kept - names) | kept
    )


class Journal:
    """The last edits of one dataset, in a file: undo outlives the process."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, edit: Edit) -> None:
        self._write([*self.edits(), edit][-KEPT_EDITS:])

    def pop(self) -> Edit:
        """The last edit, which is taken off. Raises ValueError where there is none."""
        edits = self.edits()
        if not edits:
            raise ValueError("there is nothing to undo in this dataset")
        self._write(edits[:-1])
        return edits[-1]

    def edits(self) -> list[Edit]:
        """Oldest first. A damaged file is said so: forgetting how it was must not pass unseen."""
        try:
            content = parse_json(self.path.read_text(encoding="utf-8"))
            return [_edit(entry) for entry in content]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{self.path} cannot be read ({error}); delete it: the dataset is whole, only undo is lost"
            ) from error

    def _write(self, edits: list[Edit]) -> None:
        with disk_words(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(self.path) as part:
            part.write_text(
                json.dumps([asdict(edit) for edit in edits], ensure_ascii=False), encoding="utf-8"
            )


def _edit(entry: dict[str, dict[str, dict[str, object] | None]]) -> Edit:
    captions = {
        name: None if c is None else Caption(str(c["text"]), str(c["by"]), float(str(c["at"])))
        for name, c in entry["captions"].items()
    }
    decisions = {name: (bool(pair[0]), bool(pair[1])) for name, pair in _pairs(entry["decisions"]).items()}
    return Edit(str(entry["words"]), captions, decisions)


def _pairs(content: object) -> dict[str, list[bool]]:
    if not isinstance(content, dict):
        raise TypeError("decisions are no object")
    return content
