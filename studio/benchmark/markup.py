"""A benchmark's numbers as HTML: one and the same in the report and on the page. No torch.

Not here: which numbers there are (`studio.benchmark.table`), the whole report (`studio.benchmark.report`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

from metrics.protocols import PROTOCOLS, Column, Protocol
from metrics.published import PublishedRow
from metrics.score_table import ARROWS
from studio.benchmark.progress import Standings
from studio.benchmark.table import BenchmarkTable, PublishedCell
from studio.benchmark.verdict import Verdict
from studio.benchmark.words import number
from studio.queue.job import Job


@cache
def templates() -> Environment:
    """Those beside this file; whatever is put into them is escaped."""
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )


def scores_markup(table: BenchmarkTable) -> str:
    """A table for each protocol, published rows below, and what has no number and why."""
    return templates().get_template("scores.html").render(scores_context(table))


def status_markup(found: Standings | None, error: str = "", *, measuring: Job | None = None) -> str:
    """How far it is as a bar and a sentence, and which pictures could not be drawn; `error` of one that is none."""
    context: dict[str, Any] = {"error": error, "troubles": [], "words": "", "done": 0, "total": 0}
    if found is not None:
        counts, total = found.counts(), len(found.cells)
        done, unit = counts["done"], "drawn"
        going = counts["queued"] + counts["running"]
        if measuring is not None and measuring.state == "running" and measuring.progress.num_steps:
            done, total, unit = (
                measuring.progress.step,
                measuring.progress.num_steps,
                measuring.progress.stage,
            )
        words = [f"{done} of {total} {unit}"]
        words += [
            f"{counts[state]} {word}"
            for state, word in (
                *(("running", "being drawn"), ("queued", "waiting"), ("failed", "failed")),
                *(("cancelled", "cancelled"), ("interrupted", "interrupted"), ("absent", "not asked for")),
            )
            if counts[state]
        ]
        if measuring is not None and measuring.state == "queued" and not going:
            words.append("measuring waits")
        context |= {
            "words": ", ".join(words),
            "done": done,
            "total": total,
            "going": bool(going) or measuring is not None,
            "troubles": [
                f"{cell.contender}, prompt {cell.prompt}, seed {cell.seed}: {why}"
                for cell, why in found.troubles().items()
            ],
        }
    return templates().get_template("status.html").render(context)


def verdict_markup(said: Verdict, *, named: bool = True) -> str:
    """What the votes say; unless `named` without the models' strengths, as long as judging goes on blind."""
    context = {"verdict": said, "named": named, "signed": signed}
    return templates().get_template("verdict.html").render(context)


def scores_context(table: BenchmarkTable) -> dict[str, Any]:
    """What scores.html is filled with."""
    protocols = _protocols(table)
    return {
        "table": table,
        "protocols": protocols,
        "arrows": ARROWS,
        "number": number,
        "signed": signed,
        "published": {protocol.name: published_part(table, columns) for protocol, columns in protocols},
        "missing": {protocol.name: _missing(table, columns) for protocol, columns in protocols},
    }


def signed(value: float) -> str:
    return f"{value:+.3g}"


@dataclass(frozen=True, slots=True)
class PublishedLine:
    """The head of a published row."""

    model: str
    table: str
    source: str
    num_pictures: int | None
    greyed: bool


@dataclass(frozen=True, slots=True)
class PublishedPart:
    """The published rows of one protocol's table."""

    compared: Sequence[tuple[PublishedLine, Mapping[str, PublishedCell]]]
    """With at least one number that compares."""

    greyed: Sequence[tuple[PublishedLine, Mapping[str, PublishedCell]]]
    """With none."""

    marks: Mapping[str, str]
    """Why a number does not compare -> the letter that stands beside it."""


def published_part(table: BenchmarkTable, columns: Sequence[Column]) -> PublishedPart:
    """The rows with a number in one of the columns."""
    keys = {column.key for column in columns}
    lines = []
    for row, cells in table.published:
        own = {key: cell for key, cell in cells.items() if key in keys}
        if own:
            lines.append((_line(row, own), own))
    compared, greyed = ([line for line in lines if line[0].greyed is grey] for grey in (False, True))
    reasons = dict.fromkeys(cell.why_not for _, own in lines for cell in own.values() if cell.why_not)
    return PublishedPart(compared, greyed, {why: _letter(i) for i, why in enumerate(reasons)})


def _letter(index: int) -> str:
    """a to z, then a2."""
    turn, place = divmod(index, 26)
    return f"{chr(ord('a') + place)}{turn + 1 if turn else ''}"


def _line(row: PublishedRow, cells: Mapping[str, PublishedCell]) -> PublishedLine:
    greyed = all(cell.why_not for cell in cells.values())
    return PublishedLine(row.model, row.table, row.source, row.num_pictures, greyed)


def _protocols(table: BenchmarkTable) -> list[tuple[Protocol, list[Column]]]:
    found = []
    for protocol in PROTOCOLS:
        columns = [column for column in table.columns if column.protocol == protocol.name]
        if columns:
            found.append((protocol, columns))
    return found


def _missing(table: BenchmarkTable, columns: Sequence[Column]) -> list[tuple[str, str]]:
    """Columns without any number, with the first reason."""
    return [
        (column.key, table.rows[0].cells[column.key].reason)
        for column in columns
        if all(row.cells[column.key].mean is None for row in table.rows)
    ]
