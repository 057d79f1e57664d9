"""axe over every tab, dark and light; the keys that lead through the page, and what a screen reader is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.acting import open_studio, settled
from tests.browser.conftest import NewPage
from tests.browser.studio_server import Server
from tests.studio.ui.conftest import add_picture

if TYPE_CHECKING:
    from playwright.sync_api import Page

TABS = ("Generate", "Gallery", "Inspect", "Fine-tune", "Compare")
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}


def findings(page: Page) -> list[str]:
    """What axe finds serious or critical: rule and element, one line each."""
    found = Axe().run(page, options=RULES).response["violations"]
    return [
        f"{one['id']}: {node['target']} {node['failureSummary'].splitlines()[-1].strip()}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("side", ["dark", "light"])
def test_axe_finds_nothing_serious(side: str, new_page: NewPage, server: Server) -> None:
    starred = add_picture(server.gallery, "mountains at dusk", seed=1)
    add_picture(server.gallery, "a calm sea", seed=2)
    server.gallery.star(starred.id, True)
    page = new_page(server.url, color_scheme=side)
    open_studio(page, server)
    page.locator("#details").get_by_role("button", name="Redraw").click()
    expect(page.locator("#init .init")).to_be_visible()
    told = {}
    for tab in TABS:
        page.get_by_role("tab", name=tab).click()
        if tab == "Gallery":
            page.locator(".gallery-card").first.click()
        if tab == "Inspect":
            page.locator("#inspect-pictures input").click()
            page.get_by_role("option").first.click()
            page.locator("#energies .js-plotly-plot").wait_for()
            page.locator("#spectrum .js-plotly-plot").wait_for()
        settled(page)
        told[tab] = findings(page)
    page.keyboard.press("Escape")
    page.locator(".bar-keys").click()
    told["shortcuts"] = findings(page)
    page.keyboard.press("Escape")
    page.locator(".bar-models").click()
    page.locator(".models-cards > li").first.wait_for()
    settled(page)
    told["Models"] = findings(page)
    assert not any(told.values()), "\n".join(
        f"{tab}: {line}" for tab, lines in told.items() for line in lines
    )


@pytest.mark.parametrize("side", ["dark", "light"])
def test_axe_finds_nothing_serious_before_there_is_a_picture(
    side: str, new_page: NewPage, server: Server
) -> None:
    page = new_page(server.url, color_scheme=side)
    open_studio(page, server)
    told = {}
    for tab in TABS:
        page.get_by_role("tab", name=tab).click()
        settled(page)
        told[tab] = findings(page)
    assert not any(told.values()), told


def test_the_sheet_of_shortcuts(page: Page) -> None:
    sheet = page.locator(".shortcuts")
    page.locator("body").press("?")
    expect(sheet).to_be_visible()
    expect(sheet).to_contain_text("Into the trash")
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    page.locator("#prompt textarea").press_sequentially("what?")
    expect(page.locator("#prompt textarea")).to_have_value("what?")
    expect(sheet).to_be_hidden()
    page.locator(".bar-keys").press("Enter")
    expect(sheet).to_be_visible()
    page.get_by_role("button", name="Close").click()
    expect(sheet).to_be_hidden()


def test_ctrl_enter_generates_on_its_tab_alone(page: Page, server: Server) -> None:
    page.locator("#prompt textarea").fill("seen from elsewhere")
    page.get_by_role("tab", name="Gallery").click()
    page.locator("#search input").fill("sea")
    page.keyboard.press("Control+Enter")
    page.get_by_role("tab", name="Generate").click()
    assert server.jobs.jobs() == []
    page.locator("#prompt textarea").press("Control+Enter")
    page.wait_for_selector(".queue-row")
    assert len(server.jobs.jobs()) == 1
