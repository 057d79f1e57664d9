"""The list of training runs: state, progress, loss, where it came from."""

from __future__ import annotations

from collections.abc import Sequence

from gradio.data_classes import GradioModel

from studio.training.run_lines import RunLine
from studio.ui.components import Drawn


class RunRow(GradioModel):
    id: str
    """The run's name."""
    state: str
    detail: str = ""
    """Such as "34/60 · loss 0.412"."""
    parent: str = ""
    note: str = ""
    sentence: str = ""
    fraction: float = 0.0
    changed_at: float = 0.0
    """Seconds since 1970; the page writes it in its own time zone."""


class RunRows(GradioModel):
    rows: tuple[RunRow, ...] = ()
    chosen: str = ""
    trashed: str = ""
    """What can be brought back from the trash at once."""


class RunList(Drawn):
    """Events: pick (name), restore (name in the trash)."""

    data_model = RunRows
    scripts = ("run_list.js",)
    markup = """
<section class="runs" aria-label="Training runs">
  <header class="section-head"><h2>Runs</h2><small class="runs-count"></small></header>
  <p class="runs-trashed" hidden><span></span><button class="text-button" type="button">Undo</button></p>
  <p class="runs-none">No run yet. Fill in the form and press Start: training goes on when this page is closed.</p>
  <ol class="runs-rows" role="listbox" aria-label="Runs"></ol>
</section>
"""


def run_rows(lines: Sequence[RunLine], chosen: str, trashed: str) -> RunRows:
    return RunRows(rows=tuple(_row(line) for line in lines), chosen=chosen, trashed=trashed)


def _row(line: RunLine) -> RunRow:
    parts = [f"{line.step:,}/{line.num_steps:,}"] if line.num_steps else []
    if line.loss is not None:
        parts.append(f"loss {line.loss:.4g}")
    return RunRow(
        id=line.name,
        state="stopping" if line.stopping and line.is_active else line.state,
        detail=" · ".join(parts),
        parent=line.parent,
        note=line.note,
        sentence=line.sentence,
        fraction=min(1.0, line.step / line.num_steps) if line.num_steps else 0.0,
        changed_at=line.changed_at,
    )
