"""The grid of checkpoints and strengths in the Fine-tune tab: widgets, handlers over plain values, wiring.

Not here: the table (`studio.ui.parts.cells`), requests and states (`studio.training.adapter_grid`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from studio.home.database import DatabaseTrouble
from studio.pictures.gallery import Gallery
from studio.training.adapter_grid import (
    CellState,
    GridSettings,
    drawable_steps,
    grid_states,
    parse_strengths,
    plan_grid,
    remembered_settings,
    submit_grid,
    usual_settings,
)
from studio.training.runs import Trainings
from studio.ui.events import QUEUED, QUEUED_EACH, UNQUEUED, after
from studio.ui.messages import shows_errors
from studio.ui.parts.cells.cell_table import CellsContent, CellTable, cell_of
from studio.ui.parts.cells.loupe import Loupe, left, opened, turned
from studio.ui.parts.pulse.run_pulse import RunPulse
from studio.ui.parts.viewer.viewer import DeepViewer


@dataclass(frozen=True, slots=True)
class GridRoom:
    """The widgets."""

    room: gr.Accordion
    prompt: gr.Textbox
    steps: gr.Dropdown
    strengths: gr.Textbox
    seed: gr.Number
    draw: gr.Button
    view: CellTable
    viewer: DeepViewer
    opened: gr.State
    """Id of the picture in the viewer."""

    seen: gr.State

    def page(self) -> list[Any]:
        """In the order of GridHandlers.news()."""
        return [self.room, self.prompt, self.steps, self.strengths, self.seed, self.view, self.seen]


@dataclass(frozen=True, slots=True)
class GridHandlers:
    """The grids of a home's runs."""

    trainings: Trainings
    gallery: Gallery

    def news(self, chosen: str | None, seen: dict[str, str]) -> tuple[Any, ...]:
        """(room, prompt, steps, strengths, seed, table, seen), each skipped where the page shows it already.

        The fields are filled when another run is chosen; the room is hidden for a run that has no LoRA to draw.
        """
        skip = gr.skip()
        try:
            settings, steps, content = self._of(chosen)
        except DatabaseTrouble:  # nothing is known of the run; asked again at the next news
            return (*(skip,) * 6, seen)
        except ValueError:  # the run is gone, or trains every weight, or has no checkpoint yet
            if seen.get("run") == "":
                return (*(skip,) * 6, seen)
            return (gr.update(visible=False), *(skip,) * 4, CellsContent(), {"run": ""})
        now = {"run": str(chosen), "steps": repr(steps), "table": content.model_dump_json()}
        table = content if now["table"] != seen.get("table") else skip
        if now["run"] != seen.get("run"):
            fields: tuple[Any, ...] = (
                settings.prompt,
                gr.update(choices=list(steps), value=list(settings.steps)),
                ", ".join(f"{strength:g}" for strength in settings.strengths),
                settings.seed,
            )
            return (gr.update(visible=True), *fields, table, now)
        choices = gr.update(choices=list(steps)) if now["steps"] != seen.get("steps") else skip
        return (skip, skip, choices, skip, skip, table, now)

    @shows_errors
    def draw(
        self, chosen: str | None, prompt: str, steps: list[int] | None, strengths: str, seed: float | None
    ) -> CellsContent:
        """Queue what is not drawn yet."""
        if chosen is None:
            raise ValueError("no run is chosen; choose one of the list")
        if seed is None or seed != int(seed):
            raise ValueError("the seed must be a whole number; 7 is usual")
        run = self.trainings.run(chosen)
        settings = replace(
            usual_settings(run),
            prompt=prompt,
            steps=tuple(sorted(int(step) for step in ([] if steps is None else steps))),
            strengths=parse_strengths(strengths),
            seed=int(seed),
        )
        grid = plan_grid(run, settings, home=self.trainings.workspace.root)
        submit_grid(run, grid, jobs=self.trainings.jobs, gallery=self.gallery)
        return grid_content(chosen, grid_states(grid, jobs=self.trainings.jobs, gallery=self.gallery))

    @shows_errors
    def open(self, event: gr.EventData) -> Loupe:
        return opened(self.gallery, str(event.id))

    @shows_errors
    def turn(self, chosen: str | None, shown: str, event: gr.EventData) -> Loupe:
        pictures = [state.standing.picture for state in self._states(chosen)]
        return turned(self.gallery, pictures, shown, int(event.delta))

    def _of(self, chosen: str | None) -> tuple[GridSettings, tuple[int, ...], CellsContent]:
        """(what the fields say, the checkpoints there are, the table) of a run with a LoRA to draw."""
        if chosen is None:
            raise ValueError("no run is chosen")
        run = self.trainings.run(chosen)
        if run.config().method.kind != "lora":
            raise ValueError(f"{chosen} trains every weight")
        usual, held = usual_settings(run), remembered_settings(run)
        settings = usual if held is None else held
        return settings, drawable_steps(run), grid_content(chosen, self._states(chosen))

    def _states(self, chosen: str | None) -> tuple[CellState, ...]:
        """Of the grid that was asked for last; none where none was."""
        if chosen is None:
            return ()
        run = self.trainings.run(chosen)
        held = remembered_settings(run)
        if held is None:
            return ()
        grid = plan_grid(run, held, home=self.trainings.workspace.root)
        return grid_states(grid, jobs=self.trainings.jobs, gallery=self.gallery)


