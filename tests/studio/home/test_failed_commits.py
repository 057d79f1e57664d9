"""A COMMIT that fails: told, nothing half is written, and the next write goes on."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import pytest

from studio.home import database
from studio.home.database import Database, DatabaseTrouble
from tests.studio.home.test_database import INSERT
from tests.studio.home.test_database import path as path


def test_a_commit_that_fails_leaves_nothing_half_and_no_transaction_open(path: Path) -> None:
    """SQLite itself refuses it: a reference that is looked at no sooner than then leads nowhere."""
    db = Database(path)
    db.row("PRAGMA foreign_keys = ON")
    db.write("CREATE TABLE notes (job INTEGER REFERENCES jobs (id) DEFERRABLE INITIALLY DEFERRED)")

    def write_badly() -> None:
        with db.writing() as connection:
            connection.execute(INSERT)
            connection.execute("INSERT INTO notes VALUES (77)")

    for _ in range(2):
        with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY constraint failed"):
            write_badly()
        assert not db._connection().in_transaction
        assert (db.rows("SELECT * FROM jobs"), db.rows("SELECT * FROM notes")) == ([], [])
    db.write(INSERT)
    assert len(Database(path).rows("SELECT * FROM jobs")) == 1


class Full(sqlite3.Connection):
    """Whose disk is full at the first COMMIT, and which, as SQLite may, keeps or ends the transaction then."""

    refusals: ClassVar[list[str]] = []

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        if statement == "COMMIT" and self.refusals:
            if self.refusals.pop() == "ended":
                super().execute("ROLLBACK")
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error
        return super().execute(statement, *values)


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How the next COMMITs fail: "open" or "ended" transactions."""
    monkeypatch.setattr(Full, "refusals", [])
    connect = sqlite3.connect
    monkeypatch.setattr(
        database.sqlite3, "connect", lambda *given, **named: connect(*given, factory=Full, **named)
    )
    return Full.refusals


@pytest.mark.parametrize("left", ["open", "ended"])
def test_a_disk_that_is_full_at_the_commit_is_told_and_the_next_write_goes_on(
    path: Path, commits: list[str], left: str
) -> None:
    db = Database(path)
    commits.append(left)
    with pytest.raises(DatabaseTrouble, match=r"the disk is full, .* could not grow"):
        db.write(INSERT)
    assert not db._connection().in_transaction
    assert db.rows("SELECT * FROM jobs") == []
    db.write(INSERT)
    assert len(db.rows("SELECT * FROM jobs")) == 1


@pytest.mark.parametrize("left", ["open", "ended"])
def test_a_home_whose_making_fails_at_the_commit_is_made_the_next_time(
    path: Path, commits: list[str], left: str
) -> None:
    commits.append(left)
    with pytest.raises(DatabaseTrouble, match="the disk is full"):
        Database(path)
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == []
        assert other.execute("PRAGMA user_version").fetchone()[0] == 0
    Database(path).write(INSERT)
