"""Answers that come late: after something else was asked for, or over a stream that has just ended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.acting import ask, chart, hold, hold_event, open_studio, still, until, wait_until_true
from tests.browser.conftest import Guard, NewPage
from tests.browser.finetune_home import write_dataset
from tests.browser.studio_server import Server
from tests.browser.test_dataset import CARD, NUM_PICTURES, choose_dataset, expect_chip
from tests.browser.test_dataset import drawn as drawn
from tests.browser.test_dataset import room_server as room_server
from tests.browser.test_dataset import root as root
from tests.browser.test_inspect import stage
from tests.studio.ui.conftest import add_picture

if TYPE_CHECKING:
    from playwright.sync_api import Page

HOLD = """(held) => {
  const usual = window.fetch;
  let let_go;
  const gone = new Promise((done) => (let_go = done));
  window.held = 0;
  window.holding = false;
  window.letGo = () => (window.holding = false) || let_go();
  window.fetch = async (...asked) => {
    const answer = await usual(...asked);
    if (!String(asked[0]?.url ?? asked[0]).includes("/queue/data")) return answer;
    const hold = new TransformStream({
      async transform(chunk, controller) {
        const words = new TextDecoder().decode(chunk);
        if (window.holding && words.includes(held)) {
          const at = new TextEncoder().encode(words.slice(0, words.indexOf(held))).length;
          if (at) controller.enqueue(chunk.slice(0, at));
          window.held += 1;
          await gone;
          chunk = chunk.slice(at);
        }
        controller.enqueue(chunk);
      },
    });
    return new Response(answer.body.pipeThrough(hold), { status: answer.status, headers: answer.headers });
  };
}"""
"""What comes over the stream of answers, from a word on, reaches the page later than what was asked past it."""


def hold_from(page: Page, word: str) -> None:
    """Once `window.holding` is true, until `letGo()`."""
    page.add_init_script(f"({HOLD})({json.dumps(word)})")


def hold_answers(page: Page) -> None:
    hold_from(page, 'data: {"msg":"process_completed"')


def test_an_answer_that_newer_ones_overtook_does_not_stay(new_page: NewPage, server: Server) -> None:
    server.brake.hold(2)
    page: Page = new_page(server.url)
    hold_answers(page)
    open_studio(page, server)
    ask(page, None, "overtaken", side_px=512, steps=8, seed=5, count=3)
    page.locator("#generate").click()
    queued = page.locator('.queue-row[data-state="queued"]')
    expect(queued).to_have_count(2)
    last = queued.nth(1)
    page.evaluate("window.holding = true")
    last.hover()
    last.get_by_role("button", name="To the front").click()
    wait_until_true(page, "window.held === 1")
    server.brake.release()
    ended = page.locator('.queue-row[data-state="done"]')
    expect(ended).to_have_count(3)
    expect(page.locator(".bar-status")).to_contain_text("ready")  # nothing changes from here on
    page.evaluate("""() => {
        const held = new MutationObserver(() => {
          window.wasOlder ||= document.querySelectorAll('.queue-row[data-state="done"]').length < 3;
        });
        held.observe(document.querySelector("#queue"), { childList: true, subtree: true, attributes: true });
        window.letGo();
    }""")
    wait_until_true(page, "window.wasOlder")
    expect(ended).to_have_count(3)


def test_news_whose_answer_failed_come_all_the_same(page: Page, server: Server, guard: Guard) -> None:
    """Nothing changes after them, so that the page's pulse would rest."""
    held = hold_event(page, "tick_1")  # of Generate
    add_picture(server.gallery, "the only one")
    until(page, lambda: len(held.routes) == 1)
    held.gone = True
    held.routes[0].fulfill(status=500, json={"error": "not this time"})
    expect(page.locator("#stage .viewer[data-kind='picture']")).to_be_visible()
    assert [words for words in guard.complaints if "500" not in words] == []
    guard.complaints.clear()


@pytest.mark.parametrize("opened", [False, True], ids=["in the grid", "in the viewer"])
def test_news_of_a_deletion_before_its_answer_leave_the_neighbour_chosen(
    new_page: NewPage, server: Server, *, opened: bool
) -> None:
    keys = [
        add_picture(server.gallery, prompt, seed=seed).id
        for seed, prompt in enumerate(("sea", "dunes", "hills"))
    ]
    page: Page = new_page(server.url)
    hold_answers(page)
    open_studio(page, server)
    page.get_by_role("tab", name="Gallery").click()
    details = page.locator("#gallery-details .details-prompt")
    dunes = page.locator(f'#grid .gallery-card[data-key="{keys[1]}"]')
    dunes.click()
    expect(details).to_have_text("dunes")
    if opened:
        page.get_by_role("button", name="Open", exact=True).click()
        page.locator("#loupe .viewer[data-kind='picture']").wait_for()
    page.evaluate("window.holding = true")
    page.keyboard.press("Delete")
    expect(dunes).to_have_count(0)
    wait_until_true(page, "window.held >= 1")
    page.evaluate("window.letGo()")
    expect(details).to_have_text("sea")
    still(page)
    assert details.inner_text() == "sea"


