"""The whole way by keyboard: every stop is named and seen; a picture is asked for, found, starred, thrown away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.acting import open_studio, until
from tests.browser.conftest import NewPage
from tests.browser.studio_server import Server
from tests.studio.ui.conftest import add_picture

if TYPE_CHECKING:
    from playwright.sync_api import Page

MOST_STOPS = 80

STOP = """() => {
  const at = document.activeElement;
  if (at === document.body) return null;
  const list = at.matches("[role=combobox], [role=listbox]") && at.closest(".block");
  const label = at.closest("label, .block, .input-container")?.matches("label") && at.closest("label");
  const box = list || label || at;
  const { x, y, width, height } = box.getBoundingClientRect();
  const name = at.getAttribute("aria-label") || at.labels?.[0]?.textContent || at.textContent || at.title;
  return { what: at.outerHTML.slice(0, 120), name: (name || "").trim(), box: { x, y, width, height } };
}"""


def tab_to(page: Page, selector: str, text: str = "") -> None:
    """Press Tab until an element has the focus."""
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        if page.evaluate(
            "([selector, text]) => document.activeElement.matches(selector)"
            " && document.activeElement.textContent.includes(text)",
            [selector, text],
        ):
            return
    pytest.fail(f"Tab does not lead to {selector} {text}")


@pytest.mark.parametrize("side", ["dark", "light"])
def test_every_stop_is_named_seen_and_in_sight(side: str, new_page: NewPage, server: Server) -> None:
    add_picture(server.gallery, "mountains at dusk", seed=1)
    page = new_page(server.url, color_scheme=side)
    open_studio(page, server)
    page.locator("body").press("Tab")
    stops = walk(page)
    assert 25 < len(stops) < 60
    radios = [what for what in stops if 'type="radio"' in what]
    assert len(radios) == 2, "a group of radios is one stop"


@pytest.mark.parametrize("tab", ["Gallery", "Inspect", "Compare", "Fine-tune"])
def test_every_stop_of_the_other_tabs_is_named_and_seen(tab: str, page: Page, server: Server) -> None:
    for seed in (1, 2):
        add_picture(server.gallery, "mountains at dusk", seed=seed)
    page.get_by_role("tab", name=tab).click()
    if tab == "Inspect":
        page.locator("#inspect-pictures input").click()
        page.get_by_role("option").first.click()
        page.locator("#inspect-chips .chip").first.wait_for()
    page.get_by_role("tab", name=tab).focus()
    page.keyboard.press("Tab")
    assert 3 < len(walk(page)) < MOST_STOPS


def walk(page: Page) -> list[str]:
    """Tab from where the focus is to the end of the page: every stop, each of which has a name and is seen."""
    stops: list[str] = []
    while (stop := page.evaluate(STOP)) is not None and len(stops) < MOST_STOPS:
        stops.append(stop["what"])
        assert stop["name"], stop["what"]
        assert_changes_pixels(page, stop)
        page.keyboard.press("Tab")
    return stops


def assert_changes_pixels(page: Page, stop: dict[str, object]) -> None:
    """The focus is something that is seen."""
    box, look = stop["box"], page.viewport_size
    assert isinstance(box, dict)
    assert look is not None
    left, top = max(0.0, box["x"] - 6), max(0.0, box["y"] - 6)
    right, bottom = (
        min(float(look[side]), box[at] + box[side] + 6) for at, side in (("x", "width"), ("y", "height"))
    )
    assert right > left, stop["what"]
    assert bottom > top, stop["what"]
    clip = {"x": left, "y": top, "width": right - left, "height": bottom - top}
    focused = page.screenshot(clip=clip, animations="disabled")
    page.evaluate("() => document.activeElement.blur()")  # the next Tab goes on from here all the same
    assert page.screenshot(clip=clip, animations="disabled") != focused, stop["what"]


def test_from_prompt_to_trash_and_back(page: Page, server: Server) -> None:
    server.brake.release()
    tab_to(page, "#prompt textarea")
    page.keyboard.type("a calm sea")
    tab_to(page, "#size input")
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    expect(page.locator("#width input")).to_have_value("1024")  # of the last preset before "Custom"
    for name in ("width", "height"):
        tab_to(page, f"#{name} input")
        page.keyboard.press("Control+A")
        page.keyboard.type("512")
    tab_to(page, "#generate")
    page.keyboard.press("Enter")
    expect(page.locator("#stage .viewer")).to_have_attribute("data-kind", "picture")
    (picture,) = server.gallery.pictures()
    assert (picture.record.settings.prompt, picture.width_px) == ("a calm sea", 512)

    tab_to(page, "[role=tab]", "Gallery")
    page.keyboard.press("Enter")
    card, viewer = page.locator(".gallery-card"), page.locator("#loupe .viewer")
    expect(card).to_have_count(1)
    tab_to(page, ".gallery-card")
    page.keyboard.press("Enter")
    expect(viewer).to_be_focused()
    page.keyboard.press("s")
    until(page, lambda: server.gallery.get(picture.id).starred)
    page.keyboard.press("Escape")
    expect(card).to_be_focused()
    page.keyboard.press("Delete")
    expect(card).to_have_count(0)
    assert server.gallery.get(picture.id).trashed_at is not None
    page.keyboard.press("Control+z")
    expect(card).to_have_count(1)
