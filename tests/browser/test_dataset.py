"""The dataset room in a real browser: choose, scan, edit a caption, leave one out, undo; what is on disk afterwards."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from finetune.data.dataset import open_dataset
from tests.browser.acting import hold_event, until, wait_until_true
from tests.browser.conftest import NewPage
from tests.browser.studio_server import Server, serving
from tests.finetune.captions.test_endpoint import Endpoint
from tests.finetune.captions.test_endpoint import endpoint as endpoint
from tests.finetune.data.test_scan import fine

if TYPE_CHECKING:
    from playwright.sync_api import Page

NUM_PICTURES = 24
CARD = ".dataset-card[data-key='{}']"


@pytest.fixture(scope="module")
def room_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The room alone."""
    with serving(tmp_path_factory.mktemp("studio"), "-m", "tests.browser.dataset_page") as served:
        yield served


@pytest.fixture(scope="module")
def drawn() -> list[Image.Image]:
    """The dataset's pictures; the last is too small."""
    sizes = [150 if number == 23 else 360 for number in range(NUM_PICTURES)]
    wholes = [fine(number, size) for number, size in enumerate(sizes)]
    return [Image.fromarray(one[:, : 360 if number % 3 == 0 else 280]) for number, one in enumerate(wholes)]


@pytest.fixture
def root(room_server: Server, drawn: list[Image.Image], request: pytest.FixtureRequest) -> Iterator[Path]:
    """24 pictures with captions: one too small, one without a caption. Its name is new to the server."""
    datasets = room_server.workspace.datasets
    folder = datasets / f"hills-{request.node.name.removeprefix('test_')[:40]}"
    folder.mkdir(parents=True)
    for number, picture in enumerate(drawn):
        picture.save(folder / f"{number:02d}.png")
        if number != 22:
            (folder / f"{number:02d}.txt").write_text(f"a hill under a sky, number {number}")
    yield folder
    for made in datasets.iterdir():
        shutil.rmtree(made)


def choose_dataset(page: Page, url: str, root: Path) -> None:
    page.goto(url)
    page.wait_for_selector("#dataset-grid .dataset")
    wait_until_true(page, "document.querySelector('#dataset-known input')")
    page.locator("#dataset-known input").click()
    page.get_by_role("option", name=root.name).click()
    page.wait_for_selector(".dataset-card")


@pytest.fixture
def room(new_page: NewPage, room_server: Server, root: Path) -> Page:
    """The page with the dataset chosen and scanned for 256 px."""
    page = new_page(room_server.url)
    choose_dataset(page, room_server.url, root)
    page.get_by_label("Resolution (px)").fill("256")
    expect_chip(page, "to train on", "22")
    return page


def expect_chip(page: Page, words: str, number: str) -> None:
    """Wait until the line above the grid says so."""
    wait_until_true(
        page,
        """([words, number]) => [...document.querySelectorAll(".dataset-chip")].some(
          (chip) => chip.lastElementChild.textContent === words && chip.firstElementChild.textContent === number)""",
        arg=[words, number],
    )


def open_accordion(page: Page, name: str) -> None:
    page.get_by_role("button", name=name).click()


def on_disk(root: Path) -> dict[str, tuple[str | None, str | None]]:
    return {item.file_name: (item.caption, item.caption_by) for item in open_dataset(root).items}


def caption(page: Page, name: str) -> str:
    return page.locator(f"{CARD.format(name)} textarea").input_value()


def wait_for_by(page: Page, name: str, words: str) -> None:
    wait_until_true(
        page,
        "([card, words]) => document.querySelector(`${card} .dataset-by`).textContent === words",
        arg=[CARD.format(name), words],
    )


