"""The Settings grid view of Compare: a picture drawn again with one or two settings varied, as a table.

Widgets, handlers over plain values, wiring. Not here: what the cells ask for (`studio.pictures.settings_grid`), the
table (`studio.ui.parts.cells`).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import gradio as gr

from studio.home.settings import Settings
from studio.models.admission import admit
from studio.pictures.gallery import Gallery
from studio.pictures.settings_grid import AXES, SettingsGrid, plan_settings_grid
from studio.pictures.standing import Standing, missing_of, standing_of
from studio.queue.table import JobTable
from studio.render_request import RenderRequest
from studio.ui.compare.items import title_of
from studio.ui.events import NO_SECRET, QUEUED, QUEUED_EACH, UNQUEUED
from studio.ui.messages import shows_errors
from studio.ui.parts.cells.cell_table import CellsContent, CellTable, cell_of
from studio.ui.parts.cells.loupe import Loupe, left, opened, turned
from studio.ui.parts.pulse.run_pulse import LOOK, RunPulse
from studio.ui.parts.refusal import NOTHING_REFUSED, build_refusal, refusal
from studio.ui.parts.viewer.viewer import DeepViewer
from studio.ui.visitors.submission_gate import SubmissionGate

Plain = dict[str, Any]
OFFERED = 200


@dataclass(frozen=True, slots=True)
class SettingsGridView:
    """The widgets."""

    tab: gr.Tab
    pulse: RunPulse
    picture: gr.Dropdown
    across: gr.Dropdown
    columns: gr.Textbox
    down: gr.Dropdown
    rows: gr.Textbox
    told: gr.Markdown
    refused: gr.HTML
    draw: gr.Button
    table: CellTable
    viewer: DeepViewer
    drawn: gr.BrowserState
    """The grid that was asked for last: see `Asked`."""

    opened: gr.State
    seen: gr.State

    def asked(self) -> list[Any]:
        """In the order of SettingsGridHandlers.draw()."""
        return [self.picture, self.across, self.columns, self.down, self.rows]


@dataclass(frozen=True, slots=True)
class Asked:
    """A grid as the browser keeps it; whole without its picture, which may go into the trash."""

    drawn: Plain
    across: tuple[str, str]
    down: tuple[str, str]

    @classmethod
    def of(cls, plain: Plain | None) -> Asked | None:
        """None where there is none, or where something else was kept."""
        try:
            return (
                None if plain is None else cls(plain["drawn"], tuple(plain["across"]), tuple(plain["down"]))
            )
        except (TypeError, KeyError):
            return None

    def grid(self) -> SettingsGrid:
        """Raises ValueError."""
        return plan_settings_grid(RenderRequest.from_dict(self.drawn), across=self.across, down=self.down)


@dataclass(frozen=True, slots=True)
class SettingsGridHandlers:
    """Grids around pictures of the gallery."""

    jobs: JobTable
    gallery: Gallery
    settings: Settings
    gate: SubmissionGate

    def version(self, _: list[str]) -> str:
        """Another text whenever a cell might stand differently."""
        return f"{self.jobs.version()} {self.gallery.version()}"

    def offer(self, chosen: str | None) -> Any:
        """The newest pictures, and whichever is chosen, however old it is."""
        return gr.Dropdown(choices=self._choices(chosen))

    @shows_errors
    def vary(self, event: gr.EventData) -> tuple[Any, ...]:
        """A picture's button: (tabs, views, picture)"""
        picture = self.gallery.get(str(event.id))
        chosen = gr.Dropdown(choices=self._choices(picture.id), value=picture.id)
        return gr.Tabs(selected="compare"), gr.Tabs(selected="settings-grid"), chosen

    def told(self, *asked: Any) -> tuple[str, str]:
        """(what would be drawn, or what is missing; the button's words)"""
        try:
            grid = self.asked(*asked).grid()
            missing = missing_of(grid.requests, jobs=self.jobs, gallery=self.gallery)
        except ValueError as error:
            return str(error), "Draw the grid"
        count = f"{len(grid.rows)} × {len(grid.columns)}"
        left_to_draw = f"{len(missing)} to draw" if missing else "all are there or on their way"
        words = (
            f"Draw {len(missing)} picture{'s' if len(missing) > 1 else ''}" if missing else "Show the grid"
        )
        return f"{count} pictures, {left_to_draw}", words

    def draw(self, *asked: Any) -> tuple[Any, Any]:
        """(why nothing was taken or no word, the grid that the browser keeps)"""
        try:
            kept = self.asked(*asked)
            grid = kept.grid()
            missing = missing_of(grid.requests, jobs=self.jobs, gallery=self.gallery)
            for request in missing:
                admit(request, self.settings)
            self.gate.admit(missing, self.jobs)
        except ValueError as error:
            return refusal(str(error)), gr.skip()
        submitted = [self.jobs.submit("render", one.to_dict(), label=one.prompt) for one in missing]
        self.gate.submitted(submitted)
        return NOTHING_REFUSED, asdict(kept)

    def news(self, kept: Plain | None, seen: str) -> tuple[Any, str]:
        """(the table, what the page has seen), skipped where it is on the page already."""
        try:
            content = self._content(Asked.of(kept))
        except ValueError:  # kept by another version of the studio, or nothing can be read now
            return gr.skip(), seen
        now = content.model_dump_json()
        return (gr.skip(), seen) if now == seen else (content, now)

    @shows_errors
    def open(self, event: gr.EventData) -> Loupe:
        return opened(self.gallery, str(event.id))

    @shows_errors
    def turn(self, kept: Plain | None, shown: str, event: gr.EventData) -> Loupe:
        pictures = [one.picture for one in self._standing(Asked.of(kept))]
        return turned(self.gallery, pictures, shown, int(event.delta))

    def asked(
        self, picture: str | None, across: str, columns: str, down: str | None, rows: str | None
    ) -> Asked:
        """What the fields ask for. Raises ValueError."""
        if not picture:
            raise ValueError("no picture is chosen; choose the one whose settings are to vary")
        drawn = self.gallery.get(picture).record.settings
        return Asked(drawn.to_dict(), (across, columns or ""), (down or "", rows or ""))

    def _choices(self, chosen: str | None) -> list[tuple[str, str]]:
        """Titles and ids, the chosen one's first where it is older than those that are offered."""
        newest = self.gallery.pictures(limit=OFFERED)
        if chosen and chosen not in {picture.id for picture in newest}:
            with suppress(ValueError):  # in the trash by now
                newest = [self.gallery.get(chosen), *newest]
        return [(title_of(picture), picture.id) for picture in newest]

    def _standing(self, kept: Asked | None) -> list[Standing]:
        """Of every cell, row by row."""
        if kept is None:
            return []
        requests = kept.grid().requests
        standing = standing_of(requests, jobs=self.jobs, gallery=self.gallery)
        return [standing[request] for request in requests]

    def _content(self, kept: Asked | None) -> CellsContent:
        if kept is None:
            return CellsContent()
        grid = kept.grid()
        titles = [", ".join(filter(None, (row, column))) for row in grid.rows for column in grid.columns]
        return CellsContent(
            table=repr(kept),
            about=grid.requests[0].prompt,
            rows=grid.rows,
            columns=grid.columns,
            cells=tuple(cell_of(*one) for one in zip(titles, self._standing(kept), strict=True)),
        )


