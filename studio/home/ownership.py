"""Whose jobs and pictures are whose, on a host that strangers share. One's own machine has no owners.

A viewer is asked at each call who is looking: None sees everything (the worker, one's own machine), a key sees
what was made under that key. Not here: how a visitor is told apart (`studio.ui.visitors.visitors`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from studio.home.database import Database

Topic = Literal["jobs", "pictures"]
Viewer = Callable[[], str | None]

_TABLE = (
    "CREATE TABLE IF NOT EXISTS owners "
    "(topic TEXT NOT NULL, id TEXT NOT NULL, owner TEXT NOT NULL, PRIMARY KEY (topic, id)) WITHOUT ROWID"
)


def everybody() -> None:
    """The viewer of a studio without strangers."""
    return


def mine(topic: Topic, viewer: Viewer) -> tuple[str, tuple[str, ...]]:
    """(an SQL condition on the column `id`, its values) that only what the viewer may see fulfils."""
    key = viewer()
    if key is None:
        return "1", ()
    return f"CAST(id AS TEXT) IN (SELECT id FROM owners WHERE topic = '{topic}' AND owner = ?)", (key,)


def prepare(database: Database) -> None:
    """Make the table where there is none yet."""
    if database.row("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'owners'") is None:
        database.write(_TABLE)


class Owners:
    """The table itself. Safe from any thread or process."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path)
        prepare(self._database)

    def give(self, topic: Topic, thing: str | int, owner: str | None) -> None:
        """From now on it belongs to `owner`; None leaves it to the machine's."""
        if owner is not None:
            self._database.write("INSERT OR REPLACE INTO owners VALUES (?, ?, ?)", (topic, str(thing), owner))

    def of(self, topic: Topic, thing: str | int) -> str | None:
        """None for what is the machine's, or does not exist."""
        row = self._database.row("SELECT owner FROM owners WHERE topic = ? AND id = ?", (topic, str(thing)))
        return None if row is None else str(row["owner"])
