"""A database that cannot tell at the moment, locked or full: nothing on a page is taken for gone meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from finetune.run_folder import RunFolder
from studio.comparison.score_cache import ScoreCache
from studio.home.database import Database, DatabaseBusy, DatabaseTrouble
from studio.home.workspace import Workspace
from studio.inspection.layers import Layers
from studio.inspection.numbers import Numbers
from studio.inspection.opened import Opened
from studio.pictures.gallery import Gallery
from studio.queue.table import JobTable
from studio.training.form import FIELDS, FinetuneConfig, config_of, shown_values, toml_of
from studio.training.runs import Trainings
from studio.ui.compare.handlers import CompareHandlers
from studio.ui.compare.items import chosen_items
from studio.ui.finetune.grid import GridHandlers
from studio.ui.finetune.handlers import FinetuneHandlers
from studio.ui.inspect.board import Boards
from studio.ui.inspect.handlers import InspectHandlers
from tests.finetune.training_runs import write_dataset
from tests.studio.training.test_adapter_grid import run as run
from tests.studio.ui.conftest import add_picture

SKIP = gr.skip()

Trouble = Callable[[], AbstractContextManager[None]]


@pytest.fixture(
    params=[DatabaseBusy("studio.db is locked"), DatabaseTrouble("the disk is full")], ids=["busy", "full"]
)
def trouble(request: pytest.FixtureRequest) -> Trouble:
    """While it lasts, whatever is read of the database is refused."""

    def refuse(*_: Any) -> None:
        raise request.param

    @contextmanager
    def lasting() -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Database, "row", refuse)
            patch.setattr(Database, "rows", refuse)
            yield

    return lasting


@pytest.fixture
def trainings(workspace: Workspace, jobs: JobTable) -> Trainings:
    return Trainings(workspace, jobs)


def test_inspect_keeps_its_pictures_when_a_file_is_dropped(
    gallery: Gallery, tmp_path: Path, trouble: Trouble
) -> None:
    opened = Opened(tmp_path / "looking")
    boards = Boards(gallery, opened, Layers(opened), Numbers(opened))
    key = add_picture(gallery).id
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(tmp_path / "sent.png")
    with trouble(), pytest.raises(DatabaseTrouble):
        boards.still_there([key], [])
    handlers = InspectHandlers(boards)
    with trouble():
        emptied, refused, listed = handlers.drop([str(tmp_path / "sent.png")], [key])
    assert (emptied, listed) == (None, SKIP)
    assert "locked" in refused or "the disk is full" in refused
    assert "taken off the stage" not in refused
    _, refused, listed = handlers.drop([str(tmp_path / "sent.png")], [key])
    assert (refused, listed.value[0], len(listed.value)) == ("", key, 2)


def test_compare_leaves_none_out(gallery: Gallery, tmp_path: Path, trouble: Trouble) -> None:
    handlers = CompareHandlers(gallery, Opened(tmp_path / "opened"), ScoreCache(tmp_path / "scores"), True)
    keys = [add_picture(gallery, seed=seed).id for seed in (1, 2)]
    with trouble():
        with pytest.raises(DatabaseTrouble):
            chosen_items(gallery, keys, None)
        ((refused, *rest),) = handlers.compare(keys, None, "", "", ["compression_ratio"])
        with pytest.raises(gr.Error, match=r"locked|the disk is full"):
            handlers.open(
                SimpleNamespace(keys=keys, metric="compression_ratio"),
                keys,
                None,
                "",
                "",
                ["compression_ratio"],
            )
    assert "locked" in refused or "the disk is full" in refused
    assert "left out" not in unescape(refused)
    assert rest == [SKIP, SKIP]


def test_a_dry_run_is_not_taken_for_deleted(
    workspace: Workspace, trainings: Trainings, tmp_path: Path, trouble: Trouble
) -> None:
    source = write_dataset(workspace.datasets / "hills", side_px=140)
    shown = shown_values(FinetuneConfig()) | {
        "data.source": str(source),
        "data.resolution_px": 128,
        "resources.precision": "fp32",
        "output.name": "oil",
    }
    handlers, toml = FinetuneHandlers(trainings), toml_of(config_of(shown))
    fields = [shown[key] for key in FIELDS]
    trial, checks = handlers.dry_run(None, toml, *fields)
    assert checks.forecast == "Dry run: waiting"
    with trouble():
        assert handlers.check(toml, trial) == SKIP
    assert handlers.check(toml, trial).forecast == "Dry run: waiting"


def test_the_grid_of_a_run_stays(
    trainings: Trainings, gallery: Gallery, run: RunFolder, trouble: Trouble
) -> None:
    handlers = GridHandlers(trainings, gallery)
    handlers.draw("run", "a red hill", [2], "1", 11)
    *_, seen = handlers.news("run", {})
    with trouble():
        assert handlers.news("run", seen) == (*(SKIP,) * 6, seen)
        assert handlers.news("run", {}) == (*(SKIP,) * 6, {})
    assert handlers.news("run", {})[0]["visible"]
