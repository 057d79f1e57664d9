"""The Fine-tune tab: the form on the left, the runs and the chosen one beside it.

Handlers: `.handlers` (form), `.runs`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from studio.ui.datasets.cache import CacheHandlers
from studio.ui.datasets.handlers import DatasetHandlers
from studio.ui.datasets.room import (
    NAMED_UNLESS_TYPED,
    DatasetPictures,
    DatasetRoom,
    build_dataset_pictures,
    name_again,
    wire_dataset_room,
)
from studio.ui.events import NO_SECRET, QUEUED, QUEUED_EACH, QUEUED_LAST, UNQUEUED
from studio.ui.finetune.checks import ChecksList
from studio.ui.finetune.form import FinetuneForm, build_form
from studio.ui.finetune.grid import GridRoom, build_grid_room
from studio.ui.finetune.handlers import FinetuneHandlers
from studio.ui.finetune.results import ResultsRoom, build_results_room
from studio.ui.finetune.run_list import RunList
from studio.ui.finetune.run_samples import RunSamples
from studio.ui.finetune.run_view import RunLog, RunView
from studio.ui.finetune.runs import RunsHandlers
from studio.ui.parts.details.settings_table import SettingsTable
from studio.ui.parts.pulse.run_pulse import LOOK, RunPulse


@dataclass(frozen=True, slots=True)
class FinetuneTab:
    """The widgets that other tabs may write to."""

    tab: gr.Tab
    form: FinetuneForm
    checks: ChecksList
    dry_run: gr.Button
    start: gr.Button
    pulse: RunPulse
    runs: RunList
    view: RunView
    log: RunLog
    samples: RunSamples
    grid: GridRoom
    results: ResultsRoom
    plots: tuple[gr.Plot, gr.Plot, gr.Plot]
    """Loss, bands, validation."""

    others: gr.Dropdown
    log_scale: gr.Checkbox
    notes: gr.Textbox
    compare: gr.Dropdown
    settings: SettingsTable
    views: gr.Tabs
    """The chosen run, or the dataset's pictures."""

    pictures: DatasetPictures
    chosen: gr.BrowserState
    trial: gr.BrowserState
    memory: gr.BrowserState
    trashed: gr.State
    seen: gr.State
    charted: gr.State
    given: gr.State
    """The dataset that the form gave to the room."""

    def page(self) -> list[Any]:
        """In the order of RunsHandlers.news()."""
        return [
            *(self.runs, self.view, self.log, self.samples, *self.plots, self.others, self.compare),
            *(self.pulse, self.seen),
        ]

    def filled(self) -> list[Any]:
        """In the order of `.handlers.filled`."""
        form = self.form
        return [form.toml, form.sight, form.chart, form.verdict, self.charted, *form.widgets(), self.given]


