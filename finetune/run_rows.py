"""The lines that a training run writes, read back: one JSON object each, of numbers where numbers belong. No torch.

A line that is something else counts for nothing: a crash cut it short, or somebody wrote in the file by hand.
Not here: which file a line belongs to (`finetune.run_folder`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from finetune.json_text import parse_json

Row = dict[str, Any]

LARGEST = 2**53
"""Above that a whole number is no count of anything, and no float holds it."""


def parsed_rows(lines: Iterable[str]) -> tuple[list[Row], int]:
    """(lines that count, number of damaged ones).

    Of steps that a restart did again only the later lines count; marks of restarts, {"restart": step}, stay.
    """
    kept: list[Row] = []
    damaged = 0
    for line in lines:
        row = _parsed(line)
        if row is None:
            damaged += 1
            continue
        if "restart" in row:
            kept = [each for each in kept if each.get("step", each.get("restart", 0)) <= row["restart"]]
        kept.append(row)
    return kept, damaged


def read_rows(path: Path) -> tuple[list[Row], int]:
    """The same of a file; nothing of one that is not there or cannot be read. A last line that a crash cut short, and
    that no line break ends, is no damage."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return [], 0
    except OSError:
        return [], 1
    rows, damaged = parsed_rows(text.splitlines())
    cut_short = bool(text) and not text.endswith("\n") and _parsed(text.splitlines()[-1]) is None
    return rows, damaged - cut_short


def is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < LARGEST


def is_number(value: object) -> bool:
    """NaN and the infinities among them: a loss can be that."""
    return isinstance(value, float) or (
        isinstance(value, int) and not isinstance(value, bool) and abs(value) < LARGEST
    )


def _parsed(line: str) -> Row | None:
    """None for a damaged line."""
    try:
        row = parse_json(line)
    except ValueError:
        return None
    if not isinstance(row, dict) or not ("restart" in row or "step" in row):
        return None
    sound = all(key not in row or fits(row[key]) for key, fits in _FITS.items())
    return row if sound else None


def _is_finite(value: object) -> bool:
    return is_number(value) and math.isfinite(value)  # type: ignore[arg-type]


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _or_null(fits: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: value is None or fits(value)


def _are_bands(value: object) -> bool:
    return isinstance(value, dict) and all(is_number(number) for number in value.values())


def _are_levels(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(each, dict) and _is_finite(each.get("sigma")) and is_number(each.get("loss"))
        for each in value
    )


_FITS: dict[str, Callable[[object], bool]] = {
    **dict.fromkeys(("step", "restart", "index", "seed"), is_count),
    "loss": is_number,
    **dict.fromkeys(("time", "seconds"), _is_finite),
    **dict.fromkeys(("grad_norm", "learning_rate", "peak_bytes"), _or_null(is_number)),
    "prompt": _is_text,
    **dict.fromkeys(("file", "error"), _or_null(_is_text)),
    "bands": _are_bands,
    "sigmas": _are_levels,
}
"""Key -> what its value must be where it is there."""
