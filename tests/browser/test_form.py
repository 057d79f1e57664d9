"""The form of Generate keeps what people enter: while the page opens, when walked through, after a reload."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.acting import ask, hold, open_studio, wait_until_open, wait_until_true
from tests.browser.conftest import NewPage
from tests.browser.studio_server import HANG_S, Server

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.drawing

LATE_MS = 3_000

"""As on a machine that is too busy to draw."""


@pytest.fixture
def own_page(new_page: NewPage, server: Server) -> Page:
    """A browser that was never here, before it goes anywhere."""
    return new_page(server.url)


def form(page: Page) -> dict[str, str]:
    return {
        "prompt": page.locator("#prompt textarea").input_value(),
        "negative": page.locator("#negative textarea, #negative input").input_value(),
        "steps": page.locator("#steps input[type=number]").input_value(),
        "size": page.locator("#size input:checked").get_attribute("value") or "",
        "width": page.locator("#width input").input_value(),
        "seed-mode": page.locator("#seed-mode input:checked").get_attribute("value") or "",
        "model": page.locator("#model input").input_value(),
    }


def fill_in(page: Page) -> dict[str, str]:
    """Something of every kind of field; returns what the form then says."""
    page.locator("#prompt textarea").fill("typed at once")
    page.locator("#negative textarea, #negative input").fill("nothing blurred")
    page.locator("#steps input[type=number]").fill("30")
    page.locator("#steps input[type=number]").press("Tab")
    page.get_by_label("Custom").check()
    page.locator("#width input").fill("640")
    page.locator("#width input").press("Tab")
    page.get_by_label("Walk").check()
    return form(page)


def test_what_is_entered_while_the_page_still_opens_stays(own_page: Page, server: Server) -> None:
    """Every answer of the server to the page's own events is held back."""
    held = hold(own_page, "**/gradio_api/run/**", "**/gradio_api/queue/join*")
    own_page.goto(server.url)
    own_page.locator("#prompt textarea").wait_for()
    entered = fill_in(own_page)
    assert own_page.locator("body[data-ready]").count() == 0, "the page opened before the answers were let go"
    assert entered["prompt"] == "typed at once"
    own_page.wait_for_timeout(LATE_MS)
    assert held.routes
    held.let_go()
    wait_until_open(own_page)
    assert form(own_page) == entered
    assert (entered["steps"], entered["size"], entered["width"], entered["seed-mode"]) == (
        "30",
        "custom",
        "640",
        "walk",
    )


def test_a_reload_brings_the_form_back_and_entering_on_is_kept(own_page: Page, server: Server) -> None:
    open_studio(own_page, server)
    entered = fill_in(own_page)
    wait_until_true(own_page, """sessionStorage.getItem("d4k.form").includes('"seed_mode":"walk"')""")
    own_page.reload()
    wait_until_open(own_page)
    assert form(own_page) == entered


def test_two_tabs_keep_a_form_each_and_a_new_one_begins_with_the_last(own_page: Page, server: Server) -> None:
    open_studio(own_page, server)
    own_page.locator("#prompt textarea").fill("the first tab")
    other = own_page.context.new_page()
    other.set_default_timeout(HANG_S * 1000)
    open_studio(other, server)
    assert other.locator("#prompt textarea").input_value() == "the first tab"
    other.locator("#prompt textarea").fill("the second tab")
    own_page.reload()
    wait_until_open(own_page)
    assert own_page.locator("#prompt textarea").input_value() == "the first tab"
    other.reload()
    wait_until_open(other)
    assert other.locator("#prompt textarea").input_value() == "the second tab"


def test_walking_through_the_model_changes_nothing_and_leaves_its_list_closed(
    own_page: Page, server: Server
) -> None:
    open_studio(own_page, server)
    fill_in(own_page)
    before = form(own_page)
    own_page.locator("#negative textarea, #negative input").focus()
    for _ in range(3):
        own_page.keyboard.press("Tab")
    with own_page.expect_response("**/gradio_api/run/**"):  # the field's own event, sent when it is left
        own_page.locator("#model input").focus()
        own_page.keyboard.press("Tab")
    expect(own_page.get_by_role("listbox")).to_have_count(0)  # it fades
    own_page.locator("#prompt textarea").focus()
    assert form(own_page) == before


def test_another_model_brings_its_own_steps(own_page: Page, server: Server) -> None:
    open_studio(own_page, server)
    fill_in(own_page)
    own_page.locator("#model input").click()
    own_page.get_by_role("option", name="Stable Diffusion 3.5 Large").first.click()
    wait_until_true(own_page, "document.querySelector('#steps input[type=number]').value === '28'")


def test_the_chosen_side_outlives_a_reload(own_page: Page, server: Server) -> None:
    open_studio(own_page, server)
    assert own_page.locator("body.dark").count() == 1
    own_page.get_by_role("button", name="Dark or light").click()
    assert own_page.locator("body.dark").count() == 0
    own_page.reload()
    wait_until_open(own_page)
    assert own_page.locator("body.dark").count() == 0


def test_a_tab_watches_its_own_render_after_a_reload(own_page: Page, server: Server) -> None:
    """Also when another tab has asked for one since."""
    other = own_page.context.new_page()
    asked = {}
    for page, prompt in ((own_page, "asked for here"), (other, "asked for there")):
        open_studio(page, server)
        ask(page, None, prompt, side_px=512, steps=9, seed=1)
        page.locator("#generate").click()
        wait_until_true(page, "document.querySelector('#stage .viewer').dataset.scene.startsWith('job-')")
        asked[page] = page.locator("#stage .viewer").get_attribute("data-scene")
    assert asked[own_page] != asked[other]
    for page, scene in asked.items():
        page.reload()
        wait_until_open(page)
        expect(page.locator("#stage .viewer")).to_have_attribute("data-scene", str(scene))


def test_a_phone_names_size_and_model_at_the_button(new_page: NewPage, server: Server) -> None:
    page = new_page(server.url, viewport={"width": 390, "height": 844})
    open_studio(page, server)
    expect(page.locator("#size")).to_be_hidden()
    expect(page.locator("#fit-note")).to_contain_text("4096 × 4096 px")
    expect(page.locator("#fit-note .fit-what")).to_be_visible()


def test_a_model_that_is_not_here_leads_to_its_download(page: Page) -> None:
    opens = page.get_by_role("button", name="Open Models")
    expect(opens).to_be_hidden()
    page.locator("#model input").click()
    page.get_by_role("option", name="FLUX.1 [schnell]").click()
    expect(page.locator("#model-note .warn")).to_be_visible()
    opens.click()
    expect(page.locator(".models-cards > li").first).to_be_visible()


def test_an_event_that_has_ended_is_told_to_its_outputs_alone(page: Page) -> None:
    """Gradio's own class, in the page: of inputs it told at every step of any event since."""
    told = page.evaluate(
        """async () => {
          const files = performance.getEntriesByType("resource").map(({ name }) => name);
          const module = await import(files.find((name) => name.includes("/statustracker-")));
          const { LoadingStatus } = Object.values(module).find((one) => one?.LoadingStatus);
          const statuses = new LoadingStatus();
          statuses.register(7, [1, 2], [3], "hidden");
          for (const status of ["pending", "complete"]) {
            statuses.update({ fn_index: 7, status, stream_state: status === "complete" ? "closed" : null });
          }
          return Object.fromEntries(Object.entries(statuses.current).map(([id, { status }]) => [id, status]));
        }"""
    )
    assert told == {"1": "complete", "2": "complete"}
