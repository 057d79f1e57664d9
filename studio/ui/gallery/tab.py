"""The Gallery tab: grid, viewer and details over the pictures on disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from studio.pictures.gallery_search import Narrowed
from studio.ui.events import QUEUED_EACH, QUEUED_LAST, UNQUEUED
from studio.ui.gallery.handlers import GalleryHandlers
from studio.ui.parts.details.details import PictureDetails
from studio.ui.parts.grid.picture_grid import PAGE, PictureGrid
from studio.ui.parts.pulse.pulse import Pulse, at_each_beat, look_again
from studio.ui.parts.viewer.viewer import DeepViewer

CHOSEN = "() => document.querySelector('#grid .gallery-grid').dataset.chosen"


@dataclass(frozen=True, slots=True)
class GalleryTab:
    """The widgets that other tabs may write to."""

    tab: gr.Tab
    shelf: gr.Radio
    search: gr.Textbox
    grid: PictureGrid
    viewer: DeepViewer
    details: PictureDetails
    narrowed: gr.State
    limit: gr.State
    opened: gr.State
    seen: gr.Textbox
    """The version of what the grid shows, kept in the page beside it."""

    chosen: gr.Textbox
    """Carries the id of the newest choice to the server."""

    def query(self) -> list[Any]:
        """What decides which pictures the grid shows."""
        return [self.shelf, self.search, self.narrowed, self.limit]


def build_gallery_tab() -> GalleryTab:
    with gr.Tab("Gallery", id="gallery") as tab:
        with gr.Row(elem_classes="room pictures"):
            with gr.Column(elem_classes="stage", min_width=0):
                with gr.Row(elem_classes="shelf-bar"):
                    search = gr.Textbox(
                        value="",
                        placeholder="Search: prompt, size, seed, model, date",
                        show_label=False,
                        container=False,
                        max_lines=1,
                        elem_id="search",
                        min_width=120,
                    )
                    shelf = gr.Radio(
                        [("All", "all"), ("Starred", "starred"), ("Trash", "trash")],
                        value="all",
                        show_label=False,
                        container=False,
                        elem_classes="segments",
                        elem_id="shelf",
                        min_width=200,
                    )
                grid = PictureGrid(elem_id="grid")
                viewer = DeepViewer(closable=True, elem_id="loupe")
            with gr.Column(elem_classes="rail side", min_width=0):
                details = PictureDetails(elem_id="gallery-details")
        chosen, seen = gr.Textbox(visible=False), gr.Textbox(visible=False)
        narrowed, limit, opened = gr.State(Narrowed()), gr.State(PAGE), gr.State("")
    return GalleryTab(tab, shelf, search, grid, viewer, details, narrowed, limit, opened, seen, chosen)


def wire_gallery_tab(tab: GalleryTab, handlers: GalleryHandlers, pulse: Pulse, demo: gr.Blocks) -> None:
    shown = [tab.grid, tab.seen]
    turned = [tab.limit, *shown, tab.details, tab.opened]
    gr.on(
        [tab.shelf.change, tab.search.change],
        handlers.turn_to,
        [tab.shelf, tab.search, tab.narrowed, tab.opened],
        turned,
        trigger_mode="always_last",
        **UNQUEUED,
    )
    tab.grid.narrow(
        handlers.narrow, [tab.shelf, tab.search, tab.opened], [tab.narrowed, *turned], **QUEUED_EACH
    )
    gr.on([demo.load, tab.tab.select], handlers.show, tab.query(), shown, **UNQUEUED)
    at_each_beat(pulse, handlers.tick, [*tab.query(), tab.seen], shown)
    look_again(
        tab.grid.act(
            handlers.act, [*tab.query(), tab.opened], [tab.limit, *shown, tab.details], **QUEUED_EACH
        )
    )
    tab.grid.choose(handlers.choose, tab.chosen, [tab.details, tab.opened], js=CHOSEN, **QUEUED_LAST)
    tab.grid.open(handlers.open, None, [tab.viewer, tab.details, tab.opened], **QUEUED_EACH)
    tab.viewer.turn(
        handlers.turn,
        [tab.shelf, tab.search, tab.narrowed, tab.opened],
        [tab.viewer, tab.details, tab.opened],
        **QUEUED_EACH,
    )
    acted = tab.viewer.act(
        handlers.act_on_opened,
        [*tab.query(), tab.opened],
        [tab.viewer, tab.details, tab.opened, tab.limit, *shown],
        **QUEUED_EACH,
    )
    left = tab.viewer.leave(
        handlers.leave, [*tab.query(), tab.opened], [tab.viewer, tab.limit, *shown], **QUEUED_EACH
    )
    look_again(acted)
    look_again(left)
