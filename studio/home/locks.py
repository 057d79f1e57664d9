"""Who serves a home and who works in it: locks, and beside each a note of its holder.

The lock is `finetune.locking`'s. The note is for people and for looking: it outlives its writer, whose number and
birth it holds.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from finetune.json_text import parse_json
from finetune.locking import tried_lock
from finetune.processes import birth, is_alive
from studio.home.code_mark import code_mark
from studio.home.disk import disk_words


@contextmanager
def held_lock(path: Path, *, about: dict[str, str] | None = None) -> Iterator[dict[str, object] | None]:
    """Try to take the lock file `path`: yields None while we hold it, or what its holder noted."""
    with disk_words(path), path.open("ab"):  # a folder that lies there refuses this, where `touch` takes it
        pass
    with tried_lock(path) as ours:
        if not ours:
            yield lock_note(path)
            return
        write_lock_note(path, {} if about is None else about)
        yield None


def note_file(path: Path) -> Path:
    """Where the holder of the lock file `path` notes itself."""
    return path.with_suffix(".json")


def write_lock_note(path: Path, about: dict[str, str]) -> None:
    """Note that this process holds the lock `path`. Only for the one that does."""
    note = {"pid": os.getpid(), "born": birth(os.getpid()), "code": code_mark(), **about}
    with disk_words(note_file(path)):
        note_file(path).write_text(json.dumps(note), encoding="utf-8")


def lock_note(path: Path) -> dict[str, object]:
    """What the last holder of the lock `path` noted, dead or alive; empty while it writes, and if there was none.

    For looking only: trying the lock would turn away whoever wants it at that moment.
    """
    try:
        note = parse_json(note_file(path).read_bytes())
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def holder_lives(note: dict[str, object]) -> bool:
    """Whether the process that wrote this note still runs."""
    pid, born = note.get("pid"), note.get("born")
    return isinstance(pid, int) and isinstance(born, str) and is_alive(pid, born)
