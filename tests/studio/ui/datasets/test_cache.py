"""What is encoded of a dataset, as the room tells it, and clearing it."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
import pytest

from finetune.config.files import from_values
from finetune.run_folder import create_run
from finetune.run_status import Status
from studio.datasets.places import cache_folder
from studio.home.workspace import Workspace
from studio.ui.datasets.cache import CacheHandlers, build_cache_box, wire_cache_box


@pytest.fixture
def handlers(workspace: Workspace) -> CacheHandlers:
    return CacheHandlers(workspace)


@pytest.fixture
def encoded(workspace: Workspace) -> Path:
    """The cache of the dataset "hills" for Micro-4K: 3 MiB, and a file that is not ours."""
    folder = cache_folder(workspace, workspace.datasets / "hills", "micro-4k")
    (folder / "latents").mkdir(parents=True)
    (folder / "text").mkdir()
    (folder / "latents" / "a.safetensors").write_bytes(bytes(2 * 2**20))
    (folder / "text" / "b.safetensors").write_bytes(bytes(2**20))
    (folder / "mine.txt").write_text("not ours")
    return folder


def test_the_size_is_told_for_one_dataset_and_model(
    handlers: CacheHandlers, workspace: Workspace, encoded: Path
) -> None:
    source = str(workspace.datasets / "hills")
    words, button = handlers.look(source, "assets/micro-4k")
    assert (words, button["visible"]) == ("Encoded for this model: 3 MiB.", True)
    for other in (
        (source, "sd3-medium"),
        (source, "no model"),
        (str(workspace.datasets / "lakes"), "micro-4k"),
    ):
        words, button = handlers.look(*other)
        assert ("Nothing of it is encoded" in words, button["visible"]) == (True, False)
    assert handlers.look("", "micro-4k")[0] == ""


def test_it_is_cleared_but_not_under_a_run_that_reads_it(
    handlers: CacheHandlers, workspace: Workspace, encoded: Path
) -> None:
    source = str(workspace.datasets / "hills")
    run = create_run(
        workspace.runs, from_values({"data": {"cache": str(encoded)}, "output": {"name": "oil"}})
    )
    run.say(Status("running", num_steps=10))
    with pytest.raises(gr.Error, match="oil trains on what is encoded"):
        handlers.clear(source, "micro-4k")
    run.say(Status("stopped", num_steps=10))
    words, button = handlers.clear(source, "micro-4k")
    assert (words, button["visible"]) == ("3 MiB freed; the next run encodes again.", False)
    assert [path.name for path in encoded.rglob("*") if path.is_file()] == ["mine.txt"]


def test_the_wiring_sends_what_the_handlers_take(handlers: CacheHandlers) -> None:
    with gr.Blocks() as demo:
        source, model = gr.Textbox(), gr.Textbox()
        wire_cache_box(build_cache_box(), handlers, source, model)
    assert [(len(fn.inputs), len(fn.outputs)) for fn in demo.fns.values() if fn.fn] == [(2, 2), (2, 2)]
