"""A table of pictures that are asked for: named rows and columns, each cell a picture or how far it is.

Not here: what is asked for (`studio.training.adapter_grid`, `studio.pictures.settings_grid`), opening a cell's picture
(`studio.ui.parts.cells.loupe`).
"""

from __future__ import annotations

from gradio.data_classes import FileData, GradioModel

from studio.pictures.standing import Standing
from studio.ui.components import Drawn
from studio.ui.messages import progress_sentence

WAITING = {
    "queued": "waiting",
    "absent": "not asked for",
    "cancelled": "cancelled",
    "interrupted": "interrupted",
}


class Cell(GradioModel):
    state: str = "absent"
    words: str = ""
    """What stands in place of a picture, or its title."""

    picture: str = ""
    """Its id in the gallery; empty without one."""

    thumbnail: FileData | None = None


class CellsContent(GradioModel):
    table: str = ""
    """Which table it is: of another one the first cell is the place to begin."""

    about: str = ""
    """What all cells have in common."""

    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    cells: tuple[Cell, ...] = ()
    """Row by row."""


class CellTable(Drawn):
    """Events: open (id of a picture). Arrow keys walk over the cells, Enter opens."""

    data_model = CellsContent
    scripts = ("cell_table.js",)

    def __init__(
        self, value: CellsContent | None = None, *, named: str = "Pictures", **kwargs: object
    ) -> None:
        """`named` is what the table is called for a screen reader."""
        super().__init__(value, markup=_markup(named), **{"padding": False, **kwargs})


def _markup(named: str) -> str:
    return f"""
<section class="cell-table" aria-label="{named}" hidden>
  <p class="cell-table-about" role="status"></p>
  <div class="samples-scroll"><div class="samples-grid" role="grid" aria-label="{named}"></div></div>
</section>
"""


def cell_of(title: str, standing: Standing) -> Cell:
    """One cell: its picture under its title, or how far that is."""
    picture = standing.picture
    return Cell(
        state=standing.state,
        words=title if picture is not None else f"{title}: {_words(standing)}",
        picture="" if picture is None else picture.id,
        thumbnail=None if picture is None else FileData(path=str(picture.thumbnail_path)),
    )


def _words(standing: Standing) -> str:
    job = standing.job
    if job is not None and job.error:
        return job.error
    if job is not None and standing.state == "running":
        return progress_sentence(job.progress)
    return WAITING.get(standing.state, standing.state)
