"""The table of Compare: pictures or sets down, metrics across; drawn and sorted by compare_table.js."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gradio.data_classes import FileData, GradioModel

from metrics.catalogue import RATIOS, MetricCard, card
from metrics.intervals import Raw, difference_interval, mean_interval, set_mean
from metrics.score_table import ARROWS
from studio.ui.components import Drawn
from studio.ui.parts.details.metric_chips import WAYS


class Column(GradioModel):
    name: str
    title: str
    unit: str = ""
    arrow: str = ""
    card: str = ""


class Cell(GradioModel):
    value: float | None = None
    low: float | None = None
    high: float | None = None
    """Interval of a set's mean."""
    best: bool = False
    """The difference to every other row is real, and this side of it is the better one."""


class TableRow(GradioModel):
    key: str
    name: str
    note: str = ""
    thumbnail: FileData | None = None
    cells: tuple[Cell, ...] = ()


class TableContent(GradioModel):
    columns: tuple[Column, ...] = ()
    rows: tuple[TableRow, ...] = ()
    done: int = 0
    total: int = 0
    message: str = ""


class CompareTable(Drawn):
    """Event: open (keys of one or two rows, metric that the table is sorted by)."""

    data_model = TableContent
    scripts = ("compare_table.js",)
    markup = """
<section class="compare-table" aria-label="Scores">
  <div class="compare-progress" hidden><i></i><span></span></div>
  <p class="compare-message"></p>
  <div class="compare-scroll"><table><thead><tr></tr></thead><tbody></tbody></table></div>
</section>
"""


def columns_of(metrics: Sequence[str]) -> tuple[Column, ...]:
    found = [card(name) for name in metrics]
    return tuple(
        Column(
            name=one.name, title=one.title, unit=one.unit, arrow=ARROWS[one.direction], card=_card_text(one)
        )
        for one in found
    )


def _card_text(entry: MetricCard) -> str:
    return f"{entry.title}: {entry.definition}; {WAYS[entry.direction]}. {entry.source}."


def picture_cells(scores: Mapping[str, float], metrics: Sequence[str]) -> tuple[Cell, ...]:
    """Of one picture: no interval, so nothing is called best."""
    return tuple(Cell(value=scores.get(name)) for name in metrics)


@dataclass(frozen=True, slots=True)
class ScoredSet:
    """What is known of a set so far, picture by picture in one order."""

    scores: tuple[Mapping[str, float], ...]
    raw_bytes: tuple[float, ...]
    """Of each picture before encoding: what a ratio of sums weighs by."""

    def of(self, metric: str) -> tuple[list[float], Raw]:
        """Values, and weights where the set's value is a ratio of sums."""
        known = [
            (one[metric], raw) for one, raw in zip(self.scores, self.raw_bytes, strict=True) if metric in one
        ]
        return [value for value, _ in known], [raw for _, raw in known] if metric in RATIOS else None


def set_cells(
    sets: Sequence[ScoredSet], metrics: Sequence[str], *, paired: bool, done: bool
) -> list[tuple[Cell, ...]]:
    """Values of sets; once `done` with 95 % intervals, and best marked where the difference to every other is real."""
    rows: list[list[Cell]] = [[] for _ in sets]
    for name in metrics:
        columns = [one.of(name) for one in sets]
        best = _best(columns, card(name).direction, paired=paired) if done else None
        for index, (values, raw) in enumerate(columns):
            if not values:
                rows[index].append(Cell())
                continue
            low, high = mean_interval(values, raw) if done and len(values) > 1 else (None, None)
            rows[index].append(Cell(value=set_mean(values, raw), low=low, high=high, best=index == best))
    return [tuple(row) for row in rows]


def _best(columns: Sequence[tuple[list[float], Raw]], direction: str, *, paired: bool) -> int | None:
    if direction == "neither" or len(columns) < 2 or min(len(values) for values, _ in columns) < 2:
        return None
    if paired and len({len(values) for values, _ in columns}) > 1:
        return None  # still filling, or a file of a pair could not be read
    sign = 1 if direction == "higher" else -1
    order = sorted(range(len(columns)), key=lambda i: -sign * set_mean(*columns[i]))
    first = order[0]
    ours, our_raw = columns[first]
    for other in order[1:]:
        theirs, their_raw = columns[other]
        low, high = difference_interval(ours, theirs, paired=paired, raw=(our_raw, their_raw))
        if low <= 0 <= high:
            return None
    return first
