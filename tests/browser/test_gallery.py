"""The Gallery tab in a browser: search, star, trash, undo, remix, restore from a dropped file, a phone."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.browser.conftest import Guard, Server, open_studio
from tests.studio.ui.conftest import add_picture

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PROMPTS = ("mountains at dusk", "a calm sea at night", "dunes at noon", "mountains in snow")


@pytest.fixture(scope="module", autouse=True)
def pictures(server: Server) -> list[str]:
    return [add_picture(server.gallery, prompt, seed=100 + i).id for i, prompt in enumerate(PROMPTS)]


@pytest.fixture
def gallery(page: Page) -> Page:
    """The Gallery tab with all four pictures and nothing selected."""
    page.get_by_role("tab", name="Gallery").click()
    page.get_by_label("All").check(force=True)
    wait_for_cards(page, 4)
    if page.get_by_role("button", name="Clear selection").is_visible():
        page.get_by_role("button", name="Clear selection").click()
    return page


def cards(page: Page) -> list[str]:
    return page.locator(".gallery-card").evaluate_all("cards => cards.map((card) => card.title)")


def wait_for_cards(page: Page, number: int) -> None:
    page.wait_for_function(f"document.querySelectorAll('.gallery-card').length === {number}")


def test_newest_first_with_thumbnails(gallery: Page) -> None:
    assert cards(gallery) == list(reversed(PROMPTS))
    gallery.wait_for_function(
        "[...document.querySelectorAll('.gallery-card img')].every((image) => image.naturalWidth > 0)"
    )


def test_search_in_prompts(gallery: Page) -> None:
    gallery.locator("#search input").fill("mountains")
    wait_for_cards(gallery, 2)
    assert all("mountains" in title for title in cards(gallery))
    gallery.locator("#search input").fill("volcano")
    gallery.get_by_text("No picture here has “volcano” in its prompt.").wait_for()
    gallery.locator("#search input").fill("")
    wait_for_cards(gallery, 4)


def test_star_and_the_starred_shelf(gallery: Page) -> None:
    gallery.locator(".gallery-card").nth(1).click()
    gallery.keyboard.press("s")
    gallery.wait_for_selector('.gallery-card[data-starred="true"]')
    gallery.get_by_label("Starred").check(force=True)
    wait_for_cards(gallery, 1)
    assert cards(gallery) == [PROMPTS[2]]
    gallery.get_by_label("All").check(force=True)
    wait_for_cards(gallery, 4)


def test_many_to_the_trash_undo_restore_and_empty(gallery: Page, server: Server) -> None:
    gallery.locator(".gallery-card").nth(0).click()
    gallery.locator(".gallery-card").nth(2).click(modifiers=["Shift"])
    assert gallery.locator(".gallery-selection").inner_text() == "3 selected"
    gallery.keyboard.press("Delete")
    wait_for_cards(gallery, 1)
    gallery.get_by_text("3 pictures in the trash").wait_for()
    gallery.get_by_role("button", name="Undo").click()
    wait_for_cards(gallery, 4)

    doomed = add_picture(server.gallery, "a picture to lose", seed=1)
    wait_for_cards(gallery, 5)
    gallery.locator(".gallery-card").nth(0).click()
    gallery.get_by_role("button", name="Delete").click()
    wait_for_cards(gallery, 4)
    gallery.get_by_label("Trash").check(force=True)
    wait_for_cards(gallery, 1)
    gallery.get_by_role("button", name="Empty trash").click()
    gallery.get_by_role("button", name="Delete for good?").click()
    wait_for_cards(gallery, 0)
    assert not doomed.path.exists()
    assert server.gallery.count() == 4


def test_a_new_picture_comes_in_without_taking_selection_or_view(gallery: Page, server: Server) -> None:
    gallery.locator(".gallery-card").nth(2).dblclick()
    gallery.wait_for_selector('#loupe .viewer[data-kind="picture"]')
    shown = gallery.locator("#loupe .viewer").get_attribute("data-scene")
    newest = add_picture(server.gallery, "the latest", seed=2)
    gallery.wait_for_timeout(1800)
    assert gallery.locator("#loupe .viewer").get_attribute("data-scene") == shown
    gallery.keyboard.press("Escape")
    wait_for_cards(gallery, 5)
    assert gallery.locator(".gallery-card.selected").get_attribute("title") == PROMPTS[1]
    server.gallery.trash([newest.id])
    wait_for_cards(gallery, 4)
    server.gallery.empty_trash()


def test_remix_takes_all_but_the_seed_and_use_all_takes_it_too(gallery: Page) -> None:
    gallery.locator("#seed input").evaluate("input => input.value")
    gallery.locator(".gallery-card").nth(2).click()
    gallery.locator("#gallery-details").get_by_role("button", name="Remix").click()
    gallery.wait_for_function("document.querySelector('#prompt textarea').value === 'a calm sea at night'")
    assert gallery.locator("#seed-mode input:checked").get_attribute("value") == "random"
    assert gallery.locator("#steps input[type=number]").input_value() == "12"
    gallery.get_by_role("tab", name="Gallery").click()
    gallery.locator("#gallery-details").get_by_role("button", name="Use all").click()
    gallery.wait_for_function("document.querySelector('#seed input').value === '101'")
    assert gallery.locator("#seed-mode input:checked").get_attribute("value") == "fixed"


def test_the_download_is_the_master_itself(gallery: Page, server: Server, pictures: list[str]) -> None:
    gallery.locator(".gallery-card").nth(3).click()
    with gallery.expect_download() as started:
        gallery.locator("#gallery-details").get_by_role("link", name="Download master").click()
    picture = server.gallery.get(pictures[0])
    assert started.value.suggested_filename == picture.path.name
    assert started.value.path().read_bytes() == picture.path.read_bytes()


def test_a_dropped_picture_restores_its_settings(page: Page, server: Server, pictures: list[str]) -> None:
    page.get_by_role("tab", name="Generate").click()
    page.locator("#drop input[type=file]").set_input_files(server.gallery.get(pictures[0]).path)
    page.wait_for_function("document.querySelector('#prompt textarea').value === 'mountains at dusk'")
    page.wait_for_function("document.querySelector('#seed input').value === '100'")
    assert page.locator("#size input:checked").get_attribute("value") == "custom"


def test_a_dropped_file_without_settings_gets_one_sentence(page: Page, server: Server) -> None:
    from PIL import Image

    plain = server.home.parent / "plain.png"
    Image.new("RGB", (64, 64)).save(plain)
    page.get_by_role("tab", name="Generate").click()
    page.locator("#drop input[type=file]").set_input_files(plain)
    page.get_by_text("plain.png holds no settings").wait_for()


@pytest.mark.parametrize("secret", ["studio.db", "cache/uploads/../../studio.db"])
def test_only_pictures_are_served(server: Server, secret: str) -> None:
    assert server.workspace.database.is_file()
    with pytest.raises(HTTPError) as refused:
        urlopen(f"{server.url}/gradio_api/file={server.home / secret}")
    assert refused.value.code == 403
    with pytest.raises(HTTPError):
        urlopen(f"{server.url}/gradio_api/file=/etc/hostname")


def test_a_phone_scrolls_one_way_only(browser: Browser, server: Server, guard: Guard) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    page = context.new_page()
    guard.watch(page, server.url)
    open_studio(page, server)
    wide = "document.documentElement.scrollWidth - innerWidth"
    assert page.evaluate(wide) <= 0
    for tab in page.locator("#rooms > .tab-wrapper").first.get_by_role("tab").all():
        box = tab.bounding_box()  # each of the five names whole, and on the screen
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
        assert tab.evaluate("node => node.scrollWidth <= node.clientWidth"), tab.inner_text()
    assert not page.locator("#model").is_visible()
    page.get_by_role("button", name="Show or hide the controls").click()
    page.locator("#model").wait_for()
    assert page.evaluate(wide) <= 0
    page.get_by_role("tab", name="Gallery").click()
    page.wait_for_selector(".gallery-card")
    assert page.evaluate(wide) <= 0
    context.close()
