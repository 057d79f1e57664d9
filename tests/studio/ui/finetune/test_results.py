"""What a run leaves, on the page: offered where there is something, asked for, told with what did not fit."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from finetune.run_folder import RunFolder
from studio.home.workspace import Workspace
from studio.models.adapters import RUN_FILE
from studio.queue.table import JobTable
from studio.training.runs import Trainings
from studio.ui.finetune.results import MOST_SHOWN, ResultsHandlers, build_results_room
from tests.studio.training.run_folders import write_run

ROOM, FORMAT, STEP, LIST, SEEN = range(5)
SKIP = gr.skip()


@pytest.fixture
def handlers(workspace: Workspace, tmp_path: Path) -> ResultsHandlers:
    return ResultsHandlers(Trainings(workspace, JobTable(workspace.database)), tmp_path / "looking")


@pytest.fixture
def run(workspace: Workspace) -> RunFolder:
    """Ended, with its LoRA."""
    made = write_run(workspace.runs, "oil", "done")
    (made.path / RUN_FILE).parent.mkdir(parents=True)
    (made.path / RUN_FILE).write_bytes(b"weights")
    return made


def finish(handlers: ResultsHandlers, result: dict[str, Any]) -> None:
    job = handlers.trainings.jobs.claim(1)
    assert job is not None
    handlers.trainings.jobs.finish(job.id, result)


def test_it_is_offered_where_there_is_something_and_told_once(
    handlers: ResultsHandlers, run: RunFolder
) -> None:
    first = handlers.news("oil", {})
    assert first[ROOM]["visible"]
    assert first[STEP]["choices"] == [("at its end", 0)]
    assert [value for _, value in first[FORMAT]["choices"]] == ["diffusers", "comfyui", "merged"]
    assert handlers.news("oil", first[SEEN])[:SEEN] == (SKIP,) * 4
    write_run(handlers.trainings.workspace.runs, "young", "running")
    hidden = handlers.news("young", first[SEEN])
    assert not hidden[ROOM]["visible"]
    assert handlers.news("gone", {})[:SEEN] == (SKIP,) * 4
    assert handlers.news(None, {})[:SEEN] == (SKIP,) * 4


def test_an_export_is_queued_and_what_came_of_it_is_told(handlers: ResultsHandlers, run: RunFolder) -> None:
    handlers.export("oil", "comfyui", 0, 1.0)
    (line,) = handlers.news("oil", {})[LIST].lines
    assert (line.title, line.state, line.words) == ("comfyui", "waiting", "waiting")
    made = run.path / "adapter" / "oil-comfyui.safetensors"
    made.write_bytes(b"for others")
    unused = {f"layer_{number}": "The model has no such layer." for number in range(200)}
    finish(handlers, {"path": str(made), "words": "12 layers of rank 4", "unused": unused, "num_unused": 230})
    (line,) = handlers.news("oil", {})[LIST].lines
    assert (line.state, line.words, line.path, line.num_unused) == (
        "done",
        "12 layers of rank 4",
        str(made),
        230,
    )
    assert len(line.unused) == MOST_SHOWN
    assert line.file is not None
    assert Path(line.file.path).read_bytes() == b"for others"
    assert Path(line.file.path).is_relative_to(handlers.looking)
    made.unlink()
    (line,) = handlers.news("oil", {})[LIST].lines
    assert (line.path, line.file) == ("", None), "a file that was moved away is not offered"


def test_an_address_is_a_link_and_a_failure_its_sentence(
    handlers: ResultsHandlers, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with pytest.raises(gr.Error, match="only with a token"):
        handlers.push("oil", "ada/oil", False)
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    handlers.push("oil", "ada/oil", True)
    finish(handlers, {"address": "https://huggingface.co/ada/oil"})
    (line,) = handlers.news("oil", {})[LIST].lines
    assert (line.title, line.link, line.words) == ("to ada/oil, public", "https://huggingface.co/ada/oil", "")
    handlers.export("oil", "merged", 0, 1.0)
    job = handlers.trainings.jobs.claim(1)
    assert job is not None
    handlers.trainings.jobs.fail(job.id, "the base model is incomplete; restore it")
    newest = handlers.news("oil", {})[LIST].lines[0]
    assert (newest.state, newest.words) == ("failed", "failed: the base model is incomplete; restore it")
    assert "hf_x" not in handlers.news("oil", {})[LIST].model_dump_json()


def test_one_that_waits_can_be_cancelled(handlers: ResultsHandlers, run: RunFolder) -> None:
    handlers.export("oil", "diffusers", 0, 1.0)
    (line,) = handlers.news("oil", {})[LIST].lines
    handlers.cancel(gr.EventData(None, {"id": line.id}))
    assert handlers.news("oil", {})[LIST].lines[0].state == "cancelled"


@pytest.mark.parametrize(
    ("asked", "said"),
    [((None, "diffusers", 0, 1.0), "no run is chosen"), (("oil", "diffusers", 0, None), "strength is empty")],
)
def test_what_is_missing_is_said(
    handlers: ResultsHandlers, run: RunFolder, asked: tuple[Any, ...], said: str
) -> None:
    with pytest.raises(gr.Error, match=said):
        handlers.export(*asked)
    assert not handlers.trainings.jobs.jobs()


def test_news_fill_the_page_in_its_order() -> None:
    with gr.Blocks():
        room = build_results_room()
    assert len(room.page()) == SEEN + 1
    assert list(inspect.signature(ResultsHandlers.news).parameters) == ["self", "chosen", "seen"]
