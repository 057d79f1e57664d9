"""The Inspect tab: pictures and settings, the stage, numbers and plots. Handlers: `.handlers`; form: `.form`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from studio.ui.components import SentFile
from studio.ui.events import QUEUED, QUEUED_EACH, QUEUED_LAST, UNQUEUED, after
from studio.ui.inspect.form import InspectForm, build_form, visible_groups
from studio.ui.inspect.handlers import HINT, InspectHandlers
from studio.ui.inspect.settings import LOOKS, MAX_PANES
from studio.ui.inspect.stage import InspectStage
from studio.ui.parts.details.metric_chips import ChipsContent, MetricChips
from studio.ui.parts.refusal import build_refusal

STAGE_ID = "inspect-stage"
APPLY_LOOK = f"""(...values) => {{
  const look = Object.fromEntries({list(LOOKS)}.map((name, i) => [name, values[i]]));
  window.dispatchEvent(new CustomEvent("d4k-look", {{ detail: {{ stage: "{STAGE_ID}", look }} }}));
}}"""
LAYER_KEYS = ("picture", "subbands", "glcm", "artefacts")
HEAVY: dict[str, Any] = {**QUEUED_LAST, "concurrency_id": "measuring", "concurrency_limit": 2}
"""Other pictures may be chosen while these are measured: they are then measured next."""

PART: dict[str, Any] = {**QUEUED_EACH, "concurrency_id": "part", "concurrency_limit": 1}
"""One after the other, so that what is shown in the end is of the last press."""


@dataclass(frozen=True, slots=True)
class InspectTab:
    """The widgets that other tabs may write to."""

    tab: gr.Tab
    keys: gr.Dropdown
    drop: gr.File
    refused: gr.HTML
    """Which dropped files were not taken, and why; until the next ones are dropped."""

    form: InspectForm
    stage: InspectStage
    asked: gr.Textbox
    """Never seen: what the page calls the state it asks for."""

    part: gr.State
    """The part that is measured, as `.board.Part` writes it; empty for none."""

    part_chips: MetricChips
    part_group: gr.Column
    distance: gr.Radio
    angle: gr.Radio
    part_plots: tuple[gr.Plot, gr.Plot, gr.Plot]
    """Matrix, histogram, spectrum."""

    rail: gr.Column
    chips: MetricChips
    verdict: MetricChips
    plots: tuple[gr.Plot, gr.Plot]
    """Spectrum, energies."""

    numbers: gr.DownloadButton

    def part_outputs(self) -> list[Any]:
        return [self.part_group, self.part_chips, *self.part_plots]


def build_inspect_tab() -> InspectTab:
    with gr.Tab("Inspect", id="inspect") as tab, gr.Row(elem_classes="room inspect", equal_height=True):
        with (
            gr.Column(elem_classes="rail controls", min_width=0),
            gr.Column(elem_classes="rail-scroll", min_width=0),
        ):
            keys = gr.Dropdown(
                [],
                multiselect=True,
                max_choices=MAX_PANES,
                label="Pictures, up to four",
                elem_id="inspect-pictures",
            )
            drop = SentFile(
                file_count="multiple",
                type="filepath",
                show_label=False,
                height=52,
                elem_id="inspect-drop",
                elem_classes="drop",
            )
            refused = build_refusal("inspect-refused")
            form = build_form()
        with gr.Column(elem_classes="stage", min_width=0):
            stage = InspectStage(elem_id=STAGE_ID, layers_in="inspect-layer", layer_keys=LAYER_KEYS)
        with gr.Column(elem_classes="rail side", min_width=0):
            part_chips = MetricChips(ChipsContent(note=""), elem_id="part-chips")
            with gr.Column(visible=False, min_width=0, elem_id="part") as part_group:
                with gr.Row(elem_classes="pair"):
                    distance = form.settings["part_distance"].render()
                    angle = form.settings["part_angle"].render()
                part_plots = (_plot("matrix"), _plot("histogram"), _plot("part-spectrum"))
            with gr.Column(visible=False, min_width=0, elem_id="numbers-rail") as rail:
                chips = MetricChips(elem_id="inspect-chips")
                verdict = MetricChips(elem_id="artefact-chips")
                plots = (_plot("spectrum"), _plot("energies"))
                numbers = gr.DownloadButton("All numbers (JSON)", visible=False, size="sm", elem_id="numbers")
        part, asked = gr.State(""), gr.Textbox(visible=False)
    return InspectTab(
        tab, keys, drop, refused, form, stage, asked, part, part_chips, part_group, distance, angle, part_plots,
        rail, chips, verdict, plots, numbers,
    )  # fmt: skip


def _plot(elem_id: str) -> gr.Plot:
    return gr.Plot(show_label=False, elem_id=elem_id, elem_classes="rail-plot")


def hint(keys: list[str], part: str) -> Any:
    """What a click does, while nothing is measured yet."""
    return gr.skip() if part else ChipsContent(note=HINT if keys else "")


def ask(*, before: int) -> str:
    """The script of an event whose answer is a board: tells the stage what is asked for, and the server its name.

    Its inputs are the name's field, the pictures, `before` others and the settings.
    """
    return f"""(_, keys, ...rest) => {{
  const asked = JSON.stringify([keys, rest.slice({before})]);
  window.dispatchEvent(new CustomEvent("d4k-ask", {{ detail: {{ stage: "{STAGE_ID}", asked }} }}));
  return [asked, keys, ...rest];
}}"""


def wire_inspect_tab(tab: InspectTab, handlers: InspectHandlers, demo: gr.Blocks, tabs: gr.Tabs) -> None:
    settings, values = tab.form.settings, tab.form.values()
    asked = [tab.keys, tab.part, *values]
    matrix, numbers = tab.part_plots[0], [tab.rail, tab.chips, tab.verdict, *tab.plots]

    tab.tab.select(handlers.warm, None, None, **UNQUEUED)
    gr.on([demo.load, tab.tab.select], handlers.offer, tab.keys, tab.keys, **QUEUED)
    tab.drop.upload(handlers.drop, [tab.drop, tab.keys], [tab.drop, tab.refused, tab.keys], **QUEUED)

    chosen = tab.keys.change(
        handlers.choose, [tab.asked, *asked], [tab.part, tab.stage], js=ask(before=1), **QUEUED_LAST
    )
    chosen.then(hint, [tab.keys, tab.part], tab.part_chips, **UNQUEUED)
    measured = chosen.then(handlers.measure, tab.keys, numbers, **HEAVY)
    measured.then(handlers.numbers_file, asked, tab.numbers, **HEAVY)

    deciding = [settings["layer"], settings["mode"], tab.keys]
    after(*(widget.change for widget in deciding)).then(
        visible_groups,
        deciding,
        list(tab.form.groups.values()),
        trigger_mode="always_last",
        **UNQUEUED,
    )
    gr.on(
        [widget.input for name, widget in settings.items() if name not in LOOKS],
        handlers.redraw,
        [tab.asked, *asked],
        tab.stage,
        js=ask(before=1),
        **QUEUED_LAST,
    )
    looks = [settings[name] for name in LOOKS]
    gr.on([widget.input for widget in looks], None, looks, None, js=APPLY_LOOK, **UNQUEUED)

    where = [tab.keys, tab.distance, tab.angle]
    for event, handler in ((tab.stage.pick, handlers.pick), (tab.stage.region, handlers.region)):
        outputs = [tab.part, tab.stage, *tab.part_outputs()]
        shown = event(handler, [tab.asked, *where, *values], outputs, js=ask(before=2), **PART)
        shown.then(handlers.numbers_file, asked, tab.numbers, **HEAVY)
    tab.stage.whole(
        handlers.whole,
        [tab.asked, tab.keys, *values],
        [tab.part, tab.stage, tab.part_group, tab.part_chips],
        js=ask(before=0),
        **QUEUED,
    )
    after(tab.distance.input, tab.angle.input).then(
        handlers.turn_matrix, [tab.part, *where], matrix, **QUEUED_LAST
    )

    tab.stage.mode(handlers.follow_mode, None, settings["mode"], **UNQUEUED)
    tab.stage.swap(handlers.swap, tab.keys, tab.keys, **UNQUEUED)
    restored = demo.load(handlers.restore, None, [tabs, tab.keys, *values, tab.part, tab.stage], **QUEUED)
    restored.then(handlers.show_part, [tab.part, *where], tab.part_outputs(), **HEAVY)
