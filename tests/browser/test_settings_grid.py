"""A settings grid in a real browser: from a picture's button to a table that fills, is walked, opened and kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from playwright.sync_api import expect

from studio.pictures.record import PictureRecord
from studio.render_request import RenderRequest
from tests.browser.acting import open_studio
from tests.browser.studio_server import Server
from tests.browser.test_accessibility import findings

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.drawing

CELLS = "#settings-grid-table .samples-cell"
ABOUT = "#settings-grid-table .cell-table-about"
DRAWN = RenderRequest(
    prompt="a first light", width_px=512, height_px=512, num_inference_steps=6, guidance_scale=2.0, seed=7
)


def test_a_picture_is_varied_and_its_grid_is_kept(page: Page, server: Server) -> None:
    pixels = np.full((512, 512, 3), 90, np.uint8)
    picture = server.gallery.add(pixels, PictureRecord(settings=DRAWN))
    page.wait_for_selector(f'#details .details[data-id="{picture.id}"]')
    page.locator("#details").get_by_role("button", name="Vary").click()
    told, button = page.locator("#settings-grid-told"), page.locator("#settings-grid-draw")
    expect(told).to_contain_text("to draw")
    page.locator("#settings-grid-columns textarea, #settings-grid-columns input").fill("4, 6, 6")
    expect(told).to_contain_text("6 is named twice; once is enough")
    button.click()
    expect(page.locator("#settings-grid-refused")).to_contain_text("6 is named twice; once is enough")
    page.locator("#settings-grid-columns textarea, #settings-grid-columns input").fill("4, 6")
    page.locator("#settings-grid-rows textarea, #settings-grid-rows input").fill("1, 2")
    expect(button).to_have_text("Draw 3 pictures")
    expect(page.locator("#settings-grid-refused")).to_be_empty()
    server.brake.hold(1)
    button.click()
    expect(page.locator(ABOUT)).to_have_text("1 of 4 drawn · a first light")
    expect(page.locator(f"{CELLS} img")).to_have_count(1)
    expect(button).to_have_text("Show the grid")
    server.brake.release()
    expect(page.locator(ABOUT)).to_have_text("4 of 4 drawn · a first light")

    assert findings(page) == []
    page.locator(CELLS).first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")  # the picture itself
    expect(page.locator("#settings-grid-loupe .viewer-title")).to_contain_text(picture.path.name)
    page.keyboard.press("Escape")
    expect(page.locator("#settings-grid-loupe")).to_be_hidden()

    open_studio(page, server)
    page.get_by_role("tab", name="Compare").click()
    page.get_by_role("tab", name="Settings grid").click()
    expect(page.locator(f"{CELLS} img")).to_have_count(4)
