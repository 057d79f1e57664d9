"""A picture of the gallery, and what is shown of it from its row or its file: whatever stands in either, checked.

Not here: the rows' table and the files' places (`studio.pictures.gallery`).
"""

from __future__ import annotations

import math
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from finetune.json_text import parse_json
from studio.pictures.importing import importable
from studio.pictures.record import PictureRecord
from studio.pictures.settings_reader import read_settings


@dataclass(frozen=True, slots=True)
class Picture:
    """One row of the gallery."""

    id: str
    path: Path
    """The master: a lossless PNG with the record inside."""

    preview_path: Path
    """A JPEG of the full size."""

    thumbnail_path: Path
    """A JPEG of 512 px on its longer side."""

    width_px: int
    height_px: int
    created_at: float
    """Seconds since 1970."""

    starred: bool
    trashed_at: float | None
    record: PictureRecord

    damage: str = ""
    """Why its views are a stand-in: the master is gone or cannot be read. Empty for a whole picture."""

    @property
    def missing(self) -> bool:
        """The master is no longer where it was written."""
        return not self.path.is_file()


class Shown(NamedTuple):
    """Of one picture."""

    record: PictureRecord
    width_px: int
    height_px: int
    created_at: float
    """Seconds since 1970."""


def shown_of_row(row: sqlite3.Row) -> Shown:
    """Raises ValueError for a row that something else has written into."""
    try:
        record = PictureRecord.from_dict(parse_json(row["record"]))
    except TypeError as error:
        raise ValueError(f"the row of {row['id']} has no record") from error
    width_px, height_px = row["width_px"], row["height_px"]
    created_at = number_or(row["created_at"], math.nan)
    if not (_is_side(width_px) and _is_side(height_px) and math.isfinite(created_at)):
        raise ValueError(f"the row of {row['id']} has no readable size or time")
    return Shown(record, width_px, height_px, created_at)


def shown_of_file(path: Path) -> Shown:
    """Of a master; its own time where its record says none. Raises ValueError for what is none."""
    found = read_settings(path)
    record = importable(path, found)
    made = path.stat().st_mtime if record.created_at is None else record.created_at
    return Shown(record, found.width_px, found.height_px, made)


def number_or(value: object, other: float) -> float:
    return float(value) if isinstance(value, int | float) else other


def _is_side(value: object) -> bool:
    return isinstance(value, int) and value >= 0