def test_the_crops_are_shown_with_the_size_they_are_trained_at(room: Page) -> None:
    expect(room.locator(".dataset-card img[src]")).to_have_count(NUM_PICTURES)
    image = room.locator(f"{CARD.format('00.png')} img")
    image.scroll_into_view_if_needed()
    wait_until_true(
        room, "card => document.querySelector(`${card} img`).naturalWidth > 0", arg=CARD.format("00.png")
    )
    shown = image.evaluate("one => [one.naturalWidth, one.naturalHeight]")
    size = room.locator(f"{CARD.format('00.png')} .dataset-size").inner_text()
    assert size == f"{shown[0]} × {shown[1]}"  # small crops are shown pixel by pixel
    assert "too small for 256 px" in room.locator(f"{CARD.format('23.png')} .dataset-words").inner_text()
    room.wait_for_selector("#dataset-sizes .js-plotly-plot")


def test_a_caption_is_saved_without_a_button(room: Page, root: Path) -> None:
    text = room.locator(f"{CARD.format('00.png')} textarea")
    text.fill("a dune at noon")
    wait_for_by(room, "00.png", "hand")
    assert on_disk(root)["00.png"] == ("a dune at noon", "hand")
    assert (root / "00.txt").read_text() == "a hill under a sky, number 0"
    text.fill("a dune at noon, with a fox")
    text.press("Enter")  # saves at once and goes to the next
    expect(room.get_by_label("Caption of 01.png")).to_be_focused()
    until(room, lambda: on_disk(root)["00.png"] == ("a dune at noon, with a fox", "hand"))


def test_what_is_being_typed_is_not_overwritten_by_news(room: Page, root: Path) -> None:
    text = room.locator(f"{CARD.format('01.png')} textarea")
    text.click()
    for number, word in enumerate(("one ", "two ", "three")):
        text.press_sequentially(word)
        room.locator(f"{CARD.format('02.png')} .dataset-switch").dispatch_event("click")
        expect_chip(room, "to train on", "22" if number % 2 else "21")  # news have arrived
    assert caption(room, "01.png").endswith("one two three")
    text.blur()
    wait_for_by(room, "01.png", "hand")
    assert on_disk(root)["01.png"][0].endswith("one two three")
    room.locator(f"{CARD.format('02.png')} .dataset-switch").dispatch_event("click")
    expect_chip(room, "to train on", "22")


def test_leaving_one_out_and_undoing_it(room: Page, root: Path) -> None:
    card = room.locator(CARD.format("03.png"))
    card.hover()
    card.get_by_role("button", name="Leave out: 03.png").click()
    room.wait_for_selector(f"{CARD.format('03.png')}.left-out")
    expect_chip(room, "by hand", "1")
    assert json.loads((root / "excluded.json").read_text())["by_hand"] == ["03.png"]
    undo = room.locator(".dataset-undo")
    assert undo.get_attribute("title") == "Take back: left out 03.png"
    undo.click()
    room.wait_for_selector(f"{CARD.format('03.png')}:not(.left-out)")
    assert json.loads((root / "excluded.json").read_text())["by_hand"] == []
    expect_chip(room, "to train on", "22")


def test_undo_takes_a_caption_back(room: Page, root: Path) -> None:
    room.locator(f"{CARD.format('04.png')} textarea").fill("wrong")
    wait_for_by(room, "04.png", "hand")
    wait_until_true(room, "document.querySelector('.dataset-undo').title.endsWith('04.png')")
    room.locator(f"{CARD.format('04.png')} textarea").blur()
    room.locator(".dataset-undo").click()
    wait_for_by(room, "04.png", "own")
    assert caption(room, "04.png") == "a hill under a sky, number 4"
    assert on_disk(root)["04.png"] == ("a hill under a sky, number 4", "original")


def test_every_caption_at_once(room: Page, root: Path) -> None:
    open_accordion(room, "All captions")
    room.locator("#caption-trigger input").fill("sks")
    room.locator("#caption-add-trigger").click()
    room.wait_for_selector("#caption-note >> text=23 captions changed")
    wait_for_by(room, "05.png", "hand")
    assert caption(room, "05.png") == "sks, a hill under a sky, number 5"
    room.locator(".dataset-undo").click()
    wait_for_by(room, "05.png", "own")
    assert on_disk(root)["05.png"] == ("a hill under a sky, number 5", "original")


