"""Scores of many pictures as one table, for terminals, CSV and JSON. Not here: scoring, intervals, the page's table."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from metrics.catalogue import RATIOS, card
from metrics.compression import PUBLISHED, JpegSettings

_CODECS = dict(zip(RATIOS, (PUBLISHED, JpegSettings(subsampling="4:4:4")), strict=True))
ARROWS = {"higher": "↑", "lower": "↓", "neither": ""}


def how_measured(metric: str) -> dict[str, str]:
    """What a number depends on, to be kept beside it: unit, direction, definition, its version, and a codec's.

    Raises:
        ValueError: there is no such metric.
    """
    entry = card(metric)
    told = {
        "title": entry.title,
        "unit": entry.unit,
        "direction": entry.direction,
        "definition": entry.definition,
        "resize_path": entry.resize_path,
        "version": entry.version,
    }
    return told | ({"codec": _CODECS[metric].description} if metric in _CODECS else {})


@dataclass(frozen=True, slots=True)
class Row:
    """One picture or one set."""

    name: str
    scores: Mapping[str, float]
    """By metric; one that does not apply is missing."""

    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ScoreTable:
    """Rows in the order given, columns in the order asked."""

    metrics: tuple[str, ...]
    rows: tuple[Row, ...]
    skipped: Mapping[str, str] = field(default_factory=dict)
    """Files that could not be read, with the reason."""

    left_out: Mapping[str, str] = field(default_factory=dict)
    """Metrics that were asked for and could not be computed at all, with the reason."""

    def to_csv(self) -> str:
        """A header of plain metric names, full precision, empty where a metric does not apply."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["name", *self.metrics])
        for row in self.rows:
            writer.writerow(
                [row.name, *(repr(row.scores[m]) if m in row.scores else "" for m in self.metrics)]
            )
        return text.getvalue()

    def to_json(self) -> str:
        """Rows with values, how each metric is measured, what was skipped or left out. Never NaN: null instead."""
        return json.dumps(
            {
                "metrics": {name: how_measured(name) for name in self.metrics},
                "rows": [
                    {
                        "name": row.name,
                        "scores": {m: _finite(v) for m, v in row.scores.items()},
                        "notes": list(row.notes),
                    }
                    for row in self.rows
                ],
                "skipped": dict(self.skipped),
                "left_out": dict(self.left_out),
            },
            indent=1,
            ensure_ascii=False,
        )

    def to_text(self) -> str:
        """Aligned columns for a terminal: one line a picture if metrics are few, else one line a metric."""
        names = [row.name for row in self.rows]
        lines = [["", *names]]
        for metric in self.metrics:
            entry = card(metric)
            cells = [_short(row.scores[metric]) if metric in row.scores else "-" for row in self.rows]
            lines.append([f"{metric} {ARROWS[entry.direction]}".strip(), *cells, entry.unit])
        if len(self.metrics) <= 4:
            lines = [list(column) for column in zip(*(line[: len(names) + 1] for line in lines), strict=True)]
        widths = [
            max(len(line[i]) if i < len(line) else 0 for line in lines) for i in range(max(map(len, lines)))
        ]
        return "\n".join(
            "  ".join(
                cell.ljust(widths[i]) if i == 0 else cell.rjust(widths[i]) for i, cell in enumerate(line)
            ).rstrip()
            for line in lines
        )


def _short(value: float) -> str:
    return f"{value:.4g}" if abs(value) < 1e5 else f"{value:.3e}"


def _finite(value: float) -> Any:
    return value if math.isfinite(value) else None
