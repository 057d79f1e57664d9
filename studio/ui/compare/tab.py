"""The Compare tab: pictures or folders, a picture with its settings varied, benchmarks where they may be run.

Of pictures: what is compared on the left, scores and linked panes, what differs on the right. Not here: benchmarks
(`studio.ui.benchmark`), settings that vary (`studio.ui.compare.settings_grid`).
"""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from metrics.catalogue import CARDS
from studio.ui.benchmark.handlers import BenchmarkHandlers
from studio.ui.benchmark.tab import BenchmarkView, build_benchmark_view
from studio.ui.compare.handlers import USUAL_METRICS, CompareHandlers
from studio.ui.compare.settings_grid import SettingsGridHandlers, SettingsGridView, build_settings_grid
from studio.ui.compare.table import CompareTable
from studio.ui.components import SentFile
from studio.ui.events import QUEUED, QUEUED_EACH, UNQUEUED
from studio.ui.inspect.stage import Board, InspectStage
from studio.ui.parts.details.settings_table import SettingsTable
from studio.ui.parts.refusal import build_refusal


@dataclass(frozen=True, slots=True)
class PicturesView:
    """The widgets of pictures and folders."""

    keys: gr.Dropdown
    files: gr.File
    first: gr.Textbox
    second: gr.Textbox
    metrics: gr.Dropdown
    refused: gr.HTML
    """Why nothing is compared, or what is left out; until the next press."""

    compare: gr.Button
    stop: gr.Button
    csv: gr.DownloadButton
    table: CompareTable
    stage: InspectStage
    settings: SettingsTable


@dataclass(frozen=True, slots=True)
class CompareTab:
    """Its views, which other tabs may write to."""

    tab: gr.Tab
    views: gr.Tabs
    pictures: PicturesView
    grid: SettingsGridView
    benchmark: BenchmarkView | None


def build_compare_tab(
    *, folders: bool, grids: SettingsGridHandlers, benchmarks: BenchmarkHandlers | None
) -> CompareTab:
    """`benchmarks` is None where nobody may run any."""
    with gr.Tab("Compare", id="compare") as tab, gr.Tabs(elem_id="compare-views") as views:
        pictures = _build_pictures(folders=folders)
        grid = build_settings_grid(grids)
        benchmark = None if benchmarks is None else build_benchmark_view(benchmarks)
    return CompareTab(tab, views, pictures, grid, benchmark)


def _build_pictures(*, folders: bool) -> PicturesView:
    with gr.Tab("Pictures", id="pictures"), gr.Row(elem_classes="room compare", equal_height=True):
        with (
            gr.Column(elem_classes="rail controls", min_width=0),
            gr.Column(elem_classes="rail-scroll", min_width=0),
        ):
            keys = gr.Dropdown(
                [], multiselect=True, label="Pictures of the gallery", elem_id="compare-pictures"
            )
            files = SentFile(
                file_count="multiple",
                type="filepath",
                show_label=False,
                height=52,
                elem_id="compare-files",
                elem_classes="drop",
            )
            with gr.Column(visible=folders, min_width=0):
                first = gr.Textbox(
                    label="Or two folders of this machine",
                    placeholder="one",
                    max_lines=1,
                    elem_id="folder-one",
                )
                second = gr.Textbox(
                    show_label=False, placeholder="the other", max_lines=1, elem_id="folder-two"
                )
            metrics = gr.Dropdown(
                [
                    (entry.title, entry.name)
                    for entry in CARDS
                    if entry.scope == "picture" and not entry.needs
                ],
                value=list(USUAL_METRICS),
                multiselect=True,
                label="Metrics",
                elem_id="compare-metrics",
            )
            refused = build_refusal("compare-refused")
            with gr.Row(elem_classes="pair"):
                compare = gr.Button("Compare", variant="primary", elem_id="compare-go", min_width=90)
                stop = gr.Button("Stop", elem_id="compare-stop", min_width=60)
            csv = gr.DownloadButton("Table (CSV)", visible=False, size="sm", elem_id="compare-csv")
        with gr.Column(elem_classes="stage", min_width=0):
            table = CompareTable(elem_id="compare-table")
            stage = InspectStage(
                Board(message="Choose two rows to see where they differ most"), elem_id="compare-stage"
            )
        with gr.Column(elem_classes="rail side", min_width=0):
            settings = SettingsTable(elem_id="settings-difference")
    return PicturesView(
        keys, files, first, second, metrics, refused, compare, stop, csv, table, stage, settings
    )


def wire_compare_tab(tab: CompareTab, handlers: CompareHandlers, demo: gr.Blocks) -> None:
    view = tab.pictures
    asked = [view.keys, view.files, view.first, view.second, view.metrics]
    gr.on([demo.load, tab.tab.select], handlers.offer, None, view.keys, **UNQUEUED)
    running = view.compare.click(handlers.compare, asked, [view.refused, view.table, view.csv], **QUEUED)
    view.stop.click(None, None, None, cancels=[running], **UNQUEUED)
    view.table.open(handlers.open, asked, [view.stage, view.settings], **QUEUED_EACH)