def test_a_model_writes_the_missing_caption(room: Page, root: Path, endpoint: Endpoint) -> None:
    open_accordion(room, "Captions by a model")
    room.locator("#captioner-url input").fill(endpoint.base_url)
    expect(room.locator("#captioner-url input")).to_have_value(endpoint.base_url)
    room.locator("#captioner-start").click()
    wait_for_by(room, "22.png", "gpt-4o")
    assert caption(room, "22.png") == "picture 1"
    expect_chip(room, "to train on", "23")
    endpoint.answers = [(401, {}, {"error": {"message": "no such key"}})]
    room.locator("#captioner-all input").check()
    room.locator("#captioner-start").click()
    room.wait_for_selector(".dataset-task.failed >> text=refuses the key (401, no such key)")


def test_an_answer_that_another_shelf_overtook_does_not_stay(room: Page) -> None:
    """The page shows the shelf that is chosen, whichever answer comes last."""
    held = hold_event(room, "news")
    room.locator(f"{CARD.format('05.png')} .dataset-switch").click()
    until(room, lambda: len(held.routes) == 1)  # asked for while the shelf is "All"
    room.locator("#dataset-shelf").get_by_label("Left out").check()
    expect(room.locator(".dataset-card")).to_have_count(3)
    room.evaluate(
        """() => {
          const cards = () => document.querySelectorAll(".dataset-card").length;
          const look = () => (window.most = Math.max(window.most ?? 0, cards()));
          new MutationObserver(look).observe(document.querySelector(".dataset-grid"), { childList: true });
        }"""
    )
    held.let_go()
    wait_until_true(room, "window.most > 3")
    expect(room.locator(".dataset-card")).to_have_count(3)


def test_shelves_and_a_resolution_that_cannot_be(room: Page) -> None:
    room.locator("#dataset-shelf").get_by_label("Left out").check()
    expect(room.locator(".dataset-card")).to_have_count(2)
    expect(
        room.locator(f"{CARD.format('23.png')} .dataset-switch")
    ).to_be_hidden()  # too small: nothing to take back
    room.locator("#dataset-shelf").get_by_label("All").check()
    expect(room.locator(".dataset-card")).to_have_count(NUM_PICTURES)
    room.get_by_label("Resolution (px)").fill("300")
    room.wait_for_selector(".dataset-message >> text=must be a multiple of 32 px, got 300; try 288")
    room.get_by_label("Resolution (px)").fill("256")
    wait_until_true(room, "document.querySelector('.dataset-message').hidden")
    expect_chip(room, "to train on", "22")


def test_a_dropped_zip_becomes_a_dataset_of_two_pages(room: Page, root: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "more.zip", "w") as opened:
        for number in range(61):
            opened.write(root / "23.png", f"in/{number:02d}.png")
    room.locator("#dataset-drop input[type=file]").set_input_files(tmp_path / "more.zip")
    expect_chip(room, "too small", "61")
    assert (root.parent / "more" / "in" / "00.png").is_file()
    wait_until_true(room, "document.querySelector('#dataset-known input').value === 'more'")
    expect(room.locator(".dataset-card")).to_have_count(60)
    assert room.locator(".dataset-before").is_disabled()
    room.locator(".dataset-after").click()
    expect(room.locator(".dataset-card")).to_have_count(1)
    expect(room.locator(".dataset-pages span")).to_have_text("Page 2 of 2")
    expect(room.locator(".dataset-card .dataset-name")).to_have_text("60.png")
    room.locator(".dataset-before").click()
    expect(room.locator(".dataset-card")).to_have_count(60)


def test_nothing_is_wider_than_a_phone(new_page: NewPage, room_server: Server, root: Path) -> None:
    url = room_server.url
    page = new_page(url, viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    choose_dataset(page, url, root)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    widths = page.evaluate(
        "[...document.querySelectorAll('.dataset-card')].map((c) => c.getBoundingClientRect().width)"
    )
    assert np.min(widths) > 150
