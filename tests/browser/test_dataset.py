"""The dataset room in a real browser: choose, scan, edit a caption, leave one out, undo; what is on disk afterwards."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from finetune.data import open_dataset
from tests.browser.conftest import Guard
from tests.finetune.test_auto_captions import Endpoint
from tests.finetune.test_auto_captions import endpoint as endpoint
from tests.finetune.test_scan import fine

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).parents[2]
NUM_PICTURES = 24
CARD = ".dataset-card[data-key='{}']"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 pictures with captions: one too small, one without a caption."""
    folder = tmp_path_factory.mktemp("studio") / "home" / "datasets" / "hills"
    folder.mkdir(parents=True)
    for number in range(NUM_PICTURES):
        pixels = fine(number, 150 if number == 23 else 360)
        Image.fromarray(pixels[:, : 280 if number % 3 else 360]).save(folder / f"{number:02d}.png")
        if number != 22:
            (folder / f"{number:02d}.txt").write_text(f"a hill under a sky, number {number}")
    return folder


@pytest.fixture(scope="module")
def url(root: Path) -> Iterator[str]:
    """The room alone, served over that home."""
    home = root.parents[1]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = (home.parent / "server.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.browser.dataset_page"],
        cwd=ROOT,
        env={**os.environ, "STUDIO_HOME": str(home), "STUDIO_PORT": str(port), "no_proxy": "127.0.0.1"},
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(address, timeout=5).read()
                break
            except OSError:
                assert process.poll() is None, (home.parent / "server.log").read_text()
                assert time.monotonic() < until, "the page does not answer"
                time.sleep(0.05)
        yield address
    finally:
        process.terminate()
        process.wait(20)
        log.close()


