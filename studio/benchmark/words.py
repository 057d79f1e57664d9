"""A benchmark's table as text, CSV and JSON. Not here: what stands in it (`studio.benchmark.table`)."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import Any

from metrics.score_table import ARROWS
from studio.benchmark.table import BenchmarkTable, ScoreCell

CSV_HEADER = (
    *("contender", "protocol", "metric", "mean", "low", "high", "prompts", "pictures", "best"),
    *("difference", "difference_low", "difference_high", "note"),
)


def as_text(table: BenchmarkTable) -> str:
    """A line a column: means with their intervals, * where one is really ahead; then what is missing and why."""
    lines = [["", *(row.name for row in table.rows)]]
    reasons: list[str] = []
    for column in table.columns:
        cells = [row.cells[column.key] for row in table.rows]
        if all(cell.mean is None for cell in cells):
            reasons.append(f"{column.key}: {cells[0].reason}")
            continue
        lines.append(
            [f"{column.key} {ARROWS[column.card.direction]}".rstrip(), *(_cell(cell) for cell in cells)]
        )
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    body = [
        "  ".join(
            [line[0].ljust(widths[0]), *(part.rjust(w) for part, w in zip(line[1:], widths[1:], strict=True))]
        ).rstrip()
        for line in lines
    ]
    counts = ", ".join(f"{count} {state}" for state, count in table.counts.items())
    told = f"{table.plan.num_cells} pictures: {counts}"
    return "\n".join(
        [*body, "", told, *by_other_models(table), *more_prompts(table), *table.troubles, *reasons]
    )


def as_csv(table: BenchmarkTable) -> str:
    """A line each contender and column; published numbers follow with why they do not compare."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_HEADER)
    for row in table.rows:
        for column in table.columns:
            cell = row.cells[column.key]
            mean, apart = cell.mean, cell.difference
            interval = ("", "") if mean is None or mean.interval is None else mean.interval
            ahead = ("", "", "") if apart is None else (apart.value, *(apart.interval or ("", "")))
            writer.writerow(
                [
                    *(
                        row.name,
                        column.protocol,
                        column.metric,
                        "" if mean is None else mean.value,
                        *interval,
                    ),
                    *(("", "") if mean is None else (mean.num_prompts, mean.num_pictures)),
                    *("yes" if cell.is_best else "", *ahead, cell.reason),
                ]
            )
    for published, cells in table.published:
        for key, number in cells.items():
            protocol, _, metric = key.partition("/")
            name = f"{published.model} ({published.table}, {published.source})"
            writer.writerow([name, protocol, metric, number.value, *("",) * 8, number.why_not])
    return text.getvalue()


def as_json(table: BenchmarkTable) -> str:
    """Everything, with protocols and procedures."""
    return json.dumps(
        {
            "benchmark": table.plan.to_dict(),
            "counts": dict(table.counts),
            "columns": [
                {
                    "key": column.key,
                    "unit": column.card.unit,
                    "direction": column.card.direction,
                    "procedure": column.procedure,
                    "other_models": list(table.other_models.get(column.key, ())),
                }
                for column in table.columns
            ],
            "rows": [
                {
                    "contender": row.name,
                    "pictures": row.num_pictures,
                    "notes": list(row.notes),
                    "cells": {key: _values(cell) for key, cell in row.cells.items()},
                }
                for row in table.rows
            ],
            "published": [
                {
                    "model": published.model,
                    "table": published.table,
                    "source": published.source,
                    "cells": {
                        key: {"value": number.value, "why_not": number.why_not}
                        for key, number in cells.items()
                    },
                }
                for published, cells in table.published
            ],
            "troubles": list(table.troubles),
        },
        ensure_ascii=False,
        indent=1,
    )


def by_other_models(table: BenchmarkTable) -> list[str]:
    """Sentences such as "ours/clip_score: by someone/another-clip, as D4K_CLIP_B16 says; published numbers ..."."""
    return [f"{key}: {words}" for key, told in table.other_models.items() for words in told]


def more_prompts(table: BenchmarkTable) -> list[str]:
    """Sentences such as "48 more prompts would settle glcm_score between a and b"."""
    first = table.plan.contenders[0].name
    found = []
    for row in table.rows:
        for column in table.columns:
            apart = row.cells[column.key].difference
            if apart is not None and apart.more_prompts and column.card.direction != "neither":
                found.append(
                    f"about {apart.more_prompts} more prompts would settle {column.key} between {first} and {row.name}"
                )
    return found


def _cell(cell: ScoreCell) -> str:
    if cell.mean is None:
        return "-"
    best = "*" if cell.is_best else ""
    if cell.mean.interval is None:
        return f"{cell.mean.value:.4g}{best}"
    low, high = cell.mean.interval
    return f"{cell.mean.value:.4g}{best} [{low:.4g}, {high:.4g}]"


def _values(cell: ScoreCell) -> dict[str, Any]:
    if cell.mean is None:
        return {"missing": cell.reason}
    told: dict[str, Any] = {
        "mean": cell.mean.value,
        "interval": cell.mean.interval,
        "prompts": cell.mean.num_prompts,
        "pictures": cell.mean.num_pictures,
        "best": cell.is_best,
    }
    if cell.difference is not None:
        told["difference"] = {
            "value": cell.difference.value,
            "interval": cell.difference.interval,
            "real": cell.difference.is_real,
            "more_prompts": cell.difference.more_prompts,
        }
    return told


def number(value: float) -> str:
    """Four digits."""
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return f"{value:.4g}"
