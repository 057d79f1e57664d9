"""The last steps of a run, read from the end of a file that may be long, and how quick they were."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from finetune.run_rows import Row, parsed_rows

_TAIL_BYTES = 16_384
PACE_STEPS = 10
"""Of so many last steps the time is taken, to foresee the end."""


def last_rows(path: Path) -> list[Row]:
    """The last steps that count, from the end of a file that may be long."""
    try:
        with path.open("rb") as file:
            end = file.seek(0, 2)
            file.seek(max(0, end - _TAIL_BYTES))
            lines = file.read().decode("utf-8", errors="replace").splitlines()
    except OSError:
        return []
    rows, _ = parsed_rows(lines if end <= _TAIL_BYTES else lines[1:])
    return [row for row in rows if "loss" in row]


def seconds_per_step(rows: Sequence[Row]) -> float | None:
    """Mean of the last ten; None before the first."""
    seconds = [float(row["seconds"]) for row in rows[-PACE_STEPS:] if "seconds" in row]
    return sum(seconds) / len(seconds) if seconds else None
