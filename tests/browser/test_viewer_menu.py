"""A right click on the viewer: the master as a file, the picture to the clipboard."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.acting import chart, open_studio
from tests.browser.conftest import NewPage
from tests.browser.studio_server import Server
from tests.studio.ui.conftest import add_picture

pytestmark = pytest.mark.drawing

STAGE = "#stage .viewer"


def test_a_right_click_offers_the_master(new_page: NewPage, server: Server) -> None:
    picture = add_picture(server.gallery, "the chart", image=chart(2048, 1536))
    page = new_page(server.url)
    open_studio(page, server)
    page.locator(f"{STAGE}[data-step=preview]").wait_for()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    stage = page.locator(f"{STAGE} .viewer-canvas")
    stage.click(button="right")
    menu = page.get_by_role("menu", name="Picture")
    expect(menu.get_by_role("menuitem", name="Save the master")).to_be_focused()
    with page.expect_download() as downloading:
        page.keyboard.press("Enter")
    assert downloading.value.suggested_filename == f"{picture.id}.png"
    assert Path(downloading.value.path()).read_bytes() == picture.path.read_bytes()
    expect(menu).to_be_hidden()
    stage.click(button="right")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(menu.get_by_role("menuitem", name="Copied")).to_be_visible()
    kinds = page.evaluate("async () => (await navigator.clipboard.read()).flatMap((item) => item.types)")
    assert kinds == ["image/png"]
    page.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    expect(page.locator(STAGE)).to_be_focused()
