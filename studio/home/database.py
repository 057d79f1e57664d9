"""The SQLite file that the processes share: opening it, its schema, its refusals as sentences.

Write-ahead logging lets the page read while the worker writes. Each thread has its own connection. The table
`changes` counts writes, by triggers, so that a page can ask cheaply whether anything is new.
Not here: what the rows mean (`studio.queue.table`, `studio.pictures.gallery`).
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

SCHEMA_VERSION = 2
LOCK_TIMEOUT_S = 5.0
PATIENCE_S = 600.0

T = TypeVar("T")

_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_NO_WAY_IN = "{} cannot be written; change its permissions or choose another home"
_DAMAGED = (
    "{} is damaged; move it away and start again, every picture in the home is found again "
    "(jobs and stars are not)"
)
_TROUBLES = {
    sqlite3.SQLITE_FULL: "the disk is full, {} could not grow; free some space and try again",
    sqlite3.SQLITE_IOERR: "the disk of {} cannot be read or written; look at its health, or whether it is still there",
    sqlite3.SQLITE_READONLY: _NO_WAY_IN,
    sqlite3.SQLITE_CANTOPEN: _NO_WAY_IN,
    sqlite3.SQLITE_PERM: _NO_WAY_IN,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
}
"""Kinds of trouble that a person can do something about, by SQLite's primary result code."""

_FIRST_SCHEMA = """
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    label TEXT NOT NULL,
    request TEXT NOT NULL,
    place REAL NOT NULL,
    stage TEXT NOT NULL DEFAULT '',
    step INTEGER NOT NULL DEFAULT 0,
    num_steps INTEGER NOT NULL DEFAULT 0,
    seconds_per_step REAL,
    seconds_left REAL,
    preview TEXT,
    result TEXT,
    error TEXT,
    created_at REAL NOT NULL,
    started_at REAL,
    finished_at REAL,
    attempts INTEGER NOT NULL DEFAULT 0,
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    worker_pid INTEGER,
    worker_created_at REAL,
    heartbeat_at REAL,
    reported_at REAL
);
CREATE INDEX jobs_by_state ON jobs (state, place);
CREATE TABLE pictures (
    id TEXT PRIMARY KEY,
    width_px INTEGER NOT NULL,
    height_px INTEGER NOT NULL,
    created_at REAL NOT NULL,
    starred INTEGER NOT NULL DEFAULT 0,
    trashed_at REAL,
    search_text TEXT NOT NULL,
    record TEXT NOT NULL
);
CREATE INDEX pictures_by_time ON pictures (created_at DESC);
CREATE TABLE changes (topic TEXT PRIMARY KEY, number INTEGER NOT NULL);
INSERT INTO changes VALUES ('jobs', 0), ('pictures', 0);
"""

# What was added since, by the version that it leads to. `worker_created_at` is read by nobody any more: a time of
# day moves when the clock is set.
_ADDITIONS = {2: ("ALTER TABLE jobs ADD COLUMN worker_born TEXT",)}

# A heartbeat changes nothing that anyone looks at, so it does not count.
_SEEN_JOB_COLUMNS = (
    "state, place, stage, step, num_steps, seconds_per_step, seconds_left, preview, result, error, "
    "cancel_requested, reported_at"
)


class DatabaseTrouble(ValueError):
    """The database cannot tell or cannot keep: full, damaged, locked. Says nothing of what was asked for."""


class DatabaseBusy(DatabaseTrouble):
    """Somebody else holds the lock; the same call may well succeed a little later."""


class NotThere(ValueError):
    """What was asked for is gone, or never was; other refusals must not be taken for that."""


class Database:
    """One SQLite file. Safe to share between threads."""

    def __init__(self, path: Path, *, lock_timeout_s: float = LOCK_TIMEOUT_S) -> None:
        """Open `path`, or make it. Raises ValueError for a newer schema, a lock, or what is no database."""
        self.path = path
        self._lock_timeout_s = lock_timeout_s
        self._local = threading.local()
        with self._words():
            self._prepare()

    def rows(self, query: str, values: tuple[Any, ...] = ()) -> list[sqlite3.Row]:
        """Read."""
        with self._words():
            return self._connection().execute(query, values).fetchall()

    def row(self, query: str, values: tuple[Any, ...] = ()) -> sqlite3.Row | None:
        """Read the first row; None where there is none."""
        with self._words():
            found: sqlite3.Row | None = self._connection().execute(query, values).fetchone()
            return found

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """All that the block writes, or nothing of it."""
        with self._words():
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                _roll_back(connection)
                raise

    def write(self, query: str, values: tuple[Any, ...] = ()) -> int:
        """Write one statement; returns how many rows it changed."""
        with self.writing() as connection:
            return connection.execute(query, values).rowcount

    def version(self, topic: str) -> int:
        """A number that grows with every change of a topic, "jobs" or "pictures"."""
        row = self.row("SELECT number FROM changes WHERE topic = ?", (topic,))
        assert row is not None
        return int(row["number"])

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self.path, timeout=self._lock_timeout_s, isolation_level=None)
            connection.row_factory = sqlite3.Row
            connection.text_factory = _text
            connection.execute("PRAGMA synchronous = NORMAL")
            self._local.connection = connection
        return connection

    def _prepare(self) -> None:
        connection = self._connection()
        if self._schema_version(connection) == SCHEMA_VERSION:
            return
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Asked again under the lock: two processes may open a new home at once.
            found = self._schema_version(connection)
            if found == 0:
                for statement in (*_FIRST_SCHEMA.split(";\n"), *_counting_triggers()):
                    connection.execute(statement)
            for version in range(max(2, found + 1), SCHEMA_VERSION + 1):
                for statement in _ADDITIONS[version]:
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            connection.execute("COMMIT")
        except BaseException:
            _roll_back(connection)
            raise

    def _schema_version(self, connection: sqlite3.Connection) -> int:
        found = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if found > SCHEMA_VERSION:
            raise ValueError(
                f"{self.path} is from a newer studio (schema {found}, this one knows {SCHEMA_VERSION}); "
                "update the studio, or choose another home with --home"
            )
        return found

    @contextmanager
    def _words(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            # The low byte is the kind of trouble, what lies above tells its cases apart.
            kind = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if kind in _BUSY:
                raise DatabaseBusy(
                    f"{self.path} is locked by another program; close it (a database browser or a backup, say) "
                    "and try again"
                ) from error
            if kind not in _TROUBLES:
                raise
            raise DatabaseTrouble(_TROUBLES[kind].format(self.path)) from error


def _text(stored: bytes) -> str:
    """Bytes that are no UTF-8 cost their letters, not the whole list that they stand in."""
    return stored.decode("utf-8", "replace")


def _roll_back(connection: sqlite3.Connection) -> None:
    """A COMMIT that fails may have ended the transaction, or not."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def retry_while_busy(action: Callable[[], T], *, patience_s: float = PATIENCE_S, pause_s: float = 0.2) -> T:
    """Do it, again and again while the database is locked: a finished picture is worth waiting for."""
    give_up_at = time.monotonic() + patience_s
    while True:
        try:
            return action()
        except DatabaseBusy:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(pause_s)


def _counting_triggers() -> Iterator[str]:
    for topic, columns in (("jobs", _SEEN_JOB_COLUMNS), ("pictures", None)):
        for event in ("INSERT", "DELETE", "UPDATE" if columns is None else f"UPDATE OF {columns}"):
            yield (
                f"CREATE TRIGGER {topic}_{event.split()[0].lower()} AFTER {event} ON {topic} "
                f"BEGIN UPDATE changes SET number = number + 1 WHERE topic = '{topic}'; END"
            )
