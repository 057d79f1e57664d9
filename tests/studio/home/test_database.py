"""The shared SQLite file: all or nothing, counted changes, and refusals that say what to do."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from studio.home import database
from studio.home.database import SCHEMA_VERSION, Database, DatabaseBusy, retry_while_busy

INSERT = (
    "INSERT INTO jobs (kind, state, label, request, place, created_at) "
    "VALUES ('render', 'queued', '', '', 1, 1)"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "studio.db"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Somebody else writes."""
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


def test_opens_what_it_made(path: Path) -> None:
    Database(path).write(INSERT)
    assert len(Database(path).rows("SELECT * FROM jobs")) == 1
    assert Database(path).row("PRAGMA journal_mode")[0] == "wal"


def test_a_failed_block_writes_nothing(path: Path) -> None:
    db = Database(path)

    def write_half() -> None:
        with db.writing() as connection:
            connection.execute(INSERT)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    assert db.rows("SELECT * FROM jobs") == []


def test_counts_what_is_seen_and_not_heartbeats(path: Path) -> None:
    db = Database(path)
    db.write(INSERT)
    before = db.version("jobs"), db.version("pictures")
    db.write("UPDATE jobs SET heartbeat_at = 5")
    assert (db.version("jobs"), db.version("pictures")) == before
    db.write("UPDATE jobs SET step = 5")
    assert (db.version("jobs"), db.version("pictures")) == (before[0] + 1, before[1])


def test_locked_says_what_to_do(path: Path) -> None:
    db = Database(path, lock_timeout_s=0.05)
    with locked(path), pytest.raises(DatabaseBusy, match=r"studio.db is locked by another program; close it"):
        db.write(INSERT)
    db.write(INSERT)


def test_a_lock_while_the_home_is_made(path: Path) -> None:
    with locked(path), pytest.raises(DatabaseBusy, match="locked by another program"):
        Database(path, lock_timeout_s=0.05)


def test_a_newer_database_is_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as newer:
        newer.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    content = path.read_bytes()
    with pytest.raises(
        ValueError,
        match=rf"from a newer studio \(schema {SCHEMA_VERSION + 1}, this one knows {SCHEMA_VERSION}\)",
    ):
        Database(path)
    assert path.read_bytes() == content


def test_an_older_database_is_brought_up_to_date(path: Path) -> None:
    with closing(sqlite3.connect(path)) as older:
        for statement in (*database._FIRST_SCHEMA.split(";\n"), *database._counting_triggers()):
            older.execute(statement)
        older.execute(INSERT)
        older.execute("PRAGMA user_version = 1")
        older.commit()
    (row,) = Database(path).rows("SELECT state, worker_born FROM jobs")
    assert tuple(row) == ("queued", None)
    assert Database(path).row("PRAGMA user_version")[0] == SCHEMA_VERSION


def test_what_is_no_database(path: Path) -> None:
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(ValueError, match=r"studio.db is damaged; move it away"):
        Database(path)


def test_a_database_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be written; change its permissions"):
        Database(tmp_path)


def test_a_full_disk(path: Path) -> None:
    db = Database(path)
    # SQLite itself reports a full disk when a database reaches its greatest length.
    pages = db.row("PRAGMA page_count")[0]
    db.row(f"PRAGMA max_page_count = {pages}")
    many = f"{INSERT.partition(' VALUES')[0]} SELECT 'render', 'queued', '', hex(zeroblob(100000)), 1, 1"
    with pytest.raises(ValueError, match=r"the disk is full, .* could not grow; free some space"):
        db.write(many)


def test_threads_do_not_share_a_connection(path: Path) -> None:
    db, errors = Database(path), []

    def write() -> None:
        try:
            for _ in range(20):
                db.write(INSERT)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(db.rows("SELECT * FROM jobs")) == 80


def test_two_processes_may_make_a_home_at_once(path: Path) -> None:
    errors = []

    def make() -> None:
        try:
            Database(path)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_insisting_outlasts_a_lock() -> None:
    answers = iter([DatabaseBusy("locked"), DatabaseBusy("locked"), 5])

    def ask() -> int:
        answer = next(answers)
        if isinstance(answer, DatabaseBusy):
            raise answer
        return answer

    assert retry_while_busy(ask, pause_s=0) == 5


def test_insisting_ends() -> None:
    def ask() -> None:
        raise DatabaseBusy("locked")

    with pytest.raises(DatabaseBusy):
        retry_while_busy(ask, patience_s=0.02, pause_s=0.01)


def test_other_errors_are_not_dressed_up(path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        Database(path).rows("SELECT * FROM unknown")
