"""Settings of a dropped picture in a browser: what the form takes, and what it says of the rest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import expect

from tests.browser.studio_server import Server
from tests.studio.ui.conftest import add_picture

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.drawing


def test_a_dropped_picture_restores_its_settings(page: Page, server: Server) -> None:
    path = add_picture(server.gallery, "mountains at dusk", seed=100).path
    page.locator("#drop input[type=file]").set_input_files(path)
    expect(page.locator("#prompt textarea")).to_have_value("mountains at dusk")
    expect(page.locator("#seed input")).to_have_value("100")
    expect(page.locator("#size input[value=custom]")).to_be_checked()


def test_what_a_dropped_file_does_not_bring_is_listed_until_the_next(
    page: Page, server: Server, tmp_path: Path
) -> None:
    drop, restored = page.locator("#drop input[type=file]"), page.locator("#restored")
    Image.new("RGB", (64, 64)).save(tmp_path / "plain.png")
    drop.set_input_files(tmp_path / "plain.png")
    expect(restored.get_by_role("alert")).to_contain_text(
        "plain.png holds no settings; drop the original file"
    )

    words = PngInfo()
    words.add_text("parameters", "a red barn\nSteps: 20, Sampler: Euler a, CFG scale: 77, Model: deliberate")
    Image.new("RGB", (64, 64)).save(tmp_path / "theirs.png", pnginfo=words)
    drop.set_input_files(tmp_path / "theirs.png")
    expect(page.locator("#prompt textarea")).to_have_value("a red barn")
    listed = restored.get_by_role("alert").get_by_role("listitem")
    expect(listed).to_have_count(3)
    for line in (
        "model: deliberate (there is no model",
        "Euler a (there is no such setting",
        "CFG scale: 77 (here",
    ):
        expect(listed.filter(has_text=line)).to_be_visible()

    drop.set_input_files(add_picture(server.gallery, "mountains at dusk").path)
    expect(restored.get_by_role("status")).to_contain_text("Restored from")
    expect(restored.get_by_role("alert")).to_have_count(0)
    expect(page.get_by_test_id("toast-body")).to_have_count(0)
    page.locator("#generate").click()
    expect(restored).to_be_hidden()