def build_settings_grid(handlers: SettingsGridHandlers) -> SettingsGridView:
    axes = [(axis.title, axis.name) for axis in AXES]
    with gr.Tab("Settings grid", id="settings-grid") as tab, gr.Row(elem_classes="room settings-grid"):
        with (
            gr.Column(elem_classes="rail controls", min_width=0),
            gr.Column(elem_classes="rail-scroll", min_width=0),
        ):
            pulse = RunPulse(handlers.version, elem_id="settings-grid-pulse")
            picture = gr.Dropdown([], label="The picture to vary", elem_id="settings-grid-picture")
            across = gr.Dropdown(axes, value="steps", label="Across", elem_id="settings-grid-across")
            columns = _values("8, 14, 20", "settings-grid-columns")
            down = gr.Dropdown(
                [("Nothing", ""), *axes], value="guidance", label="Down", elem_id="settings-grid-down"
            )
            rows = _values("1.5, 2, .., 3", "settings-grid-rows")
            told = gr.Markdown(elem_classes="note", elem_id="settings-grid-told")
            refused = build_refusal("settings-grid-refused")
            draw = gr.Button("Draw the grid", variant="primary", elem_id="settings-grid-draw")
        with gr.Column(elem_classes="stage", min_width=0):
            table = CellTable(named="Settings grid", elem_id="settings-grid-table")
            viewer = DeepViewer(closable=True, elem_id="settings-grid-loupe", elem_classes="cell-loupe")
        # Within the tab: Gradio counts what lies between two tabs as tabs, and shows the next one twice.
        shown, seen = gr.State(""), gr.State("")
    drawn = gr.BrowserState(None, storage_key="d4k-settings-grid", secret=NO_SECRET, render=False)
    return SettingsGridView(
        tab, pulse, picture, across, columns, down, rows, told, refused, draw, table, viewer, drawn, shown, seen,
    )  # fmt: skip


def _values(value: str, elem_id: str) -> gr.Textbox:
    return gr.Textbox(
        value, label="Values", info="With commas; 2, 4, .., 10 goes on evenly", max_lines=1, elem_id=elem_id
    )


def wire_settings_grid(view: SettingsGridView, handlers: SettingsGridHandlers, compare: gr.Tab) -> None:
    """`compare` is the tab that the view lies in."""
    view.drawn.render()  # outside of the tab: inside, it is read only when the tab is first shown
    gr.on([compare.select, view.tab.select], handlers.offer, view.picture, view.picture, **UNQUEUED)
    fields = view.asked()
    changed = [widget.change for widget in fields]
    gr.on(changed, handlers.told, fields, [view.told, view.draw], trigger_mode="always_last", **UNQUEUED)
    gr.on(changed, None, None, view.refused, js="() => ''", **UNQUEUED)
    view.draw.click(handlers.draw, fields, [view.refused, view.drawn], **QUEUED).then(
        handlers.told, fields, [view.told, view.draw], **UNQUEUED
    ).then(None, None, None, js=LOOK, **UNQUEUED)
    view.pulse.news(
        handlers.news, [view.drawn, view.seen], [view.table, view.seen], trigger_mode="always_last", **QUEUED
    )
    view.table.open(handlers.open, None, [view.viewer, view.opened], **QUEUED_EACH)
    view.viewer.turn(handlers.turn, [view.drawn, view.opened], [view.viewer, view.opened], **QUEUED_EACH)
    view.viewer.leave(left, None, [view.viewer, view.opened], **UNQUEUED)
