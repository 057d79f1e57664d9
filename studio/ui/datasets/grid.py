"""The pictures of a dataset as training sees them, each with its caption to edit. Drawn by dataset_grid.js.

Edits go through functions of the server, so that a refusal is said on the very card. Not here: what they do
(`studio.ui.datasets.handlers`), which pictures are on a page (`studio.ui.datasets.page`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gradio.data_classes import FileData, GradioModel

from studio.ui.components import Drawn


class DatasetCard(GradioModel):
    """One picture."""

    id: str
    """Its file name under the dataset's root."""

    thumbnail: FileData | None = None
    """The crop, small; None while it is being made, and where it cannot be."""

    caption: str = ""
    caption_by: str = ""
    """"own", "hand" or a model's name."""

    trained_size: str = ""
    """Of the crop, such as "1024 × 1024"; empty where there is none."""

    picture_size: str = ""
    words: str = ""
    """Why it is left out, or why there is no thumbnail."""

    left_out: bool = False
    final: bool = False
    """Left out for good: there is nothing to train on."""

    kept: bool = False
    """Kept by hand against the scan."""


class DatasetContent(GradioModel):
    """What the grid shows: one page."""

    source: str = ""
    """The dataset's path, which names it to the server."""

    version: str = ""
    """Of the dataset, when this was made."""

    shelf: str = ""
    search: str = ""
    """What was asked for; an answer that was overtaken on its way is told by them."""

    cards: tuple[DatasetCard, ...] = ()
    page: int = 0
    pages: int = 1
    chips: tuple[tuple[str, str, str], ...] = ()
    """(words, number, hint) in the line above: trained, left out for each reason, bucket sizes."""

    notes: tuple[str, ...] = ()
    """One sentence each: captions without pictures, cut captions, lines that cannot be read."""

    undo: str = ""
    """What undo takes back; empty where there is nothing."""

    message: str = ""
    """What is wrong, in one sentence."""

    nothing: str = "Choose a dataset of this studio, name a folder, or drop a zip"
    """What stands there when no picture does."""


@dataclass(slots=True)
class DatasetServer:
    """What the page's script may ask for; filled in when the page is wired. Each takes and gives plain values."""

    look: Callable[[str], dict[str, Any]]
    """Dataset path -> {"version", "scanning", "captioning"}: how it stands."""

    edit: Callable[[dict[str, Any]], dict[str, Any]]
    """{"source", "action", "ids", "text"} -> {"error"}: one sentence, or empty when it is done."""


def not_wired(_: Any) -> dict[str, Any]:
    raise RuntimeError("the dataset room was built but not wired")


class DatasetGrid(Drawn):
    """Events: news (something changed on the server), turn (page)."""

    data_model = DatasetContent
    scripts = ("dataset_card.js", "dataset_grid.js")
    markup = """
<section class="dataset" aria-label="Pictures of the dataset">
  <p class="dataset-message" role="alert" hidden></p>
  <div class="dataset-tasks"></div>
  <header class="dataset-bar"><div class="dataset-chips"></div><span class="spacer"></span>
    <button class="plain-button dataset-undo" type="button" hidden>Undo</button></header>
  <details class="dataset-notes" hidden><summary></summary><ul></ul></details>
  <div class="dataset-grid" role="list"></div>
  <p class="dataset-nothing"></p>
  <nav class="dataset-pages" aria-label="Pages" hidden>
    <button class="plain-button dataset-before" type="button">Previous</button><span></span>
    <button class="plain-button dataset-after" type="button">Next</button></nav>
</section>
"""

    def __init__(
        self, value: DatasetContent | None = None, *, server: DatasetServer | None = None, **kwargs: Any
    ) -> None:
        asked = DatasetServer(look=not_wired, edit=not_wired) if server is None else server
        self.asked = asked

        def look(source: object = "") -> dict[str, Any]:
            return asked.look(str(source))

        def edit(wish: dict[str, Any]) -> dict[str, Any]:
            return asked.edit(wish)

        super().__init__(value, server_functions=[look, edit], padding=False, **kwargs)
