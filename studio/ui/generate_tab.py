"""The Generate tab: controls on the left, the stage, details and queue on the right. Handlers: desk.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from studio.ui.controls import CONTROL_NAMES, Rail, build_controls
from studio.ui.desk import Desk, choose_model, choose_preset, offer_models, pick_example
from studio.ui.details import PictureDetails
from studio.ui.header import Header, StatusLine
from studio.ui.notes import size_note
from studio.ui.pulse import Pulse
from studio.ui.queue_panel import QueuePanel
from studio.ui.restoring import Restorer
from studio.ui.viewer import DeepViewer
from studio.ui.wiring import NO_SECRET, QUIET, SPOKEN


@dataclass(frozen=True, slots=True)
class GenerateTab:
    """The widgets that other tabs may write to."""

    tab: gr.Tab
    rail: Rail
    viewer: DeepViewer
    status: StatusLine
    queue: QueuePanel
    details: PictureDetails
    watch: gr.BrowserState
    seen: gr.State

    def page(self, header: Header) -> list[Any]:
        """In the order of Desk.show(): the watch first."""
        return [self.watch, self.viewer, self.status, self.queue, self.details, header, self.seen]


def build_generate_tab() -> GenerateTab:
    with gr.Tab("Generate", id="generate") as tab:
        with gr.Row(elem_classes="room generate", equal_height=True):
            with gr.Column(elem_classes="rail controls", min_width=0):
                rail = build_controls()
            with gr.Column(elem_classes="stage", min_width=0):
                status = StatusLine(elem_id="status-line")
                viewer = DeepViewer(elem_id="stage")
            with gr.Column(elem_classes="rail side", min_width=0):
                details = PictureDetails(elem_id="details")
                queue = QueuePanel(elem_id="queue")
        watch = gr.BrowserState(None, storage_key="d4k-watch", secret=NO_SECRET)
        seen = gr.State("")
    return GenerateTab(tab, rail, viewer, status, queue, details, watch, seen)


REMEMBER = f"(...values) => Object.fromEntries({list(CONTROL_NAMES)}.map((name, i) => [name, values[i]]))"


def wire_generate_tab(
    tab: GenerateTab, desk: Desk, restorer: Restorer, header: Header, pulse: Pulse, demo: gr.Blocks
) -> None:
    rail, controls, page = tab.rail, tab.rail.controls, tab.page(header)
    widgets = controls.widgets()
    rail.generate.click(desk.submit, [*widgets, tab.watch], [controls.seed, *page], **SPOKEN)
    rail.examples.pick(pick_example, None, controls.prompt, **QUIET)
    numbers = [controls.num_inference_steps, controls.guidance_scale, controls.coarse_first]
    controls.model.input(choose_model, controls.model, [*numbers, rail.model_note], **QUIET)
    size = [controls.preset, controls.width_px, controls.height_px]
    controls.preset.input(choose_preset, size, [rail.size_row, *size[1:], rail.size_note], **QUIET)
    gr.on([controls.width_px.input, controls.height_px.input], size_note, size[1:], rail.size_note, **QUIET)
    takes: list[Any] = [
        *(controls.model, *size, *numbers, controls.count, controls.adapters, controls.memory)
    ]
    gr.on(
        [demo.load, *(widget.change for widget in takes)],
        desk.fit_note,
        takes,
        rail.fit_note,
        trigger_mode="always_last",
        **QUIET,
    )
    rail.drop.upload(restorer.drop, rail.drop, [rail.drop, *rail.form()], **SPOKEN)

    tab.queue.act(desk.act_on_job, tab.watch, page, **SPOKEN)
    tab.status.act(desk.act_on_job, tab.watch, page, **SPOKEN)
    tab.viewer.show_newest(desk.show_newest, tab.watch, page, **QUIET)
    tab.viewer.turn(desk.turn, tab.watch, page, **QUIET)
    pulse.beat(desk.tick, [tab.watch, tab.seen], page[1:], trigger_mode="always_last", **QUIET)

    memory = gr.BrowserState(None, storage_key="d4k-form", secret=NO_SECRET)
    demo.load(desk.open_page, [tab.watch, memory], [*page[1:], *rail.form()], **QUIET)
    controls.adapters.asked.offers = desk.offer_adapters
    demo.load(offer_models, None, controls.model, **QUIET)
    gr.on([widget.change for widget in widgets], None, widgets, memory, js=REMEMBER, **QUIET)
