"""A benchmark as one HTML file that asks no other host for anything: table, plots, duels, pictures, settings.

CSV and JSON lie beside it, and a part of a model card. Not here: what stands in the table (`studio.benchmark.table`).
"""

from __future__ import annotations

import json
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from metrics.score_table import ARROWS
from studio.benchmark.folder import BenchmarkFolder
from studio.benchmark.makers import makers_of
from studio.benchmark.markup import scores_context, templates
from studio.benchmark.progress import Standings
from studio.benchmark.report_pictures import contact_sheet, largest_differences
from studio.benchmark.table import BenchmarkTable, benchmark_table
from studio.benchmark.verdict import Verdict, verdict
from studio.benchmark.words import as_csv, as_json, by_other_models, more_prompts, number
from studio.home.disk import disk_words, whole_file

NAMES = ("report.html", "table.csv", "table.json", "model-card.md")
_LIBRARIES = ("torch", "diffusers", "transformers", "scikit-image", "pillow", "numpy")


def write_report(folder: BenchmarkFolder, found: Standings, *, into: Path | None = None) -> Path:
    """Write the four files of `NAMES` to `into`, the benchmark's own folder unless set; returns the page's path."""
    place = folder.path if into is None else into
    with disk_words(place):
        place.mkdir(parents=True, exist_ok=True)
    table = benchmark_table(folder, found)
    said = verdict(folder, table.columns)
    texts = (report_page(table, found, folder, said), as_csv(table), as_json(table), model_card(table))
    for name, text in zip(NAMES, texts, strict=True):
        with disk_words(place / name), whole_file(place / name) as part:
            part.write_text(text, encoding="utf-8")
    return place / NAMES[0]


def report_page(table: BenchmarkTable, found: Standings, folder: BenchmarkFolder, said: Verdict) -> str:
    """The page itself."""
    return (
        templates()
        .get_template("report.html")
        .render(
            **scores_context(table),
            made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            counts=", ".join(f"{count} {state}" for state, count in table.counts.items()),
            notes=[
                *dict.fromkeys(f"{row.name}: {note}" for row in table.rows for note in row.notes),
                *more_prompts(table),
            ],
            troubles=table.troubles,
            plots=plots(table),
            verdict=said,
            named=True,
            pairs=largest_differences(found, folder),
            sheet=contact_sheet(found),
            makers=makers_of(found),
            versions=_versions(),
            settings=json.dumps(table.plan.to_dict(), ensure_ascii=False, indent=1),
        )
    )


def plots(table: BenchmarkTable) -> str:
    """One strip a column, a dot and its interval each contender, by plotly, which the page carries; empty for none."""
    shown = [
        column
        for column in table.columns
        if any(row.cells[column.key].mean is not None for row in table.rows)
    ]
    if not shown:
        return ""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    figure = make_subplots(
        rows=len(shown),
        cols=1,
        subplot_titles=[f"{column.key} {ARROWS[column.card.direction]}" for column in shown],
        vertical_spacing=min(0.08, 0.5 / max(1, len(shown))),
    )
    for place, column in enumerate(shown, start=1):
        for row in table.rows:
            mean = row.cells[column.key].mean
            if mean is None:
                continue
            low, high = mean.interval or (mean.value, mean.value)
            figure.add_trace(
                go.Scatter(
                    x=[mean.value],
                    y=[row.name],
                    error_x={"array": [high - mean.value], "arrayminus": [mean.value - low]},
                    mode="markers",
                    marker={"size": 9, "color": "#14958a"},
                    showlegend=False,
                    hovertemplate=f"%{{x:.4g}} [{low:.4g}, {high:.4g}]<extra>{row.name}</extra>",
                ),
                row=place,
                col=1,
            )
    figure.update_layout(
        height=90 + len(shown) * (60 + 26 * len(table.rows)),
        margin={"l": 8, "r": 8, "t": 30, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(128,128,128,0.08)",
        font={"color": "#808080", "size": 11},
    )
    # Titles begin where the page's own do: centred ones are cut off on a phone.
    figure.update_annotations(x=0, xref="paper", xanchor="left", font_size=12)
    figure.update_xaxes(gridcolor="rgba(128,128,128,0.25)", zeroline=False)
    figure.update_yaxes(gridcolor="rgba(128,128,128,0.25)", autorange="reversed", automargin=True)
    return str(
        figure.to_html(
            full_html=False, include_plotlyjs=True, config={"displaylogo": False, "responsive": True}
        )
    )


def model_card(table: BenchmarkTable) -> str:
    """A part of a hub model card, in Markdown."""
    columns = [c for c in table.columns if any(row.cells[c.key].mean is not None for row in table.rows)]
    plan = table.plan
    lines = [
        f"## Evaluation: {plan.name}",
        "",
        f"{len(plan.prompts)} prompts of {plan.prompt_set}, {len(plan.seeds)} seeds, {plan.width_px} x "
        f"{plan.height_px} px. "
        "95 % intervals of means over prompts; * where one is ahead of every other by a difference that is real.",
        "",
        "| model | " + " | ".join(f"{c.key} {ARROWS[c.card.direction]}".strip() for c in columns) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for row in table.rows:
        cells = []
        for column in columns:
            cell = row.cells[column.key]
            if cell.mean is None:
                cells.append("–")
                continue
            low_high = (
                "" if cell.mean.interval is None else " [{}, {}]".format(*map(number, cell.mean.interval))
            )
            cells.append(f"{number(cell.mean.value)}{'*' if cell.is_best else ''}{low_high}")
        name = row.name.replace("|", "\\|")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += ["", *(f"{sentence}.  " for sentence in told)] if (told := by_other_models(table)) else []
    return "\n".join([*lines, ""])


def _versions() -> list[tuple[str, str]]:
    found = [("Python", platform.python_version())]
    for name in _LIBRARIES:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return found