def test_news_asked_for_while_the_stream_ends_come_all_the_same(
    new_page: NewPage, room_server: Server, root: Path
) -> None:
    page: Page = new_page(room_server.url)
    hold_from(page, 'data: {"msg":"close_stream"')
    choose_dataset(page, room_server.url, root)
    page.get_by_label("Resolution (px)").fill("256")
    expect_chip(page, "to train on", "22")
    expect(page.locator(".dataset-card img[src]")).to_have_count(NUM_PICTURES)  # no more news of themselves
    page.evaluate("window.holding = true")
    page.locator("#dataset-search :is(input, textarea)").fill("number 3")
    wait_until_true(page, "window.held === 1")
    with page.expect_response("**/gradio_api/queue/join*"):  # the page believes that the stream is open
        page.locator(f"{CARD.format('03.png')} .dataset-switch").dispatch_event("click")
    page.evaluate("window.letGo()")
    expect_chip(page, "by hand", "1")


def test_no_stream_of_answers_is_dropped_before_its_end(
    new_page: NewPage, room_server: Server, root: Path
) -> None:
    """The server takes one that is dropped for a closed tab, and forgets what the tab has sent since."""
    page: Page = new_page(room_server.url)
    ended: list[str] = []
    dropped: list[str] = []
    page.on("requestfinished", lambda request: ended.append(request.url))
    page.on("requestfailed", lambda request: dropped.append(request.url))
    choose_dataset(page, room_server.url, root)
    for resolution_px, trained in (("256", "22"), ("192", "22"), ("512", "0")):
        page.get_by_label("Resolution (px)").fill(resolution_px)
        expect_chip(page, "to train on", trained)
    until(page, lambda: sum("/queue/data" in url for url in ended) >= 4)
    assert not [url for url in dropped if "/queue/data" in url]


def test_an_answer_to_what_was_asked_for_before_takes_no_layer_away(page: Page, server: Server) -> None:
    add_picture(server.gallery, "the first chart", image=chart(1536, 1536))
    page.get_by_role("tab", name="Inspect").click()
    held = hold_event(page, "choose_1")  # the pictures of Inspect
    page.locator("#inspect-pictures input").click()
    page.get_by_role("option", name="the first chart").click()
    page.keyboard.press("Escape")
    until(page, lambda: len(held.routes) == 1)
    page.locator("#inspect-layer input[value=subbands]").check()
    stage(page, "s.planes.includes('hh1') && s.ready === 'true'")
    held.let_go()
    expect(page.locator("#inspect-chips")).to_contain_text("the first chart")  # measured after the answer
    stage(page, "s.planes.includes('hh1') && s.ready === 'true'")


def test_a_page_that_was_told_news_twice_at_once_is_quiet_again(page: Page, server: Server) -> None:
    """Handlers of one event that were all asked again before their answers came kept one another going for ever."""
    held = hold(page, "**/gradio_api/run/predict*")
    looks: list[str] = []
    page.on("request", lambda asked: looks.append(asked.url) if "component_server" in asked.url else None)
    for number in range(3):
        add_picture(server.gallery, seed=number)
        before = len(looks)
        until(page, lambda before=before: len(looks) >= before + 2)  # type: ignore[misc]
    assert held.routes
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url) if "/run/predict" in one.url else None)
    held.let_go()

    def is_quiet() -> bool:
        before = len(asked)
        page.wait_for_timeout(2000)
        return len(asked) == before

    until(page, is_quiet)


def test_datasets_offered_late_at_the_opening_leave_a_typed_folder(new_page: NewPage, server: Server) -> None:
    page: Page = new_page(server.url)
    held, judged = hold_event(page, "offer_6", server.url), hold_event(page, "judge_1", server.url)
    open_studio(page, server)
    page.get_by_role("tab", name="Fine-tune").click()
    folder = page.locator("#dataset-folder input")
    folder.fill("/somewhere")
    until(page, lambda: len(held.routes) == 1)
    held.let_go()
    until(page, lambda: len(judged.routes) >= 1)  # the page asks for this after what was offered
    expect(folder).to_have_value("/somewhere")
    judged.let_go()


def test_datasets_offered_late_leave_what_is_being_typed(page: Page, server: Server) -> None:
    hills = write_dataset(server.workspace.datasets / "hills")
    page.get_by_role("tab", name="Fine-tune").click()
    folder = page.locator("#dataset-folder input")
    held = hold_event(page, "offer_5")  # of a dataset chosen
    folder.fill(str(hills))
    folder.press("Enter")
    until(page, lambda: len(held.routes) == 1)
    folder.fill("/somewhere")
    held.let_go()
    expect(page.locator("#dataset-known input")).to_have_value("hills")
    still(page)
    assert folder.input_value() == "/somewhere"
