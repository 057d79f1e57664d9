"""Checkpoints against strengths: equal seeds, one base picture, nothing drawn twice; the sheet has every cell."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from finetune.run_folder import RunFolder
from metrics.pictures import read_picture
from studio.cli.main import app
from studio.home.workspace import Workspace
from studio.pictures.contact_sheet import cell_origin, contact_sheet, shrunk
from studio.pictures.gallery import Gallery
from studio.queue.table import JobTable
from studio.rendering.job import RenderJobs
from studio.training.adapter_grid import (
    Grid,
    evenly,
    grid_states,
    parse_strengths,
    plan_grid,
    remembered_settings,
    submit_grid,
    usual_settings,
)
from studio.work.worker import Worker
from tests.finetune.test_checkpoint_adapter import checkpoint
from tests.finetune.training_runs import new_run

SAMPLES = {
    "every": 2,
    "prompts": ["a red hill", "another"],
    "seed": 11,
    "width_px": 256,
    "height_px": 256,
    "num_inference_steps": 2,
    "guidance_scale": 1.0,
}


@pytest.fixture
def run(workspace: Workspace, sd3_folder: Path, tmp_path: Path) -> RunFolder:
    made = new_run(workspace.runs, sd3_folder, tmp_path / "pictures", samples=SAMPLES)
    for step in (2, 4):
        checkpoint(made, step, times=step / 40)
    return made


@pytest.fixture
def jobs(workspace: Workspace) -> JobTable:
    return JobTable(workspace.database)


@pytest.fixture
def gallery(workspace: Workspace) -> Gallery:
    return Gallery(workspace)


def planned(run: RunFolder, workspace: Workspace, **changes: object) -> Grid:
    return plan_grid(run, replace(usual_settings(run), **changes), home=workspace.root)  # type: ignore[arg-type]


def names(grid: Grid, jobs: JobTable, gallery: Gallery) -> list[str]:
    return [state.standing.state for state in grid_states(grid, jobs=jobs, gallery=gallery)]


def work(workspace: Workspace, jobs: JobTable) -> None:
    worker = Worker(workspace, jobs, {"render": RenderJobs(workspace, jobs).do})
    while worker.run_next():
        pass


def test_a_grid_is_as_the_runs_samples_are(run: RunFolder, workspace: Workspace) -> None:
    grid = planned(run, workspace)
    assert [(cell.step, cell.strength) for cell in grid.cells] == [
        (step, strength) for step in (2, 4) for strength in (0.0, 0.5, 1.0)
    ]
    assert {(c.request.seed, c.request.prompt, c.request.width_px) for c in grid.cells} == {
        (11, "a red hill", 256)
    }
    assert [[(use.path, use.weight) for use in cell.request.adapters] for cell in grid.cells[3:]] == [
        [],
        [("runs/run/adapters/step-000004.safetensors", 0.5)],
        [("runs/run/adapters/step-000004.safetensors", 1.0)],
    ]
    assert len(grid.requests()) == 5, "the base model's picture serves both rows"


@pytest.mark.slow  # four pictures of a tiny model, and a sheet
def test_cells_are_drawn_once_by_whoever_asks(
    run: RunFolder, workspace: Workspace, jobs: JobTable, gallery: Gallery, tmp_path: Path
) -> None:
    grid = planned(run, workspace, strengths=(0.0, 1.0))
    assert names(grid, jobs, gallery) == ["absent"] * 4
    assert submit_grid(run, grid, jobs=jobs, gallery=gallery) == 3
    assert names(grid, jobs, gallery) == ["queued"] * 4
    assert submit_grid(run, grid, jobs=jobs, gallery=gallery) == 0
    assert remembered_settings(run) == grid.settings
    work(workspace, jobs)
    states = grid_states(grid, jobs=jobs, gallery=gallery)
    assert [state.standing.state for state in states] == ["done"] * 4
    pictures = [state.standing.picture for state in states if state.standing.picture is not None]
    assert pictures[0].id == pictures[2].id
    pixels = [read_picture(picture.path).pixels.astype(int) for picture in pictures]
    distance = [np.abs(one - pixels[0]).mean() for one in pixels]
    assert 0 < distance[1] < distance[3]
    jobs.clear_finished()
    assert names(grid, jobs, gallery) == ["done"] * 4

    # The command finds what the page has drawn.
    sheet, home = tmp_path / "sheet.png", ("--home", str(workspace.root))
    done = CliRunner().invoke(app, ["grid", "run", "--strengths", "0,1", "--out", str(sheet), *home])
    assert done.exit_code == 0, done.output
    assert done.stdout.strip() == f"{sheet}: 2 checkpoints x 2 strengths, 0 drawn now"
    laid = np.asarray(Image.open(sheet))
    for number, one in enumerate(pixels):
        left, top = cell_origin((number // 2, number % 2), (256, 256))
        assert (laid[top : top + 256, left : left + 256] == one).all()

    # And the page what the command has drawn.
    asked = ["--strengths", "0,2", "--steps", "4"]
    done = CliRunner().invoke(app, ["grid", "run", *asked, *home])
    assert done.stdout.strip().endswith("grid.png: 1 checkpoints x 2 strengths, 1 drawn now"), done.output
    assert names(planned(run, workspace, strengths=(0.0, 2.0), steps=(4,)), jobs, gallery) == ["done"] * 2

    # A checkpoint that was trained anew has other pictures.
    checkpoint(run, 4, times=0.2)
    assert submit_grid(run, grid, jobs=jobs, gallery=gallery) == 1
    assert names(grid, jobs, gallery) == ["done"] * 3 + ["queued"]


def test_a_cell_that_failed_says_so_and_is_asked_for_again(
    run: RunFolder, workspace: Workspace, jobs: JobTable, gallery: Gallery
) -> None:
    grid = planned(run, workspace, steps=(4,), strengths=(1.0,))
    submit_grid(run, grid, jobs=jobs, gallery=gallery)
    (run.path / "adapters" / "step-000004.safetensors").unlink()
    work(workspace, jobs)
    (state,) = grid_states(grid, jobs=jobs, gallery=gallery)
    assert state.standing.state == "failed"
    assert state.standing.job is not None
    assert "is missing; it was moved or deleted" in str(state.standing.job.error)
    assert submit_grid(run, grid, jobs=jobs, gallery=gallery) == 1
    assert names(grid, jobs, gallery) == ["queued"]


def test_bad_grids_are_refused(
    run: RunFolder, workspace: Workspace, tmp_path: Path, sd3_folder: Path
) -> None:
    usual = usual_settings(run)
    with pytest.raises(ValueError, match="at least one checkpoint"):
        replace(usual, strengths=())
    with pytest.raises(ValueError, match=r"strength is named twice in 1, 1"):
        replace(usual, strengths=(1.0, 1.0))
    with pytest.raises(ValueError, match="a grid has at most 64"):
        replace(usual, strengths=tuple(n / 10 for n in range(33)))
    with pytest.raises(ValueError, match=r"strengths read 0,0.5,1"):
        parse_strengths("a lot")
    with pytest.raises(ValueError, match="the prompt is empty"):
        planned(run, workspace, prompt=" ")
    with pytest.raises(ValueError, match="weight must lie between"):
        planned(run, workspace, strengths=(9.0,))
    new = new_run(workspace.runs, sd3_folder, tmp_path / "pictures", output={"name": "new"})
    with pytest.raises(ValueError, match="has no checkpoint yet"):
        usual_settings(new)
    (run.path / "grid.json").write_text("{")
    assert remembered_settings(run) is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nowhere",), "there is no run nowhere"),
        (("run", "--strengths", "x"), "strengths read 0,0.5,1"),
        (("run", "--steps", "3"), "no checkpoint of step 3; it has 2, 4"),
        (("run", "--out", "sheet.gif"), "the sheet is a .png or .jpg"),
    ],
)
def test_the_command_tells_bad_input(
    run: RunFolder, workspace: Workspace, words: tuple[str, ...], said: str
) -> None:
    done = CliRunner().invoke(app, ["grid", *words, "--home", str(workspace.root)])
    assert (done.exit_code, said in done.stderr) == (2, True), done.stderr


def test_rows_are_chosen_evenly() -> None:
    assert evenly((1, 2, 3), 6) == (1, 2, 3)
    assert evenly(range(10, 101, 10), 4) == (10, 40, 70, 100)


def test_a_sheet_shrinks_and_never_enlarges() -> None:
    rng = np.random.default_rng(0)
    pixels = {(0, n): rng.integers(0, 256, (1024, 512, 3), dtype=np.uint8) for n in range(2)}
    sheet = contact_sheet(pixels, title="t", row_names=["a"], column_names=["b", "c", "d"])
    for place, one in pixels.items():
        left, top = cell_origin(place, (256, 512))
        assert (sheet[top : top + 512, left : left + 256] == shrunk(one)).all()
    left, top = cell_origin((0, 2), (256, 512))
    assert len(np.unique(sheet[top : top + 512, left : left + 256].reshape(-1, 3), axis=0)) == 1, "paper"
    assert shrunk(pixels[0, 0][:50, :40]).shape == (50, 40, 3)
    with pytest.raises(ValueError, match="pictures of one size, got 20 x 20, 256 x 512"):
        contact_sheet(
            {**pixels, (0, 2): np.zeros((20, 20, 3), np.uint8)},
            title="",
            row_names=["a"],
            column_names=["b"] * 3,
        )
    with pytest.raises(ValueError, match="got none"):
        contact_sheet({}, title="", row_names=[], column_names=[])
