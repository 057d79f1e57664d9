"""The worker's log: written line by line, read from its end."""

from __future__ import annotations

import time
from pathlib import Path


def say(words: str) -> None:
    """One line, flushed: after a kill it is all that is left. The supervisor leads stdout into the file."""
    print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {words}", flush=True)


def last_lines(log: Path, *, num_lines: int = 2, max_letters: int = 300) -> str:
    """The end of a log, on one line; empty if there is none."""
    if not log.is_file():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4096))
        lines = file.read().decode("utf-8", errors="replace").strip().splitlines()
    return " / ".join(line.strip() for line in lines[-num_lines:] if line.strip())[-max_letters:]
