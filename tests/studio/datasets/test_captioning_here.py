"""Captions from the page by a model of this machine, in its process: written, stopped while it opens, refused."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from PIL import Image

from finetune.data.dataset import open_dataset
from studio.datasets import captioning as dataset_captioning
from studio.datasets.captioning import start_captioning_here
from studio.datasets.open import Datasets
from studio.datasets.watch import DatasetWatch
from studio.home.background import TaskState
from studio.home.child_lines import EXIT, said_by
from studio.home.workspace import Workspace
from studio.ui.datasets.handlers import DatasetHandlers
from tests.finetune.tiny_vision_language import save_tiny_model

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[3]


@pytest.fixture
def watch(workspace: Workspace) -> DatasetWatch:
    folder = workspace.datasets / "colours"
    folder.mkdir()
    for colour in ("red", "blue", "white"):
        Image.new("RGB", (80, 50), colour).save(folder / f"{colour}.png")
    (folder / "blue.txt").write_text("theirs")
    return Datasets(workspace).open(str(folder))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny-llava")


def captioned(watch: DatasetWatch, model: Path, **given: Any) -> TaskState:
    values: dict[str, Any] = {"prompt": "a red hill", "replace_others": False, "environ": os.environ} | given
    assert start_captioning_here(watch, model=str(model), **values)
    return watch.captioning.wait(90)


def test_captions_are_written_by_a_process_of_its_own(watch: DatasetWatch, model: Path) -> None:
    state = captioned(watch, model)
    assert (state.state, state.words, state.done, state.total) == ("done", "2 captions written", 2, 2)
    items = {item.file_name: (item.caption, item.caption_by) for item in open_dataset(watch.root).items}
    assert items["blue.png"] == ("theirs", "original")
    assert items["red.png"][1] == items["white.png"][1] == "tiny-llava"
    assert watch.captions()["red.png"] == items["red.png"][0], "the page shows what is on disk"


def entries(*said: dict[str, Any]) -> Any:
    """A process that says this, and then nothing."""

    def give(*_: Any, **__: Any) -> Iterator[dict[str, Any]]:
        yield from said
        while True:
            yield {}

    return give


def test_it_stops_while_the_model_is_being_opened(
    watch: DatasetWatch, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset_captioning, "said_by", entries())
    start_captioning_here(watch, model=str(model), prompt="a", replace_others=False, environ={})
    assert watch.captioning.state.words == "opening tiny-llava"
    watch.captioning.stop()
    state = watch.captioning.wait(10)
    assert (state.state, state.words) == ("stopped", "stopped; 0 captions written")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"failed": "it has no safetensors weights"}, "it has no safetensors weights"),
        ({EXIT: -9, "last": ""}, r"broke off \(exit code -9\); its memory may have ended"),
    ],
)
def test_a_process_that_fails_is_told(
    watch: DatasetWatch, model: Path, monkeypatch: pytest.MonkeyPatch, said: dict[str, Any], words: str
) -> None:
    monkeypatch.setattr(dataset_captioning, "said_by", entries(said))
    start_captioning_here(watch, model=str(model), prompt="a", replace_others=False, environ={})
    state = watch.captioning.wait(10)
    assert state.state == "failed"
    assert re.search(words, state.words), state.words


def test_the_page_asks_for_either_and_a_public_host_for_none(
    watch: DatasetWatch, workspace: Workspace, tmp_path: Path
) -> None:
    handlers = DatasetHandlers(Datasets(workspace), {})
    with pytest.raises(gr.Error, match="folder or its hub id owner/name, got 'nowhere'"):
        handlers.caption(str(watch.root), "http://x/v1", "m", "p", False, "nowhere")
    hosted = DatasetHandlers(Datasets(workspace, hosted=True), {})
    with pytest.raises(gr.Error, match="on one's own machine"):
        hosted.caption(str(watch.root), "http://x/v1", "m", "p", False, str(tmp_path))


def test_a_process_ends_with_who_listens(tmp_path: Path) -> None:
    """Closed while it is at work; its parent's death closes its stdin, which ends it, too."""
    order = {"root": str(tmp_path), "model": {"source": "nobody/nothing"}, "which": "all"}
    with closing(said_by("studio.datasets.caption_child", order, environ=os.environ)) as heard:
        assert next(heard) == {}
    code = "from studio.home.child_lines import read_order; import time; read_order(); time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, text=True)
    assert child.stdin is not None
    child.stdin.write("{}\n")
    child.stdin.close()
    assert child.wait(20) == 0