def grid_content(run: str, states: Sequence[CellState]) -> CellsContent:
    """What the table shows of a run's grid; nothing for a run without one."""
    if not states:
        return CellsContent(table=run)
    steps = dict.fromkeys(state.cell.step for state in states)
    strengths = dict.fromkeys(state.cell.strength for state in states)
    return CellsContent(
        table=run,
        about=states[0].cell.request.prompt,
        rows=tuple(f"step {step}" for step in steps),
        columns=tuple(f"× {strength:g}" if strength else "base" for strength in strengths),
        cells=tuple(cell_of(_title(state), state.standing) for state in states),
    )


def _title(state: CellState) -> str:
    return f"step {state.cell.step} at {state.cell.strength:g}" if state.cell.strength else "the base model"


def build_grid_room() -> GridRoom:
    """Hidden until a run with checkpoints is chosen."""
    with gr.Accordion("Checkpoints × strengths", open=False, visible=False, elem_id="ft-grid") as room:
        prompt = gr.Textbox(label="Prompt", lines=2, max_lines=6, elem_id="ft-grid-prompt")
        with gr.Row(elem_classes="adapter-grid-asked"):
            steps = gr.Dropdown(
                [], multiselect=True, label="Checkpoints (steps)", elem_id="ft-grid-steps", min_width=160
            )
            strengths = gr.Textbox(label="Strengths", max_lines=1, elem_id="ft-grid-strengths", min_width=100)
            seed = gr.Number(7, label="Seed", precision=0, minimum=0, elem_id="ft-grid-seed", min_width=80)
        draw = gr.Button("Draw the grid", size="sm", elem_id="ft-grid-draw")
        view = CellTable(named="Checkpoints by strengths", elem_id="ft-grid-view")
        viewer = DeepViewer(closable=True, elem_id="ft-grid-loupe", elem_classes="cell-loupe")
    return GridRoom(room, prompt, steps, strengths, seed, draw, view, viewer, gr.State(""), gr.State({}))


def wire_grid_room(room: GridRoom, handlers: GridHandlers, chosen: gr.BrowserState, pulse: RunPulse) -> None:
    """`chosen` holds the run's name; `pulse` tells of its news, and of every job's."""
    after(pulse.news).then(
        handlers.news, [chosen, room.seen], room.page(), trigger_mode="always_last", **QUEUED
    )
    asked = [chosen, room.prompt, room.steps, room.strengths, room.seed]
    room.draw.click(handlers.draw, asked, room.view, **QUEUED)
    room.view.open(handlers.open, None, [room.viewer, room.opened], **QUEUED_EACH)
    room.viewer.turn(handlers.turn, [chosen, room.opened], [room.viewer, room.opened], **QUEUED_EACH)
    room.viewer.leave(left, None, [room.viewer, room.opened], **UNQUEUED)
