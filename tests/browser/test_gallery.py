"""The Gallery tab in a browser: search, star, trash, undo, remix, a phone."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.request import urlopen

import numpy as np
import pytest
from playwright.sync_api import expect

from studio.pictures.gallery_search import Listed
from tests.browser.acting import hold_event, open_studio, until, wait_until_true
from tests.browser.conftest import NewPage
from tests.browser.studio_server import Server
from tests.studio.ui.conftest import add_picture

if TYPE_CHECKING:
    from playwright.sync_api import Download, Locator, Page

pytestmark = pytest.mark.drawing

PROMPTS = ("mountains at dusk", "a calm sea at night", "dunes at noon", "mountains in snow")


@pytest.fixture(autouse=True)
def pictures(server: Server) -> dict[str, str]:
    """Ids of four pictures, by prompt."""
    return {prompt: add_picture(server.gallery, prompt, seed=100 + i).id for i, prompt in enumerate(PROMPTS)}


@pytest.fixture
def gallery(pictures: dict[str, str], page: Page) -> Page:
    """The Gallery tab with all four pictures and nothing selected."""
    page.get_by_role("tab", name="Gallery").click()
    expect_cards(page, *reversed(PROMPTS))
    return page


def card(page: Page, prompt: str) -> Locator:
    return page.locator(f'.gallery-card[title="{prompt}"]')


def expect_cards(page: Page, *prompts: str) -> None:
    """These and no others, in this order."""
    wait_until_true(
        page,
        "(wanted) => [...document.querySelectorAll('.gallery-card')].map((one) => one.title).join('|') === wanted",
        arg="|".join(prompts),
    )


def shelf(page: Page, name: str) -> None:
    page.get_by_label(name, exact=True).check()


def test_newest_first_with_thumbnails(gallery: Page) -> None:
    wait_until_true(
        gallery,
        "[...document.querySelectorAll('.gallery-card img')].every((image) => image.naturalWidth > 0)",
    )


def test_search_in_prompts(gallery: Page) -> None:
    gallery.locator("#search input").fill("mountains")
    expect_cards(gallery, "mountains in snow", "mountains at dusk")
    gallery.locator("#search input").fill("volcano")
    gallery.get_by_text("No picture here has “volcano” in its prompt, size, seed, model or date.").wait_for()
    gallery.locator("#search input").fill("")
    expect_cards(gallery, *reversed(PROMPTS))


def test_the_list_is_ordered_and_narrowed(gallery: Page, server: Server) -> None:
    add_picture(server.gallery, "a wide one", image=np.zeros((256, 512, 3), np.uint8))
    expect_cards(gallery, "a wide one", *reversed(PROMPTS))
    gallery.get_by_label("Order").select_option("oldest first")
    expect_cards(gallery, *PROMPTS, "a wide one")
    gallery.get_by_label("Size", exact=True).select_option("512 × 256 (1)")
    expect_cards(gallery, "a wide one")
    gallery.locator("#search input").fill("mountains")
    gallery.get_by_text("in its prompt, size, seed, model or date among those of 512 × 256.").wait_for()
    gallery.get_by_label("Size", exact=True).select_option("every size")
    expect_cards(gallery, "mountains at dusk", "mountains in snow")
    # What the viewer turns to is the next of this order.
    card(gallery, "mountains at dusk").dblclick()
    gallery.locator("#loupe .viewer[data-kind='picture']").wait_for()
    gallery.keyboard.press("ArrowRight")
    expect(gallery.locator("#gallery-details .details-prompt")).to_have_text("mountains in snow")


def test_thumbnails_keep_the_size_they_were_given(gallery: Page) -> None:
    first = card(gallery, "mountains in snow")
    before = first.bounding_box()
    gallery.get_by_label("Size of the thumbnails").fill("460")
    assert before is not None
    wait_until_true(
        gallery,
        "(least) => document.querySelector('.gallery-card').getBoundingClientRect().width > least",
        arg=before["width"] * 1.5,
    )
    gallery.reload()
    gallery.get_by_role("tab", name="Gallery").click()
    expect(gallery.get_by_label("Size of the thumbnails")).to_have_value("460")
    expect_cards(gallery, *reversed(PROMPTS))
    again = first.bounding_box()
    assert again is not None
    assert again["width"] > before["width"] * 1.5


def test_selected_pictures_are_saved_and_stand_side_by_side(
    gallery: Page, server: Server, pictures: dict[str, str]
) -> None:
    card(gallery, "a calm sea at night").click()
    card(gallery, "mountains at dusk").click(modifiers=["Control"])
    downloads: list[Download] = []
    gallery.on("download", lambda download: downloads.append(download))
    gallery.get_by_role("button", name="Download", exact=True).click()
    until(gallery, lambda: len(downloads) == 2)
    chosen = [pictures[prompt] for prompt in ("a calm sea at night", "mountains at dusk")]
    assert {one.suggested_filename: one.path().read_bytes() for one in downloads} == {
        f"{name}.png": server.gallery.get(name).path.read_bytes() for name in chosen
    }
    gallery.get_by_role("button", name="Side by side").click()
    expect(gallery.get_by_role("tab", name="Inspect")).to_have_attribute("aria-selected", "true")
    for prompt in ("a calm sea at night", "mountains at dusk"):
        expect(gallery.locator("#inspect-pictures")).to_contain_text(prompt)


def test_star_and_the_starred_shelf(gallery: Page) -> None:
    card(gallery, "dunes at noon").click()
    gallery.keyboard.press("s")
    expect(card(gallery, "dunes at noon")).to_have_attribute("data-starred", "true")
    shelf(gallery, "Starred")
    expect_cards(gallery, "dunes at noon")
    shelf(gallery, "All")
    expect_cards(gallery, *reversed(PROMPTS))


def test_many_to_the_trash_and_undo(gallery: Page) -> None:
    card(gallery, "mountains in snow").click()
    card(gallery, "a calm sea at night").click(modifiers=["Shift"])
    expect(gallery.locator(".gallery-selection")).to_have_text("3 selected")
    gallery.keyboard.press("Delete")
    expect_cards(gallery, "mountains at dusk")
    gallery.get_by_text("3 pictures in the trash").wait_for()
    gallery.get_by_role("button", name="Undo").click()
    expect_cards(gallery, *reversed(PROMPTS))


def test_the_trash_is_emptied(gallery: Page, server: Server, pictures: dict[str, str]) -> None:
    doomed = server.gallery.get(pictures["dunes at noon"])
    card(gallery, "dunes at noon").click()
    gallery.get_by_role("button", name="Delete").click()
    expect(card(gallery, "dunes at noon")).to_have_count(0)
    shelf(gallery, "Trash")
    expect_cards(gallery, "dunes at noon")
    gallery.get_by_role("button", name="Empty trash").click()
    gallery.get_by_role("button", name="Delete for good?").click()
    expect_cards(gallery)
    assert not doomed.path.exists()
    assert server.gallery.count() == 3


def test_a_new_picture_comes_in_without_taking_selection_or_view(gallery: Page, server: Server) -> None:
    card(gallery, "a calm sea at night").dblclick()
    gallery.wait_for_selector('#loupe .viewer[data-kind="picture"]')
    shown = gallery.locator("#loupe .viewer").get_attribute("data-scene")
    add_picture(server.gallery, "the latest", seed=2)
    expect_cards(gallery, "the latest", *reversed(PROMPTS))
    assert gallery.locator("#loupe .viewer").get_attribute("data-scene") == shown
    gallery.keyboard.press("Escape")
    expect(gallery.locator(".gallery-card.selected")).to_have_attribute("title", "a calm sea at night")


def test_the_grid_takes_up_where_the_viewer_ended(gallery: Page) -> None:
    """What Delete would delete is what was seen last."""
    card(gallery, "mountains in snow").dblclick()
    viewer = gallery.locator("#loupe .viewer[data-kind='picture']")
    viewer.wait_for()
    for _ in range(2):
        gallery.keyboard.press("ArrowRight")
    details = gallery.locator("#gallery-details .details-prompt")
    expect(details).to_have_text("a calm sea at night")
    gallery.keyboard.press("Escape")
    expect(gallery.locator(".gallery-card.selected")).to_have_attribute("title", "a calm sea at night")
    wait_until_true(gallery, "document.activeElement.title === 'a calm sea at night'")
    gallery.keyboard.press("ArrowLeft")
    expect(details).to_have_text("dunes at noon")


def test_what_is_chosen_before_the_last_choice_is_answered_counts(gallery: Page) -> None:
    held = hold_event(gallery, "choose")
    card(gallery, "mountains in snow").click()
    until(gallery, lambda: len(held.routes) == 1)
    card(gallery, "a calm sea at night").click()
    card(gallery, "dunes at noon").click()
    held.let_go()
    expect(gallery.locator("#gallery-details .details-prompt")).to_have_text("dunes at noon")


def test_delete_goes_on_to_the_neighbour(gallery: Page) -> None:
    card(gallery, "dunes at noon").click()
    details = gallery.locator("#gallery-details .details-prompt")
    expect(details).to_have_text("dunes at noon")
    gallery.keyboard.press("Delete")
    wait_until_true(gallery, "document.activeElement.title === 'a calm sea at night'")
    expect(details).to_have_text("a calm sea at night")
    gallery.keyboard.press("Control+z")
    expect_cards(gallery, *reversed(PROMPTS))


def test_the_viewer_has_the_grid_s_keys(gallery: Page, server: Server, pictures: dict[str, str]) -> None:
    card(gallery, "dunes at noon").click()
    gallery.get_by_role("button", name="Open", exact=True).click()
    details = gallery.locator("#gallery-details .details-prompt")
    gallery.locator("#loupe .viewer[data-kind='picture']").wait_for()
    gallery.keyboard.press("s")
    until(gallery, lambda: server.gallery.get(pictures["dunes at noon"]).starred)
    gallery.keyboard.press("Delete")
    expect(details).to_have_text("a calm sea at night")
    assert server.gallery.count(Listed(trashed=True)) == 1
    gallery.keyboard.press("Control+z")
    expect(details).to_have_text("dunes at noon")
    assert server.gallery.count(Listed(trashed=True)) == 0


def test_the_only_picture_deleted_in_the_viewer_comes_back_by_key(gallery: Page, server: Server) -> None:
    for prompt in PROMPTS[1:]:
        card(gallery, prompt).click()
        gallery.keyboard.press("Delete")
        expect(card(gallery, prompt)).to_have_count(0)
    card(gallery, PROMPTS[0]).click()
    gallery.get_by_role("button", name="Open", exact=True).click()
    gallery.locator("#loupe .viewer[data-kind='picture']").wait_for()
    gallery.keyboard.press("Delete")
    expect(gallery.get_by_text("1 picture in the trash")).to_be_visible()
    wait_until_true(gallery, "document.activeElement.closest('#grid') !== null")
    gallery.keyboard.press("Control+z")
    expect_cards(gallery, PROMPTS[0])


def test_details_leave_with_a_picture_that_is_filtered_out(gallery: Page) -> None:
    card(gallery, "dunes at noon").click()
    expect(gallery.locator("#gallery-details .details-prompt")).to_have_text("dunes at noon")
    gallery.locator("#search input").fill("mountains")
    expect_cards(gallery, "mountains in snow", "mountains at dusk")
    expect(gallery.locator("#gallery-details .details")).to_be_hidden()


def test_remix_takes_all_but_the_seed_and_use_all_takes_it_too(gallery: Page) -> None:
    card(gallery, "a calm sea at night").click()
    gallery.locator("#gallery-details").get_by_role("button", name="Remix").click()
    expect(gallery.locator("#prompt textarea")).to_have_value("a calm sea at night")
    expect(gallery.locator("#seed-mode input[value=random]")).to_be_checked()
    expect(gallery.locator("#steps input[type=number]")).to_have_value("12")
    gallery.get_by_role("tab", name="Gallery").click()
    gallery.locator("#gallery-details").get_by_role("button", name="Use all").click()
    expect(gallery.locator("#seed input")).to_have_value("101")
    expect(gallery.locator("#seed-mode input[value=fixed]")).to_be_checked()


def test_the_download_is_the_master_itself(gallery: Page, server: Server, pictures: dict[str, str]) -> None:
    picture = server.gallery.get(pictures["mountains at dusk"])
    card(gallery, "mountains at dusk").click()
    expect(gallery.locator("#gallery-details .details-title")).to_have_text(picture.path.name)
    with gallery.expect_download() as started:
        gallery.locator("#gallery-details").get_by_role("link", name="Download master").click()
    assert started.value.suggested_filename == picture.path.name
    assert started.value.path().read_bytes() == picture.path.read_bytes()


@pytest.mark.parametrize("secret", ["studio.db", "cache/uploads/../../studio.db"])
def test_only_pictures_are_served(server: Server, secret: str) -> None:
    assert server.workspace.database.is_file()
    with pytest.raises(HTTPError) as refused:
        urlopen(f"{server.url}/gradio_api/file={server.home / secret}")
    assert refused.value.code == 403
    with pytest.raises(HTTPError):
        urlopen(f"{server.url}/gradio_api/file=/etc/hostname")


def test_a_phone_scrolls_one_way_only(new_page: NewPage, server: Server) -> None:
    page = new_page(server.url, viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
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
    page.get_by_role("button", name="Controls", exact=True).click()
    page.locator("#model").wait_for()
    assert page.evaluate(wide) <= 0
    page.get_by_role("tab", name="Gallery").click()
    page.locator(".gallery-card").first.wait_for()
    assert page.evaluate(wide) <= 0
