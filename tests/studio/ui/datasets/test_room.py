"""The dataset room without a browser: what each handler answers and what a page of the grid holds."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from PIL import Image

from finetune.data.dataset import open_dataset
from studio.datasets.captioning import check_shared_endpoint
from studio.datasets.open import Datasets
from studio.home.background import TaskState
from studio.home.workspace import Workspace
from studio.ui.datasets import page as dataset_page
from studio.ui.datasets.grid import DatasetContent
from studio.ui.datasets.handlers import DatasetHandlers, _task, judging_of
from studio.ui.datasets.page import REASONS, page_content
from studio.ui.datasets.room import choose_known
from tests.finetune.captions.test_endpoint import Endpoint
from tests.finetune.captions.test_endpoint import endpoint as endpoint
from tests.studio.datasets.dataset_home import make
from tests.studio.ui.datasets.conftest import settle, shown


def edit(handlers: DatasetHandlers, source: str, action: str, *ids: str, text: str = "") -> str:
    answer = handlers.edit({"source": source, "action": action, "ids": list(ids), "text": text})
    return str(answer["error"])


def event(**values: Any) -> gr.EventData:
    return gr.EventData(None, values)


# The grid


def test_a_page_says_what_is_trained_on_and_why_the_others_are_not(
    handlers: DatasetHandlers, source: str
) -> None:
    shown(handlers, source)  # asks for the thumbnails
    settle(handlers, source)
    cards = {card.id: card for card in shown(handlers, source).cards}
    assert list(cards) == [f"{number}.png" for number in range(5)]
    good, bare, small = cards["0.png"], cards["3.png"], cards["4.png"]
    assert (good.trained_size, good.picture_size) == ("256 × 256", "320 × 320")
    assert (good.caption, good.caption_by, good.left_out) == ("a hill, number 0", "own", False)
    assert good.thumbnail is not None
    with Image.open(good.thumbnail.path) as opened:
        assert opened.size == (256, 256)
    assert (bare.left_out, bare.final) == (True, False)
    assert bare.words.startswith("It has no caption")
    assert (small.left_out, small.final, small.trained_size) == (True, True, "")
    assert "too small for 256 px" in small.words
    assert small.thumbnail is not None  # whole, since no crop can be cut from it


def test_a_refusal_is_shown_until_another_wish(handlers: DatasetHandlers, source: str) -> None:
    watch = handlers.datasets.open(source)
    before = watch.version()
    handlers.judge(source, "micro-4k", 300, False, "all", "")
    assert watch.version() != before, "a page that shows less must be told"
    for shelf in ("all", "left-out"):  # whatever is answered in between
        assert "got 300; try 288" in shown(handlers, source, shelf).message
    handlers.judge(source, "micro-4k", 256, False, "all", "")
    assert shown(handlers, source).message == ""


def test_the_line_above_counts(handlers: DatasetHandlers, source: str) -> None:
    chips = [(number, words) for words, number, _ in shown(handlers, source).chips]
    assert chips[0] == ("3", "to train on")
    assert set(chips[1:]) == {("3", "at 256 × 256"), ("1", "too small"), ("1", "without caption")}


def test_every_reason_of_the_backend_has_words() -> None:
    from typing import get_args

    from finetune.data.exclusions import Reason

    assert set(REASONS) == set(get_args(Reason))


def test_shelves_and_search(handlers: DatasetHandlers, source: str) -> None:
    def ids(shelf: Any, search: str = "") -> list[str]:
        return [card.id[0] for card in shown(handlers, source, shelf, search).cards]

    assert [ids(shelf) for shelf in ("trained", "left-out", "no-caption")] == [list("012"), list("34"), ["3"]]
    assert ids("all", "HILL 2.png") == ["2"]
    assert ids("all", "too small") == ["4"]
    assert ids("trained", "too small") == []
    assert "speaks of “x”" in shown(handlers, source, "all", "x").nothing
    with pytest.raises(ValueError, match="reload the page"):
        page_content(handlers.datasets.open(source), shelf="evil", search="", page=0)  # type: ignore[arg-type]


def test_pages_stay_within_what_there_is(
    handlers: DatasetHandlers, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset_page, "PAGE", 2)
    content, page = handlers.turn(source, "all", "", event(page=2))
    assert [card.id for card in content.cards] == ["4.png"]
    assert (page, content.pages) == (2, 3)
    assert shown(handlers, source, page=99).page == 2
    assert shown(handlers, source, page=-1).page == 0
    assert handlers.turn_to(source, "left-out", "")[1] == 0


def test_unscanned_pictures_are_shown_as_such(handlers: DatasetHandlers, workspace: Workspace) -> None:
    path = str(make(workspace.datasets / "new"))
    content, _, plot = handlers.judge(path, "micro-4k", 1000, False, "all", "")
    assert content.message == "the resolution must be a multiple of 32 px, got 1000; try 992."
    assert [card.words for card in content.cards] == ["Not scanned yet"] * 5
    assert plot is None


def test_captions_without_a_picture_are_noted(handlers: DatasetHandlers, source: str) -> None:
    (Path(source) / "lone.txt").write_text("nobody")
    handlers.judge(source, "micro-4k", 256, False, "all", "")
    settle(handlers, source)
    assert any(note.startswith("lone.txt") for note in shown(handlers, source).notes)


# Choosing


def test_a_refusal_stands_in_the_grid(handlers: DatasetHandlers, workspace: Workspace) -> None:
    content, page, plot = handlers.judge(str(workspace.root / "gone"), "micro-4k", 1024, False, "all", "")
    assert content.message.endswith("gone is missing; give the folder or the zip of a dataset.")
    assert (content.source, page, plot) == ("", 0, None)
    assert handlers.judge(" ", "micro-4k", 1024, False, "all", "")[0] == DatasetContent()


def test_naming_a_folder_and_dropping_a_zip(handlers: DatasetHandlers, source: str, tmp_path: Path) -> None:
    assert handlers.name_folder("hills") == source
    assert handlers.name_folder("  ") == gr.skip()
    with pytest.raises(gr.Error, match="gone is missing"):
        handlers.name_folder(str(tmp_path / "gone"))
    archive = tmp_path / "more.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.write(Path(source) / "0.png", "0.png")
    emptied, path = handlers.add_zip(str(archive))
    assert emptied is None
    offered = handlers.offer(path)
    assert handlers.offer("/elsewhere").value is None
    assert [title for title, _ in offered.choices] == ["hills", "more"]
    assert offered.value == path
    with pytest.raises(gr.Error, match="is no zip"):
        handlers.add_zip(str(tmp_path / "a.png"))
    assert choose_known(None) == gr.skip()


def test_another_resolution_is_judged_anew(handlers: DatasetHandlers, source: str) -> None:
    handlers.judge(source, "micro-4k", 320, True, "all", "")
    settle(handlers, source)
    assert {card.trained_size for card in shown(handlers, source, "trained").cards} == {"320 × 320"}
    for wrong in (None, 256.5):
        with pytest.raises(ValueError, match="whole number"):
            judging_of("micro-4k", wrong, False)


# Editing


def test_edits_are_on_disk_before_they_are_answered(handlers: DatasetHandlers, source: str) -> None:
    assert edit(handlers, source, "write", "0.png", text="mine") == ""
    assert edit(handlers, source, "leave-out", "1.png") == ""
    items = {item.file_name: item for item in open_dataset(Path(source)).items}
    assert (items["0.png"].caption, items["0.png"].caption_by) == ("mine", "hand")
    assert json.loads((Path(source) / "excluded.json").read_text())["by_hand"] == ["1.png"]
    content = shown(handlers, source)
    assert content.undo == "left out 1.png"
    assert (content.cards[0].caption_by, content.cards[1].left_out) == ("hand", True)
    assert edit(handlers, source, "undo") == ""
    assert edit(handlers, source, "undo") == ""
    content = shown(handlers, source)
    assert (content.undo, content.cards[0].caption, content.cards[1].left_out) == (
        "",
        "a hill, number 0",
        False,
    )


def test_refusals_of_edits_are_answers(handlers: DatasetHandlers, source: str) -> None:
    assert edit(handlers, source, "undo") == "there is nothing to undo in this dataset."
    assert edit(handlers, source, "keep", "4.png").startswith("4.png cannot be kept: It is 160 x 200")
    assert "not in this dataset" in edit(handlers, source, "write", "../../x.png", text="evil")
    assert "unknown action" in edit(handlers, source, "burn", "0.png")
    assert "no dataset is chosen" in edit(handlers, "", "undo")


def test_a_damaged_undo_list_is_told_and_the_grid_stays(handlers: DatasetHandlers, source: str) -> None:
    edit(handlers, source, "leave-out", "0.png")
    next((handlers.datasets.workspace.datasets / ".undo").iterdir()).write_text("no json")
    content = shown(handlers, source)
    assert "only undo is lost" in content.message
    assert len(content.cards) == 5
    assert "only undo is lost" in edit(handlers, source, "write", "1.png", text="x")
    assert shown(handlers, source).cards[1].caption == "a hill, number 1"


def test_news_only_where_there_is_some(handlers: DatasetHandlers, source: str) -> None:
    first = handlers.look(source)
    assert handlers.look(source) == first
    content, page, plot, made_from = handlers.news(source, "all", "", 0, "")
    assert content.version == first["version"]
    assert plot is not None
    assert handlers.news(source, "all", "", 0, made_from)[2] == gr.skip()
    edit(handlers, source, "leave-out", "0.png")
    assert handlers.look(source)["version"] != first["version"]
    assert handlers.news(source, "all", "", page, made_from)[2] != gr.skip()  # another bar is grey now
    assert handlers.look("nowhere") == {"version": "", "tasks": []}
    assert handlers.show("nowhere", "all", "", 3) == (gr.skip(), 3)


def test_a_task_line_in_words() -> None:
    running = TaskState("running", 3, 24, "scanning")
    assert _task("scanning", "scanned", running) == {
        "name": "scanning",
        "verb": "scanned",
        "running": True,
        "failed": False,
        "done": 3,
        "total": 24,
        "words": "",
    }
    failed = _task("captioning", "captioned", TaskState("failed", 3, 24, "the key is refused"))
    assert (failed["running"], failed["failed"], failed["words"]) == (False, True, "the key is refused")
    assert _task("scanning", "scanned", TaskState("stopping"))["verb"] == "stopping"


# Many captions at once, and by a model


def test_bulk_changes_say_how_many(handlers: DatasetHandlers, source: str) -> None:
    assert handlers.count(source, "HILL", False) == "4 captions hold it"
    assert handlers.count(source, "HILL", True) == "0 captions hold it"
    assert handlers.count(source, "", True) == ""
    assert (
        handlers.replace(source, "hill", "dune", False)
        == "4 captions changed; 1 without a caption left alone"
    )
    assert handlers.add_affixes(source, "photo of", "").startswith("4 captions changed")
    assert handlers.add_trigger(source, "sks").startswith("4 captions changed")
    assert handlers.add_trigger(source, "sks").startswith("0 captions changed")
    assert shown(handlers, source).cards[0].caption == "sks, photo of a dune, number 0"
    for _ in range(3):
        assert edit(handlers, source, "undo") == ""
    assert shown(handlers, source).cards[0].caption == "a hill, number 0"
    with pytest.raises(gr.Error, match="nothing to find"):
        handlers.replace(source, "", "x", False)


def test_captions_by_a_model(handlers: DatasetHandlers, source: str, endpoint: Endpoint) -> None:
    handlers.caption(source, endpoint.base_url, "gpt-test", "What is it?", False)
    watch = handlers.datasets.open(source)
    assert watch.captioning.wait(20).state == "done"
    settle(handlers, source)
    card = shown(handlers, source).cards[3]
    assert (card.caption, card.caption_by, card.left_out) == ("picture 1", "gpt-test", False)
    assert handlers.look(source)["tasks"][1]["words"] == "1 caption written"
    with pytest.raises(gr.Error, match="must be an http or https address"):
        handlers.caption(source, "localhost", "gpt-test", "What is it?", False)
    with pytest.raises(gr.Error, match="needs a model's name and a prompt"):
        handlers.caption(source, endpoint.base_url, " ", "What is it?", False)


def test_the_key_is_never_shown_and_never_sent_from_a_public_host(
    handlers: DatasetHandlers, source: str, workspace: Workspace, endpoint: Endpoint
) -> None:
    assert "OPENAI_API_KEY of the studio, which is set" in handlers.key_note()
    assert "sk-secret" not in handlers.key_note()
    assert "is not set" in DatasetHandlers(handlers.datasets, {}).key_note()
    hosted = DatasetHandlers(Datasets(workspace, hosted=True), {"OPENAI_API_KEY": "sk-secret"})
    with pytest.raises(gr.Error, match="on one's own machine"):
        hosted.caption(source, endpoint.base_url, "gpt-test", "What is it?", False)
    assert endpoint.asked == []


def test_a_shared_studio_lends_its_key_and_network_to_known_addresses_alone(
    handlers: DatasetHandlers, source: str, endpoint: Endpoint
) -> None:
    shared = DatasetHandlers(handlers.datasets, {"OPENAI_API_KEY": "sk-secret"}, shared=True)
    for address in (endpoint.base_url, "http://169.254.169.254/latest", "https://api.openai.com.example/v1"):
        with pytest.raises(gr.Error, match=r"asks https://api\.openai\.com/v1 for captions, got"):
            shared.caption(source, address, "gpt-test", "What is it?", False)
    assert endpoint.asked == []
    check_shared_endpoint(" https://api.openai.com/v1/ ", {})
    named = {"D4K_CAPTION_ENDPOINTS": f"https://vlm.example/v1, {endpoint.base_url}"}
    known = DatasetHandlers(handlers.datasets, named, shared=True)
    known.caption(source, endpoint.base_url, "gpt-test", "What is it?", False)
    assert known.datasets.open(source).captioning.wait(20).state == "done"
    assert endpoint.asked != []
