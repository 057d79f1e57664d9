"""Finished pictures: files on disk that carry their own record, and a table to find them by.

The file comes first. A picture without a row is taken up again, a row without a file says so, and masters
are never written twice. Not here: the files (`studio.pictures.files`), what is inside one (`studio.pictures.png`).
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.whole_text import whole_text
from studio.home.database import Database, DatabaseBusy, NotThere
from studio.home.ownership import Viewer, everybody, mine, prepare
from studio.home.settings import LOCAL_MAX_MEGAPIXELS
from studio.home.workspace import Workspace
from studio.pictures.files import PictureFiles
from studio.pictures.gallery_rows import Picture, number_or, shown_of_file, shown_of_row
from studio.pictures.gallery_search import EVERY, MODEL, SIZE, Kinds, Listed, Narrowed, condition
from studio.pictures.importing import importable
from studio.pictures.png import check_megapixels
from studio.pictures.record import PictureRecord
from studio.pictures.settings_reader import read_settings


class Gallery:
    """The pictures of one workspace. Safe from any thread or process."""

    def __init__(self, workspace: Workspace, *, viewer: Viewer = everybody) -> None:
        """`viewer` sees its own pictures alone, see `studio.home.ownership`."""
        self.workspace, self.viewer = workspace, viewer
        self.files = PictureFiles(workspace)
        self._database = Database(workspace.database)
        if viewer is not everybody:
            prepare(self._database)
        self.unreadable: tuple[str, ...] = self._take_up_strays()
        """One sentence for each file among the masters that could not be taken up."""

    def add(
        self, image: NDArray[np.uint8], record: PictureRecord, *, picture_id: str | None = None
    ) -> Picture:
        """Keep a new picture, (H, W, 3) uint8. On a full disk, ValueError and nothing is left of it.

        Under a `picture_id` that was chosen before (`new_picture_id`) it may be asked again, and keeps one picture.
        """
        height, width = image.shape[:2]
        if picture_id is None:
            picture_id = next(one for one in iter(new_picture_id, "") if not self._has(one))
        elif self._has(picture_id):
            return self.get(picture_id)
        record = replace(record, id=picture_id, created_at=time.time())
        self.files.write(picture_id, image, record)
        self._insert(width, height, record)
        return self.get(picture_id)

    def _has(self, picture_id: str) -> bool:
        return self._database.row("SELECT 1 FROM pictures WHERE id = ?", (picture_id,)) is not None

    def get(self, picture_id: str) -> Picture:
        """Raises ValueError if there is no such picture, or its row is broken and its file gone."""
        owned, owner = mine("pictures", self.viewer)
        row = self._database.row(f"SELECT * FROM pictures WHERE id = ? AND {owned}", (picture_id, *owner))
        picture = None if row is None else self._picture(row)
        if picture is None:
            raise NotThere(f"there is no picture {picture_id}; it was deleted, reload the page")
        preview, damage = self.files.shown_preview(picture_id)
        self._note_unreadable(damage)
        return replace(picture, preview_path=preview, damage=damage or picture.damage)

    def pictures(
        self, listed: Listed = EVERY, *, prompt: str | None = None, limit: int = 60, offset: int = 0
    ) -> list[Picture]:
        """The pictures of a list, in its order; with `prompt`, those alone that have this very one, but for case."""
        where, values = self._conditions(listed)
        if prompt is not None:
            where, values = f"{where} AND search_text = ?", (*values, prompt.casefold())
        order = ", ".join(f"{key} DESC" for key in listed.keys)
        rows = self._database.rows(
            f"SELECT * FROM pictures WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?",
            (*values, limit, offset),
        )
        return [picture for row in rows if (picture := self._picture(row)) is not None]

    def count(self, listed: Listed = EVERY) -> int:
        where, values = self._conditions(listed)
        row = self._database.row(f"SELECT COUNT(*) AS number FROM pictures WHERE {where}", values)
        assert row is not None
        return int(row["number"])

    def kinds(self, listed: Listed = EVERY) -> Kinds:
        """The models and sizes that occur in a list, whatever it is narrowed to, the most frequent first."""
        where, values = self._conditions(listed._replace(narrowed=Narrowed()))
        models, sizes = (
            tuple(
                (str(row["kind"]), int(row["number"]))
                for row in self._database.rows(
                    f"SELECT {column} AS kind, COUNT(*) AS number FROM pictures WHERE {where} "
                    "GROUP BY kind ORDER BY number DESC, kind",
                    values,
                )
                if row["kind"]
            )
            for column in (MODEL, SIZE)
        )
        return Kinds(models, sizes)

    def place(self, picture_id: str, listed: Listed = EVERY) -> int:
        """How many of the listed pictures come before it; 0 of no picture."""
        where, values = self._conditions(listed)
        keys = ", ".join(listed.keys)
        row = self._database.row(
            f"SELECT COUNT(*) AS number FROM pictures WHERE {where} AND ({keys}) > "
            f"(SELECT {keys} FROM pictures WHERE id = ?)",
            (*values, picture_id),
        )
        return 0 if row is None else int(row["number"])

    def neighbour(self, picture_id: str, *, steps: int, listed: Listed = EVERY) -> str | None:
        """The id of the listed picture that is `steps` further down the list, up the list for less than 0.

        The last one there is where the list ends before; None where there is none further, or of no picture.
        """
        where, values = self._conditions(listed)
        sign, direction = ("<", "DESC") if steps > 0 else (">", "ASC")
        keys, order = ", ".join(listed.keys), ", ".join(f"{key} {direction}" for key in listed.keys)
        rows = self._database.rows(
            f"SELECT id FROM pictures WHERE {where} AND ({keys}) {sign} "
            f"(SELECT {keys} FROM pictures WHERE id = ?) ORDER BY {order} LIMIT ?",
            (*values, picture_id, abs(steps)),
        )
        return str(rows[-1]["id"]) if rows else None

    def star(self, picture_id: str, starred: bool) -> None:
        owned, owner = mine("pictures", self.viewer)
        statement = f"UPDATE pictures SET starred = ? WHERE id = ? AND {owned}"
        if not self._database.write(statement, (starred, picture_id, *owner)):
            raise NotThere(f"there is no picture {picture_id}; it was deleted, reload the page")

    def trash(self, picture_ids: Iterable[str]) -> int:
        """Put pictures into the trash; their files stay where they are. Returns how many moved."""
        return self._set_trashed(picture_ids, time.time(), "trashed_at IS NULL")

    def restore(self, picture_ids: Iterable[str]) -> int:
        """Take pictures out of the trash again."""
        return self._set_trashed(picture_ids, None, "trashed_at IS NOT NULL")

    def restore_last(self) -> tuple[str, ...]:
        """Take back what was put into the trash last, all of it together; its ids, none where the trash is empty."""
        owned, owner = mine("pictures", self.viewer)
        rows = self._database.rows(
            f"SELECT id FROM pictures WHERE {owned} AND trashed_at = "
            f"(SELECT max(trashed_at) FROM pictures WHERE {owned})",
            (*owner, *owner),
        )
        last = tuple(str(row["id"]) for row in rows)
        self.restore(last)
        return last

    def empty_trash(self) -> int:
        """Delete everything in the trash for good; returns how many pictures."""
        owned, owner = mine("pictures", self.viewer)
        rows = self._database.rows(f"SELECT id FROM pictures WHERE trashed_at IS NOT NULL AND {owned}", owner)
        for row in rows:
            self.files.delete(row["id"])
            self._database.write("DELETE FROM pictures WHERE id = ?", (row["id"],))
        return len(rows)

    def import_file(self, path: Path, *, max_megapixels: float = LOCAL_MAX_MEGAPIXELS) -> Picture:
        """Take a PNG with settings inside into the gallery, byte for byte.

        A studio picture that is here already is returned as it is. Raises ValueError as `read_settings` does,
        for other formats than PNG, and where the file does not say all that the gallery shows.
        """
        found = read_settings(path)
        known = "" if found.record is None else found.record.id
        if known and self._database.row("SELECT id FROM pictures WHERE id = ?", (known,)):
            return self.get(known)
        record = importable(path, found)
        check_megapixels(path, found.width_px, found.height_px, max_megapixels)
        picture_id = new_picture_id()
        self.files.copy(picture_id, path)
        record = replace(
            record, id=picture_id, created_at=time.time(), imported_from=path.name, source=found.source
        )
        self._insert(found.width_px, found.height_px, record)
        return self.get(picture_id)

    def begun_from(self) -> frozenset[str]:
        """Ids of the pictures that pictures began from (`studio.init_image`), the trash's too."""
        named = "CASE WHEN json_valid(record) THEN json_extract(record, '$.settings.init.id') END"
        rows = self._database.rows(f"SELECT DISTINCT {named} AS init FROM pictures")
        return frozenset(row["init"] for row in rows if isinstance(row["init"], str))

    def version(self) -> int:
        """Changes whenever `pictures` would answer differently."""
        return self._database.version("pictures")

    def _picture(self, row: sqlite3.Row) -> Picture | None:
        """None for a row that is broken here and in the file; `unreadable` names it then."""
        if not isinstance(row["id"], str):
            self._note_unreadable(f"a row of {self.workspace.database.name} has no readable picture name")
            return None
        path = self.files.master(row["id"])
        try:
            shown = shown_of_row(row)
        except ValueError:
            try:
                shown = shown_of_file(path)
            except ValueError as error:
                self._note_unreadable(str(error))
                return None
            self._database.write(
                "UPDATE pictures SET record = ?, width_px = ?, height_px = ?, created_at = ? WHERE id = ?",
                (json.dumps(shown.record.to_dict()), *shown[1:], row["id"]),
            )
        thumbnail, damage = self.files.shown_thumbnail(row["id"])
        self._note_unreadable(damage)
        return Picture(
            id=row["id"],
            path=path,
            preview_path=self.files.preview(row["id"]),
            thumbnail_path=thumbnail,
            starred=bool(row["starred"]),
            trashed_at=None if row["trashed_at"] is None else number_or(row["trashed_at"], 0.0),
            damage=damage,
            **shown._asdict(),
        )

    def _insert(self, width_px: int, height_px: int, record: PictureRecord) -> None:
        self._database.write(
            "INSERT INTO pictures (id, width_px, height_px, created_at, search_text, record) "
            "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
            (
                *(record.id, width_px, height_px, record.created_at),
                *(record.settings.prompt.casefold(), json.dumps(record.to_dict())),
            ),
        )

    def _set_trashed(self, picture_ids: Iterable[str], trashed_at: float | None, which: str) -> int:
        owned, owner = mine("pictures", self.viewer)
        with self._database.writing() as connection:
            return sum(
                connection.execute(
                    f"UPDATE pictures SET trashed_at = ? WHERE id = ? AND {which} AND {owned}",
                    (trashed_at, picture_id, *owner),
                ).rowcount
                for picture_id in picture_ids
            )

    def _take_up_strays(self) -> tuple[str, ...]:
        """Give a row to every master that has none: the database was lost, or a row never came to be."""
        known = {row["id"] for row in self._database.rows("SELECT id FROM pictures")}
        unreadable = []
        for path in sorted(self.workspace.pictures.glob("*.png")):
            if path.stem in known:
                continue
            try:
                if (name := whole_text(path.name)) != path.name:
                    raise ValueError(f"{name} has a name that is no text; rename it")
                shown = shown_of_file(path)
                record = replace(shown.record, id=path.stem, created_at=shown.created_at)
                self._insert(shown.width_px, shown.height_px, record)
            except DatabaseBusy:
                raise
            except (ValueError, sqlite3.Error) as error:
                unreadable.append(str(error))
        return tuple(unreadable)

    def _note_unreadable(self, sentence: str) -> None:
        if sentence and sentence not in self.unreadable:
            self.unreadable = (*self.unreadable, sentence)

    def _conditions(self, listed: Listed) -> tuple[str, tuple[Any, ...]]:
        owned, owner = mine("pictures", self.viewer)
        listed_here, values = condition(listed)
        return f"{owned} AND {listed_here}", (*owner, *values)


def new_picture_id() -> str:
    """Such as 20260214-093015-1f3a9c02: UTC, and eight digits, so that a second may see thousands."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"