@pytest.fixture(scope="module")
def room(browser: Browser, url: str, guard: Guard) -> Iterator[Page]:
    """The page with the dataset chosen and scanned for 256 px."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="dark")
    page = context.new_page()
    guard.watch(page, url)
    page.goto(url)
    page.wait_for_selector("#dataset-grid .dataset")
    page.get_by_label("Resolution (px)").fill("256")
    page.locator("#dataset-known input").click()
    page.get_by_role("option", name="hills").click()
    expect_chip(page, "to train on", "22")
    yield page
    context.close()


def expect_chip(page: Page, words: str, number: str) -> None:
    """Wait until the line above the grid says so."""
    page.wait_for_function(
        """([words, number]) => [...document.querySelectorAll(".dataset-chip")].some(
          (chip) => chip.lastElementChild.textContent === words && chip.firstElementChild.textContent === number)""",
        arg=[words, number],
        timeout=90_000,
    )


def open_accordion(page: Page, name: str) -> None:
    """Gradio makes what is inside only now, and what is typed before it has settled is lost: no hand is as fast."""
    page.get_by_role("button", name=name).click()
    page.wait_for_timeout(1000)


def on_disk(root: Path) -> dict[str, tuple[str | None, str | None]]:
    return {item.file_name: (item.caption, item.caption_by) for item in open_dataset(root).items}


def caption(page: Page, name: str) -> str:
    return page.locator(f"{CARD.format(name)} textarea").input_value()


def wait_for_by(page: Page, name: str, words: str) -> None:
    page.wait_for_function(
        "([card, words]) => document.querySelector(`${card} .dataset-by`).textContent === words",
        arg=[CARD.format(name), words],
        timeout=90_000,
    )


def test_the_crops_are_shown_with_the_size_they_are_trained_at(room: Page) -> None:
    cards = room.locator(".dataset-card")
    assert cards.count() == NUM_PICTURES
    room.wait_for_function(
        "document.querySelectorAll('.dataset-card img[src]').length === 24", timeout=90_000
    )
    image = room.locator(f"{CARD.format('00.png')} img")
    image.scroll_into_view_if_needed()
    room.wait_for_function(
        "card => document.querySelector(`${card} img`).naturalWidth > 0", arg=CARD.format("00.png")
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
    assert room.evaluate("document.activeElement.getAttribute('aria-label')") == "Caption of 01.png"
    wait_for_by(room, "00.png", "hand")
    room.wait_for_timeout(1500)
    assert on_disk(root)["00.png"] == ("a dune at noon, with a fox", "hand")


def test_what_is_being_typed_is_not_overwritten_by_news(room: Page, root: Path) -> None:
    text = room.locator(f"{CARD.format('01.png')} textarea")
    text.click()
    for word in ("one ", "two ", "three"):
        text.press_sequentially(word)
        room.locator(f"{CARD.format('02.png')} .dataset-switch").dispatch_event("click")  # news arrive
        room.wait_for_timeout(1100)
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
    room.wait_for_function("document.querySelector('.dataset-undo').title.endsWith('04.png')")
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
    room.locator("#captioner-start").click()
    wait_for_by(room, "22.png", "gpt-4o")
    assert caption(room, "22.png") == "picture 1"
    expect_chip(room, "to train on", "23")
    endpoint.answers = [(401, {}, {"error": {"message": "no such key"}})]
    room.locator("#captioner-all input").check()
    room.locator("#captioner-start").click()
    room.wait_for_selector(".dataset-task.failed >> text=refuses the key (401, no such key)")


def test_shelves_and_a_resolution_that_cannot_be(room: Page) -> None:
    room.locator("#dataset-shelf").get_by_label("Left out").check(force=True)
    room.wait_for_function("document.querySelectorAll('.dataset-card').length === 1")
    assert room.locator(".dataset-card .dataset-switch").is_hidden()  # too small: nothing to take back
    room.locator("#dataset-shelf").get_by_label("All").check(force=True)
    room.wait_for_function("document.querySelectorAll('.dataset-card').length === 24")
    room.get_by_label("Resolution (px)").fill("300")
    room.wait_for_selector(".dataset-message >> text=must be a multiple of 64 px, got 300; try 320")
    room.get_by_label("Resolution (px)").fill("256")
    room.wait_for_function("document.querySelector('.dataset-message').hidden")
    expect_chip(room, "to train on", "23")


def test_a_dropped_zip_becomes_a_dataset_of_two_pages(room: Page, root: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "more.zip", "w") as opened:
        for number in range(61):
            opened.write(root / "23.png", f"in/{number:02d}.png")
    room.locator("#dataset-drop input[type=file]").set_input_files(tmp_path / "more.zip")
    expect_chip(room, "too small", "61")
    assert (root.parent / "more" / "in" / "00.png").is_file()
    room.wait_for_function("document.querySelector('#dataset-known input').value === 'more'")
    assert room.locator(".dataset-card").count() == 60
    assert room.locator(".dataset-before").is_disabled()
    room.locator(".dataset-after").click()
    room.wait_for_function("document.querySelectorAll('.dataset-card').length === 1")
    assert room.locator(".dataset-pages span").inner_text() == "Page 2 of 2"
    room.wait_for_timeout(1200)  # news come and go; the page stays
    assert room.locator(".dataset-card .dataset-name").inner_text() == "60.png"
    room.locator(".dataset-before").click()
    room.wait_for_function("document.querySelectorAll('.dataset-card').length === 60")


def test_nothing_is_wider_than_a_phone(browser: Browser, url: str, guard: Guard) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    page = context.new_page()
    guard.watch(page, url)
    page.goto(url)
    page.wait_for_selector("#dataset-grid .dataset")
    page.locator("#dataset-known input").click()
    page.get_by_role("option", name="hills").click()
    page.wait_for_selector(".dataset-card")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    widths = page.evaluate(
        "[...document.querySelectorAll('.dataset-card')].map((c) => c.getBoundingClientRect().width)"
    )
    assert np.min(widths) > 150
    context.close()
