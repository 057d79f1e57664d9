"""The dataset room of the Fine-tune tab: widgets and wiring. Handlers: `.handlers`; the pictures: `.grid`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from studio.models.catalogue import CATALOGUE
from studio.training.form import FIELDS
from studio.ui.components import SentFile
from studio.ui.datasets.cache import CacheBox, CacheHandlers, build_cache_box, wire_cache_box
from studio.ui.datasets.captions import (
    BulkEditor,
    Captioner,
    build_bulk_editor,
    build_captioner,
    wire_caption_tools,
)
from studio.ui.datasets.fetch import FetchForm, build_fetch_form, wire_fetch_form
from studio.ui.datasets.grid import DatasetGrid, DatasetServer, not_wired
from studio.ui.datasets.handlers import DatasetHandlers
from studio.ui.events import QUEUED, QUEUED_EACH, QUEUED_LAST, UNQUEUED, after

_NAMED = "known === source ? '' : source"
NAMED_UNLESS_TYPED = f"(folder, known, source) => folder || ({_NAMED})"
NAMED_UNLESS_TYPING = f"""(folder, known, source) =>
  document.activeElement?.closest("#dataset-folder") ? folder : ({_NAMED})"""


@dataclass(frozen=True, slots=True)
class DatasetChoice:
    """Which dataset, for which size, and what is done to all of it."""

    source: gr.Textbox
    model: gr.Textbox
    resolution_px: gr.Number
    square: gr.Checkbox
    known: gr.Dropdown
    folder: gr.Textbox
    drop: gr.File
    hub: FetchForm
    scan: gr.Button
    stop: gr.Button
    plot: gr.Plot
    cache: CacheBox
    bulk: BulkEditor
    captioner: Captioner


@dataclass(frozen=True, slots=True)
class DatasetPictures:
    """The grid, and what decides which pictures are on it."""

    shelf: gr.Radio
    search: gr.Textbox
    grid: DatasetGrid
    server: DatasetServer
    page: gr.State
    plotted: gr.State


@dataclass(frozen=True, slots=True)
class DatasetRoom:
    """Both halves; they may stand in different columns."""

    choice: DatasetChoice
    pictures: DatasetPictures

    @property
    def source(self) -> gr.Textbox:
        """The dataset's path; hidden. Whoever writes it opens that dataset; its `change` tells of another one."""
        return self.choice.source

    @property
    def model(self) -> gr.Textbox:
        """Catalogue id or folder of the model to train; hidden. Crops and caption lengths follow it."""
        return self.choice.model

    @property
    def resolution_px(self) -> gr.Number:
        return self.choice.resolution_px

    @property
    def square(self) -> gr.Checkbox:
        return self.choice.square


def build_dataset_room(*, hosted: bool = False) -> DatasetRoom:
    """Both halves inside a column that the caller opens: beside one another where it is wide enough.

    `hosted`: no folders of the machine, nothing from the hub, no captions by a model.
    """
    with gr.Column(elem_classes="dataset-room", min_width=0), gr.Row(elem_classes="dataset-plan"):
        with gr.Column(elem_classes="dataset-side", min_width=0):
            choice = build_dataset_choice(hosted=hosted)
        with gr.Column(elem_classes="dataset-main", min_width=0):
            pictures = build_dataset_pictures()
    return DatasetRoom(choice, pictures)


def build_dataset_choice(*, hosted: bool = False) -> DatasetChoice:
    """The narrow half alone, inside a column of the class `dataset-side`."""
    source = gr.Textbox("", visible="hidden", elem_id="dataset-source")
    model = gr.Textbox(CATALOGUE[0].id, visible="hidden", elem_id="dataset-model")
    known = gr.Dropdown([], label="Dataset of this studio", elem_id="dataset-known")
    folder = gr.Textbox(
        label="Or a folder of this machine",
        placeholder="/path/to/pictures and captions",
        max_lines=1,
        visible=not hosted,
        elem_id="dataset-folder",
    )
    drop = SentFile(
        file_types=[".zip"],
        type="filepath",
        show_label=False,
        height=44,
        elem_id="dataset-drop",
        elem_classes="drop",
    )
    hub = build_fetch_form(visible=not hosted)
    with gr.Row(elem_classes="pair dataset-fit"):
        resolution_px = gr.Number(
            FIELDS["data.resolution_px"].default,
            label="Resolution (px)",
            precision=0,
            step=64,
            elem_id="dataset-resolution",
            min_width=90,
        )
        square = gr.Checkbox(False, label="Squares only", elem_id="dataset-square", min_width=90)
    with gr.Row(elem_classes="pair"):
        scan = gr.Button("Scan again", size="sm", elem_id="dataset-scan", min_width=80)
        stop = gr.Button("Stop", size="sm", elem_id="dataset-stop", min_width=60)
    plot = gr.Plot(show_label=False, elem_id="dataset-sizes", elem_classes="rail-plot")
    cache = build_cache_box()
    bulk = build_bulk_editor()
    captioner = build_captioner(visible=not hosted)
    return DatasetChoice(
        source,
        model,
        resolution_px,
        square,
        known,
        folder,
        drop,
        hub,
        scan,
        stop,
        plot,
        cache,
        bulk,
        captioner,
    )