def build_finetune_tab(handlers: RunsHandlers, *, hosted: bool) -> FinetuneTab:
    with gr.Tab("Fine-tune", id="finetune") as tab, gr.Row(elem_classes="room finetune", equal_height=True):
        with gr.Column(elem_classes="rail controls", min_width=0):
            with gr.Column(elem_classes="rail-scroll ft-form", min_width=0):
                form = build_form(hosted=hosted)
                checks = ChecksList(elem_id="ft-checks", padding=False)
            with gr.Column(elem_classes="rail-foot", min_width=0), gr.Row(elem_classes="pair"):
                dry_run = gr.Button("Dry run", elem_id="ft-dry-run", min_width=90)
                start = gr.Button("Start", variant="primary", elem_id="ft-start", min_width=90)
        with gr.Column(elem_classes="rail ft-runs", min_width=0):
            pulse = RunPulse(handlers.version)
            runs = RunList(elem_id="ft-runs", padding=False)
        with gr.Column(elem_classes="stage ft-run", min_width=0), gr.Tabs(elem_id="ft-views") as views:
            with gr.Tab("Run", id="run"):
                view = RunView(elem_id="ft-view", padding=False)
                with gr.Row(elem_classes="ft-look"):
                    others = gr.Dropdown(
                        [],
                        multiselect=True,
                        label="Lay over",
                        visible=False,
                        elem_id="ft-others",
                        max_choices=5,
                    )
                    log_scale = gr.Checkbox(
                        label="Log scale", value=False, container=False, elem_id="ft-log-scale"
                    )
                loss = _plot("loss")
                with gr.Row(elem_classes="ft-pair-of-plots"):
                    bands, validation = _plot("bands"), _plot("validation")
                samples = RunSamples(elem_id="ft-samples", padding=False)
                grid = build_grid_room()
                results = build_results_room()
                log = RunLog(elem_id="ft-log", padding=False)
                with gr.Row(elem_classes="ft-pair-of-plots ft-words"):
                    notes = gr.Textbox(
                        label="Notes",
                        lines=3,
                        max_lines=12,
                        placeholder="What was tried, and what came of it",
                        elem_id="ft-notes",
                    )
                    with gr.Column(min_width=0):
                        compare = gr.Dropdown(
                            [], label="Compare settings with", visible=False, elem_id="ft-compare"
                        )
                        settings = SettingsTable(elem_id="ft-settings", padding=False)
            with gr.Tab("Pictures", id="pictures"), gr.Column(elem_classes="dataset-main", min_width=0):
                pictures = build_dataset_pictures()
        chosen, trial, memory = (
            gr.BrowserState(None, storage_key=f"d4k-finetune-{name}", secret=NO_SECRET, render=False)
            for name in ("run", "trial", "form")
        )
        trashed, seen, charted, given = gr.State(""), gr.State({}), gr.State(""), gr.State("")
    return FinetuneTab(
        tab, form, checks, dry_run, start, pulse, runs, view, log, samples, grid, results, (loss, bands, validation),
        others, log_scale, notes, compare, settings, views, pictures, chosen, trial, memory, trashed, seen, charted,
        given,
    )  # fmt: skip


def _plot(name: str) -> gr.Plot:
    return gr.Plot(show_label=False, visible=False, elem_id=f"ft-{name}", elem_classes="rail-plot")


def wire_finetune_tab(
    tab: FinetuneTab,
    handlers: FinetuneHandlers,
    runs: RunsHandlers,
    datasets: DatasetHandlers,
    demo: gr.Blocks,
) -> None:
    # Outside of the tab: what is inside reads the browser's memory only when the tab is first shown.
    for state in (tab.chosen, tab.trial, tab.memory):
        state.render()
    wire_dataset_room(DatasetRoom(tab.form.room, tab.pictures), datasets, demo)
    opened = _wire_form(tab, handlers, demo)
    # The room is told of a dataset by a change, and a room that is not seen yet tells of none.
    room, shown = tab.form.room, tab.pictures
    judged = [room.source, room.model, room.resolution_px, room.square, shown.shelf, shown.search]
    offered = opened.then(datasets.offer, room.source, room.known, **QUEUED_LAST)
    name_again(offered, room, NAMED_UNLESS_TYPED).then(
        datasets.judge, judged, [shown.grid, shown.page, room.plot], **QUEUED_LAST
    )
    caches = CacheHandlers(datasets.datasets.workspace)
    tab.tab.select(caches.look, [room.source, room.model], room.cache.told(), **UNQUEUED)
    _wire_runs(tab, handlers, runs, demo)


def show_pictures() -> Any:
    return gr.Tabs(selected="pictures")


def show_run() -> Any:
    return gr.Tabs(selected="run")


