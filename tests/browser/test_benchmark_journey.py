"""A benchmark from the form to the report with the real worker, and a look at it on a phone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.acting import open_studio
from tests.browser.conftest import NewPage
from tests.browser.studio_server import Server
from tests.browser.test_benchmark import BAR, STAGE, add_model, open_view

if TYPE_CHECKING:
    from playwright.sync_api import Page

DRAWING_MS = 300_000
"""A hang guard for what starts a process that imports torch and draws."""


@pytest.fixture
def page(new_page: NewPage, real_server: Server) -> Page:
    """The studio with the real worker, open."""
    page = new_page(real_server.url)
    open_studio(page, real_server)
    return page


def test_from_the_form_to_the_report(page: Page, real_server: Server) -> None:
    open_view(page)
    expect(page.locator(".contenders-add option[value='micro-4k']")).to_be_attached()
    add_model(page, 1)
    add_model(page, 2)
    for steps in page.locator(".contender-steps").all():
        steps.fill("2")
    page.locator(".contender-guidance").nth(1).fill("1")
    page.locator("#benchmark-limit input").fill("2")
    page.locator("#benchmark-size input").fill("256x256")
    page.keyboard.press("Tab")
    page.locator("#benchmark-start").click()
    expect(page.locator("#benchmark-known input")).to_have_value("benchmark 1")

    cells = page.locator("#benchmark-scores tbody").first.locator("tr").first.locator("td")
    expect(cells.nth(1)).to_contain_text("[", timeout=DRAWING_MS)
    with page.expect_download() as loading:
        page.locator("#benchmark-table-json").click(timeout=DRAWING_MS)
    told = json.loads(loading.value.path().read_text(encoding="utf-8"))
    assert told["counts"] == {"done": 4}
    assert len({picture.id for picture in real_server.gallery.pictures()}) == 4

    page.get_by_role("tab", name="Blind duels").click()
    for done, choice in enumerate(("left", "tie"), start=1):
        page.locator(f"{BAR} [data-choice={choice}]").click()
        expect(page.locator(BAR)).to_have_attribute("data-done", str(done))
    expect(page.locator("#duel-verdict")).to_contain_text("won")
    expect(page.locator(STAGE)).to_be_hidden()

    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
