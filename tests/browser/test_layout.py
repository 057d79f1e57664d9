"""Between a phone and a wide window: every tab can be pressed, nothing lies over another, nothing scrolls sideways."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.acting import chart, open_studio
from tests.browser.conftest import NewPage
from tests.browser.studio_server import Server
from tests.studio.ui.conftest import add_picture

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

TABS = ("Generate", "Gallery", "Inspect", "Compare", "Fine-tune")

AT_ITS_MIDDLE = """tab => {
  const { left, right, top, bottom } = tab.getBoundingClientRect();
  return tab.contains(document.elementFromPoint((left + right) / 2, (top + bottom) / 2));
}"""


@pytest.fixture
def opened(new_page: NewPage, server: Server) -> Page:
    """With a picture on the stage."""
    add_picture(server.gallery, "mountains at dusk", seed=1, image=chart())
    page = new_page(server.url)
    open_studio(page, server)
    expect(page.locator("#stage .viewer")).to_have_attribute("data-kind", "picture")
    return page


def sides(part: Locator) -> tuple[float, float]:
    """Left and right, in pixels of the window."""
    box = part.bounding_box()
    assert box is not None
    return box["x"], box["x"] + box["width"]


def assert_nothing_is_wider(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


@pytest.mark.parametrize("width", [760, 900, 1000])
def test_tabs_and_title_have_their_place(width: int, opened: Page) -> None:
    opened.set_viewport_size({"width": width, "height": 800})
    opened.evaluate("window.dispatchEvent(new CustomEvent('d4k-link', { detail: false }))")  # a long sentence
    expect(opened.locator(".bar-status")).to_contain_text("does not answer")
    for name in TABS:
        tab = opened.get_by_role("tab", name=name)
        left, right = sides(tab)
        assert left >= 0, name
        assert right <= width, name
        assert right <= sides(opened.locator(".bar-status"))[0], name
        assert tab.evaluate(AT_ITS_MIDDLE), name
        assert tab.evaluate("node => node.scrollWidth <= node.clientWidth"), name
    title, tools = opened.locator("#stage .viewer-title"), opened.locator("#stage .viewer-tools")
    assert sides(title)[1] < sides(tools)[0]
    assert title.evaluate("node => getComputedStyle(node).textOverflow") == "ellipsis"

    for name in reversed(TABS):
        opened.get_by_role("tab", name=name).click()
        assert_nothing_is_wider(opened)
    opened.get_by_role("tab", name="Gallery").click()
    opened.locator(".gallery-card").dblclick()
    tools = opened.locator("#loupe .viewer-tools")
    tools.wait_for()
    for part in (opened.locator("#loupe .viewer-close"), opened.locator("#loupe .viewer-title")):
        if part.is_visible():
            assert sides(part)[1] < sides(tools)[0]


@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_scrolls_sideways(width: int, opened: Page) -> None:
    opened.set_viewport_size({"width": width, "height": 800})
    for name in TABS:
        opened.get_by_role("tab", name=name).click()
        assert_nothing_is_wider(opened)


def test_details_stand_apart_from_the_queue_above(opened: Page) -> None:
    queue, details = (opened.locator(f"#{name} .{name}").bounding_box() for name in ("queue", "details"))
    assert queue is not None
    assert details is not None
    assert details["y"] - (queue["y"] + queue["height"]) >= 10
