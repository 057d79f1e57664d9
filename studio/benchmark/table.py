"""A benchmark as a table: each contender's mean with its interval, what is really best, published rows beside.

A column is one metric under one protocol, and holds nothing else. Not here: measuring (`studio.benchmark.scoring`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from metrics.prompt_statistics import Difference, Mean, Values, best_of, difference_of, mean_of
from metrics.protocols import Column
from metrics.published import PublishedRow, published_rows
from metrics.weights import CLIP_OF, by_another
from studio.benchmark.folder import BenchmarkFolder
from studio.benchmark.plan import BenchmarkPlan
from studio.benchmark.progress import Standings


@dataclass(frozen=True, slots=True)
class ScoreCell:
    """One contender in one column."""

    mean: Mean | None
    """None where there is no number; `reason` says why."""

    reason: str = ""
    is_best: bool = False
    """Ahead of every other contender by a difference whose interval leaves 0 out."""

    difference: Difference | None = None
    """From the first contender, over the prompts of both; None of the first itself, and of sets."""


@dataclass(frozen=True, slots=True)
class ContenderRow:
    """One contender."""

    name: str
    num_pictures: int
    cells: Mapping[str, ScoreCell]
    """By column key."""

    notes: tuple[str, ...] = ()
    """Of its set: intervals and warnings of distances."""


@dataclass(frozen=True, slots=True)
class PublishedCell:
    """A published number in a column, and why it does not compare; empty where it does."""

    value: float
    why_not: str


@dataclass(frozen=True, slots=True)
class BenchmarkTable:
    """All that is known of a benchmark so far."""

    plan: BenchmarkPlan
    columns: tuple[Column, ...]
    rows: tuple[ContenderRow, ...]
    published: tuple[tuple[PublishedRow, Mapping[str, PublishedCell]], ...]
    """Rows with a number in one of the columns, compared or not."""

    counts: Mapping[str, int]
    """Of cells by state."""

    troubles: tuple[str, ...]
    """One sentence for each cell that could not be drawn."""

    other_models: Mapping[str, tuple[str, ...]]
    """Of columns with values by another model than the published one: which, by column key."""


def benchmark_table(folder: BenchmarkFolder, found: Standings) -> BenchmarkTable:
    """From what is drawn and measured now; nothing is measured here."""
    plan, known, sets = found.plan, folder.scores(), folder.sets()
    columns = plan.protocol_columns()
    values = {column.key: _values(column, found, known) for column in columns if column.is_of_pictures}
    raw_bytes = float(3 * plan.width_px * plan.height_px)
    best: dict[str, str | None] = {}
    for column in columns:
        if column.is_of_pictures:
            drawn = {name: of for name, of in values[column.key].items() if any(of.values())}
            raw = (
                {name: _same(of, raw_bytes) for name, of in drawn.items()}
                if column.is_ratio_of_sums
                else None
            )
            best[column.key] = best_of(drawn, column.card.direction, raw) if len(drawn) > 1 else None
    first = plan.contenders[0].name
    rows = []
    for contender in plan.contenders:
        held: Mapping[str, Any] = of_set if isinstance(of_set := sets.get(contender.name), dict) else {}
        cells: dict[str, ScoreCell] = {}
        for column in columns:
            if not column.is_of_pictures:
                cells[column.key] = _set_cell(
                    column, held, len(found.pictures(contender.name)), len(plan.prompts)
                )
                continue
            of = values[column.key][contender.name]
            raw_of = _same(of, raw_bytes) if column.is_ratio_of_sums else None
            if not any(of.values()):
                cells[column.key] = ScoreCell(None, _why_none(column, contender.name, found, known))
                continue
            difference = None
            base = values[column.key][first]
            if contender.name != first and any(base.get(prompt) and of[prompt] for prompt in of):
                base_raw = _same(base, raw_bytes) if column.is_ratio_of_sums else None
                difference = difference_of(of, base, raw=(raw_of, base_raw))
            cells[column.key] = ScoreCell(
                mean_of(of, raw_of), "", best[column.key] == contender.name, difference
            )
        notes = tuple(str(note) for note in held.get("notes", ()))
        rows.append(ContenderRow(contender.name, len(found.pictures(contender.name)), cells, notes))
    told = folder.failures()
    troubles = tuple(
        f"{cell.contender}, prompt {cell.prompt}, seed {cell.seed}: {why}"
        for cell, why in found.troubles(told).items()
    )
    return BenchmarkTable(
        plan,
        columns,
        tuple(rows),
        _published(plan, columns),
        dict(found.counts()),
        troubles,
        _other_models(columns, found, known),
    )


def _values(column: Column, found: Standings, known: Mapping[str, Any]) -> dict[str, dict[str, list[float]]]:
    """By contender, then by prompt: the values of the seeds."""
    values: dict[str, dict[str, list[float]]] = {
        contender.name: {prompt.name: [] for prompt in found.plan.prompts}
        for contender in found.plan.contenders
    }
    for cell, standing in found.cells:
        if standing.picture is None:
            continue
        value = known.get(standing.picture.id, {}).get("values", {}).get(column.key)
        if value is not None:
            values[cell.contender][cell.prompt].append(float(value))
    return values


def _other_models(
    columns: tuple[Column, ...], found: Standings, known: Mapping[str, Any]
) -> dict[str, tuple[str, ...]]:
    used = [known.get(one.picture.id, {}).get("models", {}) for _, one in found.cells if one.picture]
    told = {}
    for column in columns:
        if column.metric in CLIP_OF:
            places = dict.fromkeys(of[column.key] for of in used if column.key in of)
            told[column.key] = tuple(words for place in places if (words := by_another(column.metric, place)))
    return {key: sentences for key, sentences in told.items() if sentences}


def _same(values: Values, raw_bytes: float) -> dict[str, list[float]]:
    """Raw bytes of each picture: all are of one size."""
    return {prompt: [raw_bytes] * len(of) for prompt, of in values.items()}


def _set_cell(column: Column, held: Mapping[str, Any], num_pictures: int, num_prompts: int) -> ScoreCell:
    value = held.get("values", {}).get(column.key)
    if isinstance(value, int | float):
        return ScoreCell(Mean(float(value), None, num_prompts, num_pictures))
    return ScoreCell(None, str(held.get("missing", {}).get(column.key, "not measured yet")))


def _why_none(column: Column, contender: str, found: Standings, known: Mapping[str, Any]) -> str:
    pictures = found.pictures(contender)
    if not pictures:
        return "nothing is drawn yet"
    reasons = [known.get(picture.id, {}).get("missing", {}).get(column.key) for _, picture in pictures]
    return next((str(reason) for reason in reasons if reason), "not measured yet")


def _published(
    plan: BenchmarkPlan, columns: tuple[Column, ...]
) -> tuple[tuple[PublishedRow, Mapping[str, PublishedCell]], ...]:
    """A number stands in the column of the protocol that it was measured by, or greyed in the one it is nearest to."""
    size_px = plan.width_px, plan.height_px
    rows = []
    for row in published_rows():
        cells: dict[str, PublishedCell] = {}
        for metric, value in row.values.items():
            of_metric = [column for column in columns if column.metric == metric]
            own = [column for column in of_metric if column.protocol == row.protocol]
            for column in own or [c for c in of_metric if c.protocol == "as-published"]:
                why = row.why_not(column, size_px=size_px, prompts=plan.prompt_set)
                cells[column.key] = PublishedCell(value, why)
        if cells:
            rows.append((row, cells))
    return tuple(rows)
