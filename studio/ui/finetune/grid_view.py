"""A run's checkpoints against strengths as a table of pictures: checkpoints down, strengths across.

Handlers: grid_desk. Not here: what a grid is (`studio.training.adapter_grid`).
"""

from __future__ import annotations

from collections.abc import Sequence

from gradio.data_classes import FileData, GradioModel

from studio.training.adapter_grid import CellState
from studio.ui.components import Drawn
from studio.ui.messages import progress_sentence

WAITING = {
    "queued": "waiting",
    "absent": "not asked for",
    "cancelled": "cancelled",
    "interrupted": "interrupted",
}


class GridCell(GradioModel):
    step: int
    strength: float
    state: str = "absent"
    words: str = ""
    """What stands in place of a picture, or its title."""

    picture: str = ""
    """Its id in the gallery; empty without one."""

    thumbnail: FileData | None = None


class GridContent(GradioModel):
    run: str = ""
    prompt: str = ""
    steps: tuple[int, ...] = ()
    strengths: tuple[float, ...] = ()
    cells: tuple[GridCell, ...] = ()


class GridView(Drawn):
    """Events: open (id of a picture). Arrow keys walk over the cells, Enter opens."""

    data_model = GridContent
    scripts = ("grid_view.js",)
    markup = """
<section class="adapter-grid" aria-label="Checkpoints by strengths" hidden>
  <p class="adapter-grid-about" role="status"></p>
  <div class="samples-scroll"><div class="samples-grid" role="grid" aria-label="Checkpoints by strengths"></div></div>
</section>
"""


def grid_content(run: str, states: Sequence[CellState]) -> GridContent:
    """What the table shows of a run's grid; nothing for a run without one."""
    if not states:
        return GridContent(run=run)
    return GridContent(
        run=run,
        prompt=states[0].cell.request.prompt,
        steps=tuple(dict.fromkeys(state.cell.step for state in states)),
        strengths=tuple(dict.fromkeys(state.cell.strength for state in states)),
        cells=tuple(_cell(state) for state in states),
    )


def _cell(state: CellState) -> GridCell:
    picture, cell = state.picture, state.cell
    title = f"step {cell.step} at {cell.strength:g}" if cell.strength else "the base model"
    return GridCell(
        step=cell.step,
        strength=cell.strength,
        state=state.state,
        words=title if picture is not None else f"{title}: {_words(state)}",
        picture="" if picture is None else picture.id,
        thumbnail=None if picture is None else FileData(path=str(picture.thumbnail_path)),
    )


def _words(state: CellState) -> str:
    job = state.job
    if job is not None and job.error:
        return job.error
    if job is not None and state.state == "running":
        return progress_sentence(job.progress)
    return WAITING.get(state.state, state.state)
