"""Scores that were computed once, kept by file and metric version. Safe from any thread.

A file's name, size and time stand for its content; a metric's version is part of the key, so that a changed metric is
computed anew. Not here: computing.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from finetune.json_text import parse_json
from metrics.catalogue import card
from studio.home.disk import whole_file


class ScoreCache:
    """One small JSON file a picture, in a cache folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, path: Path, metrics: tuple[str, ...]) -> dict[str, float]:
        """What is known of the file, of these metrics; empty for a file that is gone."""
        try:
            known = parse_json(self._note(path).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return {
            name: float(known[name]["value"])
            for name in metrics
            if name in known and known[name]["version"] == card(name).version
        }

    def put(self, path: Path, scores: Mapping[str, float]) -> None:
        """Keep scores beside those that are kept already."""
        note = self._note(path)
        note.parent.mkdir(parents=True, exist_ok=True)
        try:
            known = parse_json(note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            known = {}
        known |= {name: {"value": value, "version": card(name).version} for name, value in scores.items()}
        with whole_file(note) as part:
            part.write_text(json.dumps(known), encoding="utf-8")

    def _note(self, path: Path) -> Path:
        state = os.stat(path)
        said = f"{path.resolve()} {state.st_size} {state.st_mtime_ns}"
        return self.folder / f"{hashlib.sha256(said.encode()).hexdigest()[:20]}.json"