def build_dataset_pictures() -> DatasetPictures:
    """The wide half alone, inside a column of the class `dataset-main`."""
    server = DatasetServer(look=not_wired, edit=not_wired)
    with gr.Row(elem_classes="dataset-filter"):
        search = gr.Textbox(
            "",
            placeholder="Search in captions and names",
            show_label=False,
            container=False,
            max_lines=1,
            elem_id="dataset-search",
            min_width=100,
        )
        shelf = gr.Radio(
            [("All", "all"), ("Trained", "trained"), ("Left out", "left-out"), ("No caption", "no-caption")],
            value="all",
            show_label=False,
            container=False,
            elem_classes="segments",
            elem_id="dataset-shelf",
            min_width=200,
        )
    grid = DatasetGrid(server=server, elem_id="dataset-grid")
    return DatasetPictures(shelf, search, grid, server, gr.State(0), gr.State(""))


def wire_dataset_room(room: DatasetRoom, handlers: DatasetHandlers, demo: gr.Blocks) -> None:
    """What is offered when a page opens is the form's to ask: only it knows when the dataset is as it was left."""
    choice, pictures = room.choice, room.pictures
    pictures.server.look, pictures.server.edit = handlers.look, handlers.edit
    source, grid = choice.source, pictures.grid
    shown = [source, pictures.shelf, pictures.search]
    page = [grid, pictures.page]

    demo.load(handlers.key_note, None, choice.captioner.note, **UNQUEUED)
    choice.known.input(choose_known, choice.known, source, **UNQUEUED)
    gr.on(
        [choice.folder.submit, choice.folder.blur], handlers.name_folder, choice.folder, source, **QUEUED_LAST
    )
    choice.drop.upload(handlers.add_zip, choice.drop, [choice.drop, source], **QUEUED)
    offered = after(source.change).then(handlers.offer, source, choice.known, **QUEUED_LAST)
    name_again(offered, choice, NAMED_UNLESS_TYPING)
    judged_by = [choice.model, choice.resolution_px, choice.square]
    after(
        source.change,
        choice.model.change,
        choice.resolution_px.change,
        choice.square.change,
        choice.scan.click,
    ).then(
        handlers.judge,
        [source, *judged_by, pictures.shelf, pictures.search],
        [*page, choice.plot],
        trigger_mode="always_last",
        **QUEUED,
    )
    wire_fetch_form(choice.hub, handlers.fetching, source)
    caches = CacheHandlers(handlers.datasets.workspace)
    wire_cache_box(choice.cache, caches, source, choice.model, choice.scan.click)
    choice.stop.click(handlers.stop_scan, source, None, **UNQUEUED)

    gr.on(
        [pictures.shelf.change, pictures.search.change],
        handlers.turn_to,
        shown,
        page,
        trigger_mode="always_last",
        **QUEUED,
    )
    grid.turn(handlers.turn, shown, page, **QUEUED_EACH)
    news = [*page, choice.plot, pictures.plotted]
    grid.news(handlers.news, [*shown, pictures.page, pictures.plotted], news, **QUEUED)
    wire_caption_tools(choice.bulk, choice.captioner, source, handlers)


def name_again(offered: Any, choice: DatasetChoice, named: str) -> Any:
    """After `offered` the folder's field names a dataset that is none of the home's. Returns the event.

    In the browser, at once: an answer of the server's may come when something else has been typed there.
    """
    fields = [choice.folder, choice.known, choice.source]
    return offered.then(None, fields, choice.folder, js=named, **UNQUEUED)


def choose_known(path: str | None) -> Any:
    """The chosen dataset's path."""
    return gr.skip() if path is None else path
