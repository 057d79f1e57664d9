"""The grid of checkpoints and strengths on the page: filled, drawn, only news sent, opened and walked through."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest

from finetune.run_folder import RunFolder
from studio.home.workspace import Workspace
from studio.pictures.gallery import Gallery
from studio.pictures.record import AdapterUsed, PictureRecord
from studio.queue.table import JobTable
from studio.training.adapter_grid import grid_states, plan_grid, remembered_settings
from studio.training.runs import Trainings
from studio.ui.finetune.grid import GridHandlers, build_grid_room, wire_grid_room
from studio.ui.parts.cells.cell_table import CellsContent
from studio.ui.parts.cells.loupe import left
from studio.ui.parts.pulse.run_pulse import RunPulse
from tests.finetune.training_runs import new_run
from tests.studio.training.test_adapter_grid import run as run

ROOM, PROMPT, STEPS, STRENGTHS, SEED, TABLE, SEEN = range(7)
SKIP = gr.skip()


@pytest.fixture
def handlers(workspace: Workspace) -> GridHandlers:
    return GridHandlers(Trainings(workspace, JobTable(workspace.database)), Gallery(workspace))


def drawn(handlers: GridHandlers, run: RunFolder) -> None:
    """Pictures of noise with the records that renders would have left."""
    from studio.models.adapters import file_digest

    home, settings = handlers.trainings.workspace.root, remembered_settings(run)
    assert settings is not None
    for number, request in enumerate(plan_grid(run, settings, home=home).requests()):
        pixels = np.random.default_rng(number).integers(0, 256, (256, 256, 3), dtype=np.uint8)
        worn = tuple(
            AdapterUsed(path=use.path, weight=use.weight, digest=file_digest(home / use.path))
            for use in request.adapters
        )
        handlers.gallery.add(pixels, PictureRecord(settings=request, adapters=worn))


def event(**values: Any) -> gr.EventData:
    return gr.EventData(None, values)


def test_the_fields_are_filled_once_and_only_news_is_sent(handlers: GridHandlers, run: RunFolder) -> None:
    first = handlers.news("run", {})
    assert first[ROOM]["visible"]
    assert (first[PROMPT], first[STRENGTHS], first[SEED]) == ("a red hill", "0, 0.5, 1", 11)
    assert (first[STEPS]["choices"], first[STEPS]["value"]) == ([2, 4], [2, 4])
    assert first[TABLE] == CellsContent(table="run")
    assert handlers.news("run", first[SEEN])[:SEEN] == (SKIP,) * 6
    handlers.draw("run", "a blue hill", [2, 4], "0, 1", 3)
    second = handlers.news("run", first[SEEN])
    assert second[:TABLE] == (SKIP,) * 5, "what a reader may be typing stays"
    assert [cell.state for cell in second[TABLE].cells] == ["queued"] * 4
    reopened = handlers.news("run", {})
    assert (reopened[PROMPT], reopened[STRENGTHS], reopened[SEED]) == ("a blue hill", "0, 1", 3)


def test_a_run_without_a_lora_has_no_grid(
    handlers: GridHandlers, run: RunFolder, workspace: Workspace, sd3_folder: Path, tmp_path: Path
) -> None:
    full = {"method": {"kind": "full"}, "output": {"name": "full"}}
    new_run(workspace.runs, sd3_folder, tmp_path / "pictures", **full)
    new_run(workspace.runs, sd3_folder, tmp_path / "pictures", output={"name": "new"})
    shown = handlers.news("run", {})[SEEN]
    for name in ("full", "new", "gone", None):
        hidden = handlers.news(name, shown)
        assert not hidden[ROOM]["visible"]
        assert hidden[TABLE] == CellsContent()
        assert handlers.news(name, hidden[SEEN])[:SEEN] == (SKIP,) * 6


def test_cells_show_pictures_jobs_and_failures(handlers: GridHandlers, run: RunFolder) -> None:
    asked = handlers.draw("run", "a red hill", [4, 2], "0, 1", 11)
    assert (asked.rows, asked.columns) == (("step 2", "step 4"), ("base", "× 1"))
    assert asked.cells[0].words == "the base model: waiting"
    jobs = handlers.trainings.jobs
    job = jobs.claim(1)
    assert job is not None
    jobs.fail(job.id, "the disk is full")
    table = handlers.news("run", {})[TABLE]
    assert [cell.words for cell in table.cells] == [
        "the base model: the disk is full",
        "step 2 at 1: waiting",
        "the base model: the disk is full",
        "step 4 at 1: waiting",
    ]
    drawn(handlers, run)
    table = handlers.news("run", {})[TABLE]
    assert [cell.state for cell in table.cells] == ["done"] * 4
    assert table.cells[0].picture == table.cells[2].picture
    assert table.cells[3].words == "step 4 at 1"
    assert all(cell.thumbnail is not None and Path(cell.thumbnail.path).is_file() for cell in table.cells)


def test_a_picture_opens_in_the_viewer_and_its_neighbours_follow(
    handlers: GridHandlers, run: RunFolder
) -> None:
    handlers.draw("run", "a red hill", [2, 4], "0, 1", 11)
    drawn(handlers, run)
    cells = handlers.news("run", {})[TABLE].cells
    scene, opened = handlers.open(event(id=cells[0].picture))
    assert (scene.kind, opened) == ("picture", cells[0].picture)
    ids = [opened]
    for delta in (1, 1, 1, -1):
        scene, opened = handlers.turn("run", opened, event(delta=delta))
        ids.append(opened)
    one, two, four = cells[0].picture, cells[1].picture, cells[3].picture
    assert ids == [one, two, four, four, two]
    assert scene.demand > 0
    assert left()[0].kind == "empty"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (("", [2], "1", 7), "the prompt is empty"),
        (("hill", None, "1", 7), "at least one checkpoint"),
        (("hill", [2], "strong", 7), "strengths read"),
        (("hill", [2], "1", None), "seed must be a whole number"),
    ],
)
def test_bad_fields_are_told_and_queue_nothing(
    handlers: GridHandlers, run: RunFolder, fields: tuple[Any, ...], said: str
) -> None:
    with pytest.raises(gr.Error, match=said):
        handlers.draw("run", *fields)
    assert handlers.trainings.jobs.jobs() == []
    assert remembered_settings(run) is None


def test_a_trashed_picture_is_drawn_again(handlers: GridHandlers, run: RunFolder) -> None:
    handlers.draw("run", "a red hill", [2], "1", 11)
    drawn(handlers, run)
    settings = remembered_settings(run)
    assert settings is not None
    grid = plan_grid(run, settings, home=handlers.trainings.workspace.root)
    (state,) = grid_states(grid, jobs=handlers.trainings.jobs, gallery=handlers.gallery)
    assert state.standing.picture is not None
    handlers.gallery.trash([state.standing.picture.id])
    (state,) = grid_states(grid, jobs=handlers.trainings.jobs, gallery=handlers.gallery)
    assert state.standing.state == "queued"


def test_every_handler_takes_what_the_wiring_sends(handlers: GridHandlers) -> None:
    with gr.Blocks(analytics_enabled=False) as demo:
        pulse = RunPulse(lambda names: "")
        room = build_grid_room()
        wire_grid_room(room, handlers, gr.BrowserState(None), pulse)
    wired = [fn for fn in demo.fns.values() if fn.fn is not None and fn.api_visibility == "private"]
    assert len(wired) >= 5
    for handler in wired:
        parameters = inspect.signature(handler.fn).parameters.values()
        plain = [one for one in parameters if "EventData" not in str(one.annotation)]
        assert len(plain) == len(handler.inputs), handler.fn.__name__
