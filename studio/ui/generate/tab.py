"""The Generate tab: controls on the left, the stage, details and queue on the right. Handlers: `.handlers`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from studio.ui.events import NO_SECRET, QUEUED, QUEUED_EACH, UNQUEUED, after
from studio.ui.generate.choices import choose_model, offer_models, pick_example, size_said
from studio.ui.generate.controls import CONTROL_NAMES, FIELD_IDS, Rail, build_controls
from studio.ui.generate.handlers import GenerateHandlers
from studio.ui.generate.lora_fits import LoraFitHandlers
from studio.ui.generate.notes import model_choices
from studio.ui.generate.restoring import Restorer
from studio.ui.parts.details.details import PictureDetails
from studio.ui.parts.header.header import Header, StatusLine
from studio.ui.parts.pulse.pulse import Pulse, at_each_beat, look_again
from studio.ui.parts.queue.queue_panel import QueuePanel
from studio.ui.parts.viewer.viewer import DeepViewer

READY = "() => { document.body.dataset.ready = 'true'; }"
"""The one mark of a page that is open: form restored, stage, queue and notes shown."""


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
    seen: gr.Textbox
    """The version of what is shown. It lives in the page, so that the two stay together whichever answer comes last."""

    advice: gr.JSON

    def page(self, header: Header) -> list[Any]:
        """In the order of GenerateHandlers.show(): the watch first."""
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
                queue = QueuePanel(elem_id="queue")  # first: what details a picture has never moves it
                details = PictureDetails(elem_id="details")
        watch = gr.BrowserState(None, storage_key="d4k-watch", secret=NO_SECRET)
        seen = gr.Textbox(visible=False)
        advice = gr.JSON(visible=False)
    return GenerateTab(tab, rail, viewer, status, queue, details, watch, seen, advice)


BUTTON = """(prompt, asList, count) => {
  const prompts = asList ? prompt.split("\\n").filter((line) => line.trim()).length : 1;
  const pictures = Math.max(1, prompts) * Math.max(1, Math.trunc(Number(count)) || 1);
  return pictures > 1 ? `Generate ${pictures} pictures` : "Generate";
}"""
"""What the button would do, on it."""

ADVISED = ("num_inference_steps", "guidance_scale", "coarse_first")
"""What a model has defaults of."""


def wire_generate_tab(
    tab: GenerateTab,
    handlers: GenerateHandlers,
    fits: LoraFitHandlers,
    restorer: Restorer,
    header: Header,
    pulse: Pulse,
    demo: gr.Blocks,
) -> None:
    rail, controls, page = tab.rail, tab.rail.controls, tab.page(header)
    widgets = controls.widgets()
    asked = rail.generate.click(
        handlers.generate, [*widgets, tab.watch], [rail.refusal, controls.seed, *page], **QUEUED
    )
    rail.examples.pick(pick_example, None, controls.prompt, **QUEUED_EACH)
    numbers = [getattr(controls, name) for name in ADVISED]
    controls.model.input(
        choose_model,
        controls.model,
        [tab.advice, rail.model_note],
        js="(model) => d4kForm.chosen(model)",
        **UNQUEUED,
    ).then(None, [tab.advice, *numbers], numbers, js=form_call("advised", ADVISED, "advice"), **UNQUEUED)
    size = [controls.preset, controls.width_px, controls.height_px]
    rail.open_models.click(
        None, None, None, js="() => window.dispatchEvent(new Event('d4k-models'))", **UNQUEUED
    )
    controls.preset.input(None, size, size[1:], js="(...size) => d4kForm.sized(...size)", **UNQUEUED)
    entered = [controls.preset.input, controls.width_px.input, controls.height_px.input]
    gr.on(entered, size_said, size, rail.size_note, trigger_mode="always_last", **UNQUEUED)
    takes: list[Any] = [
        *(controls.model, *size, *numbers, controls.count, controls.adapters, controls.memory, controls.init)
    ]
    after(demo.load, *(widget.change for widget in takes)).then(
        handlers.fit_note,
        takes,
        rail.fit_note,
        trigger_mode="always_last",
        **UNQUEUED,
    )
    hurried: list[Any] = [controls.model, controls.speed]
    after(*(widget.change for widget in hurried)).then(
        handlers.speed_note, hurried, rail.speed_note, trigger_mode="always_last", **UNQUEUED
    )
    counted: list[Any] = [controls.prompt, controls.as_list, controls.count]
    gr.on([widget.change for widget in counted], None, counted, rail.generate, js=BUTTON, **UNQUEUED)
    gr.on([widget.change for widget in widgets], None, None, rail.refusal, js="() => ''", **UNQUEUED)
    rail.drop.upload(restorer.drop, rail.drop, [rail.drop, rail.restored, *rail.form()], **QUEUED)
    rail.init_drop.upload(
        restorer.begin_from,
        [rail.init_drop, controls.init],
        [rail.init_drop, controls.init, rail.refusal],
        **QUEUED,
    )
    rail.generate.click(None, None, rail.restored, js="() => ''", **UNQUEUED)

    for answered in (
        asked,
        tab.queue.act(handlers.act_on_job, tab.watch, page, **QUEUED_EACH),
        tab.status.act(handlers.act_on_job, tab.watch, page, **QUEUED_EACH),
        tab.viewer.show_newest(handlers.show_newest, tab.watch, page, **UNQUEUED),
        tab.viewer.act(handlers.act_on_picture, tab.watch, page, **QUEUED_EACH),
        tab.viewer.turn(handlers.turn, tab.watch, page, **QUEUED_EACH),
    ):
        look_again(answered)
    at_each_beat(pulse, handlers.tick, [tab.watch, tab.seen], page[1:])

    controls.adapters.asked.offers = handlers.offer_adapters
    fitted: list[Any] = [controls.model, controls.adapters]
    gr.on(
        [widget.change for widget in fitted],
        fits.told,
        fitted,
        rail.lora_fits,
        trigger_mode="always_last",
        **UNQUEUED,
    ).then(fits.look, fitted, None, **UNQUEUED).then(fits.told, fitted, rail.lora_fits, **UNQUEUED)
    offered = model_choices()

    def offer() -> Any:
        return offer_models(offered)

    notes = [rail.size_note, rail.model_note]
    demo.load(None, widgets, widgets, js=form_call("restore", CONTROL_NAMES), **UNQUEUED).then(
        handlers.open_page, [tab.watch, controls.model, *size], [*page[1:], *notes], **UNQUEUED
    ).then(offer, None, controls.model, **UNQUEUED).then(None, js=READY, **UNQUEUED)
    gr.on(
        [widget.change for widget in widgets],
        None,
        widgets,
        js=form_call("remember", CONTROL_NAMES),
        **UNQUEUED,
    )


def form_call(function: str, names: Iterable[str], *before: str) -> str:
    """A function of form.js over the values of these fields, told each one's name and id; `before` comes first."""
    fields = json.dumps([[name, FIELD_IDS[name]] for name in names])
    leading = "".join(f"{name}, " for name in before)
    return f"({leading}...values) => d4kForm.{function}({fields}, {leading}values)"
