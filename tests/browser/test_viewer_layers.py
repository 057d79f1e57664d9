"""The viewer's layers by themselves: the same files asked for twice, and a file that did not load."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from studio.home.settings import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.drawing

SCRIPT = ROOT / "studio" / "ui" / "parts" / "viewer" / "viewer_layers.js"


@pytest.fixture
def layers(browser: Browser, tmp_path: Path) -> Page:
    """A page with nothing but the layers' code and one layer, `layer`."""
    page = browser.new_context().new_page()
    page.goto("about:blank")
    page.add_script_tag(content=SCRIPT.read_text(encoding="utf-8"))
    page.evaluate(
        """() => {
          const canvas = Object.assign(document.createElement("canvas"), { width: 4, height: 4 });
          window.picture = { url: canvas.toDataURL() };
          window.wrong = { url: "data:text/plain,no picture" };
          window.layer = new LayerBitmap(() => {});
          window.shown = async (sources) => {
            layer.setSources({ opacity: 1, blend: "source-over", stamp: "", ...sources });
            layer.want(2);
            while (layer.fetching) await new Promise((go) => setTimeout(go, 5));
            return [layer.step, Boolean(layer.bitmap), Boolean(layer.failed)];
          };
        }"""
    )
    return page


def test_the_same_files_in_another_scene_are_drawn_again(layers: Page) -> None:
    assert layers.evaluate("shown({ thumbnail: picture, preview: picture })") == [2, True, False]
    layers.evaluate("layer.close()")
    assert layers.evaluate("[layer.step, layer.bitmap]") == [0, None]
    assert layers.evaluate("shown({ thumbnail: picture, preview: picture })") == [2, True, False]


def test_what_did_not_load_is_no_longer_said_of_the_next_picture(layers: Page) -> None:
    assert layers.evaluate("shown({ thumbnail: picture, preview: wrong })") == [1, True, True]
    assert layers.evaluate("shown({ thumbnail: picture, preview: picture })") == [2, True, False]


def test_closing_while_a_file_is_on_its_way(layers: Page) -> None:
    layers.evaluate(
        """() => {
          layer.setSources({ thumbnail: picture, opacity: 1, blend: "source-over", stamp: "" });
          layer.want(1);
          layer.close();
        }"""
    )
    assert layers.evaluate("shown({ thumbnail: picture })") == [1, True, False]
