"""The dataset room's field for the hub: begun, told of, refused, and the folder chosen at the end."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from studio.datasets.fetching import Fetches
from studio.datasets.open import Datasets
from studio.home.workspace import Workspace
from studio.ui.datasets.fetch import FetchHandlers
from studio.ui.datasets.handlers import DatasetHandlers
from studio.ui.datasets.room import build_dataset_room
from tests.studio.datasets.dataset_hub import ID, DatasetHub
from tests.studio.datasets.test_fetching import environ as environ
from tests.studio.datasets.test_fetching import hub as hub


def is_skip(value: Any) -> bool:
    return isinstance(value, dict) and value.get("__type__") == "update" and "value" not in value


def test_a_fetch_from_the_page_ends_with_the_folder_chosen(
    hub: DatasetHub, environ: dict[str, str], workspace: Workspace
) -> None:
    pytest.importorskip("datasets", reason="the extra `hub` is not installed")
    handlers = DatasetHandlers(Datasets(workspace), environ).fetching
    before = handlers.version()
    note, asked = handlers.start(ID, 2, "", "")
    assert (note, asked) == (f"Asking the hub for {ID}.", True)
    assert handlers.version() != before
    with pytest.raises(gr.Error, match="is being fetched already"):
        handlers.start(ID, None, "", "")
    deadline, chosen = time.monotonic() + 30, gr.skip()
    while is_skip(chosen) and time.monotonic() < deadline:
        assert asked
        note, chosen, asked = handlers.look(asked)
        time.sleep(0.05)
    assert (note, chosen) == ("2 pictures, as many as were asked for.", str(workspace.datasets / "pictures"))
    assert not asked, "it is chosen once"
    assert is_skip(handlers.look(False)[1]), "and not on a page that did not ask"
    assert [one.title for one in Datasets(workspace).listed()] == ["pictures"]


def test_a_refusal_stands_in_the_note_and_chooses_nothing(
    hub: DatasetHub, environ: dict[str, str], workspace: Workspace
) -> None:
    """Without the extra, the refusal is that it is missing."""
    handlers = DatasetHandlers(Datasets(workspace), environ).fetching
    handlers.start("someone/nowhere", None, "", "")
    assert handlers.fetching.wait(60).state == "failed"
    note, chosen, asked = handlers.look(True)
    assert note.startswith(("There is no dataset someone/nowhere", "Datasets of the hub are read with"))
    assert is_skip(chosen)
    assert not asked
    assert list(workspace.datasets.glob("[!.]*")) == []


@pytest.mark.parametrize(
    ("hub_id", "count", "words"),
    [("nowhere", None, "reads owner/name"), (ID, 0, "at least 1 picture"), (ID, 1.5, "must be whole")],
)
def test_bad_fields_are_told_at_once(workspace: Workspace, hub_id: str, count: Any, words: str) -> None:
    handlers = FetchHandlers(Fetches(workspace, {}), hosted=False)
    with pytest.raises(gr.Error, match=words):
        handlers.start(hub_id, count, "", "")
    assert handlers.sentence() == ""


def test_visitors_of_a_public_host_fetch_nothing(workspace: Workspace, tmp_path: Path) -> None:
    handlers = DatasetHandlers(Datasets(workspace, hosted=True), {}).fetching
    with pytest.raises(gr.Error, match="by the owner of this studio alone"):
        handlers.start(ID, None, "", "")
    assert handlers.fetching.state.state == "idle"
    with gr.Blocks(analytics_enabled=False) as demo:
        build_dataset_room(hosted=True)
    accordion = next(b for b in demo.blocks.values() if getattr(b, "elem_id", "") == "dataset-hub")
    assert not accordion.visible