def _wire_form(tab: FinetuneTab, handlers: FinetuneHandlers, demo: gr.Blocks) -> Any:
    """Returns the event after which the form is as this browser left it."""
    form, widgets = tab.form, tab.form.widgets()
    told = [form.toml, form.sight, form.chart, form.verdict, tab.charted]
    # Of text that was pasted Gradio's fields tell nothing, `sight` does.
    inputs = [widget.input for widget in widgets if not isinstance(widget, gr.Textbox)]
    edited = {"fn": handlers.edited, "inputs": [tab.charted, *widgets], "outputs": told}
    gr.on(inputs, **edited, trigger_mode="always_last", **UNQUEUED)
    form.sight.written(**edited, trigger_mode="always_last", **UNQUEUED)
    room = form.room
    room.source.change(
        handlers.sourced,
        [tab.given, tab.charted, *widgets],
        [*told, tab.given],
        trigger_mode="always_last",
        **UNQUEUED,
    )
    form.fields["model.base"].change(
        None, form.fields["model.base"], room.model, js="(base) => base", **UNQUEUED
    )
    chosen = [room.known.input, room.folder.submit, room.drop.upload, room.scan.click]
    gr.on(chosen, show_pictures, None, tab.views, **UNQUEUED)
    form.toml.input(
        handlers.typed,
        [form.toml, tab.charted, tab.given],
        tab.filled()[1:],
        trigger_mode="always_last",
        **UNQUEUED,
    )
    form.recipe.input(handlers.choose_recipe, [form.recipe, *widgets], tab.filled(), **QUEUED_LAST)
    opened = demo.load(handlers.open_page, tab.memory, tab.filled(), **UNQUEUED)
    form.toml.change(None, form.toml, tab.memory, js="(toml) => toml", **UNQUEUED)

    asked = [form.toml, tab.trial]
    gr.on(
        [form.toml.change, tab.tab.select],
        handlers.check,
        asked,
        tab.checks,
        trigger_mode="always_last",
        **QUEUED,
    )
    tab.pictures.grid.news(handlers.check, asked, tab.checks, trigger_mode="always_last", **QUEUED)
    tab.dry_run.click(handlers.dry_run, [tab.trial, form.toml, *widgets], [tab.trial, tab.checks], **QUEUED)
    return opened


def _wire_runs(tab: FinetuneTab, handlers: FinetuneHandlers, runs: RunsHandlers, demo: gr.Blocks) -> None:
    tab.pulse.news(
        runs.news,
        [tab.chosen, tab.others, tab.log_scale, tab.trashed, tab.seen],
        tab.page(),
        trigger_mode="always_last",
        **QUEUED,
    ).then(handlers.check, [tab.form.toml, tab.trial], tab.checks, **QUEUED_LAST)
    picked, acted = [tab.chosen, tab.notes, tab.settings], [tab.chosen, tab.trashed]
    starting = [tab.trial, tab.form.toml, *tab.form.widgets()]
    started = tab.start.click(handlers.start, starting, [tab.trial, tab.chosen], **QUEUED)
    for done in (
        tab.runs.pick(runs.pick, None, picked, **QUEUED_EACH),
        tab.runs.restore(runs.restore, None, acted, **QUEUED_EACH),
        tab.view.act(runs.act, tab.trashed, acted, **QUEUED_EACH),
        started.success(runs.choose, tab.chosen, picked, **QUEUED_LAST),
        tab.notes.blur(runs.write_notes, [tab.chosen, tab.notes], None, **QUEUED_LAST),
    ):
        done.then(None, None, None, js=LOOK, **UNQUEUED)
    tab.runs.pick(show_run, None, tab.views, **UNQUEUED)
    started.success(show_run, None, tab.views, **UNQUEUED)
    gr.on([tab.log_scale.input, tab.others.input, tab.tab.select], None, None, None, js=LOOK, **UNQUEUED)
    tab.view.copy(handlers.copy, None, tab.filled(), **QUEUED_EACH)
    tab.compare.input(runs.compare, [tab.chosen, tab.compare], tab.settings, **QUEUED_LAST)
    demo.load(runs.open_notes, tab.chosen, tab.notes, **UNQUEUED)
