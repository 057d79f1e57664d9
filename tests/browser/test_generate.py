"""From prompt to picture on the page: what is shown while a job waits, runs, is cancelled, ends. The worker stands in.

Not here: whole journeys with the real one (`test_journeys`), what the form keeps (`test_form`).
"""

from __future__ import annotations

import re
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from studio.pictures.gallery_search import Listed
from tests.browser.acting import STAGE, ask, generate, wait_until_open, wait_until_running, wait_until_true
from tests.browser.conftest import Guard
from tests.browser.studio_server import Server, wait_until
from tests.studio.ui.conftest import add_picture

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.drawing

STEPS = 6


def wait_for_picture(page: Page) -> None:
    page.wait_for_selector(f'{STAGE}[data-kind="picture"][data-scene^="job-"]')


def test_a_running_render_is_told_and_shown_and_then_the_picture(page: Page, server: Server) -> None:
    server.brake.hold(3)
    ask(page, None, "a first light", side_px=512, steps=STEPS, seed=7)
    generate(page)
    wait_until_running(page, step=3)
    assert f"step 3 of {STEPS}" in page.locator(".status-text").inner_text()
    page.wait_for_selector(f'{STAGE}[data-kind="live"]')
    queue = page.locator("#queue").bounding_box()
    server.brake.release()
    wait_for_picture(page)
    page.locator(f"{STAGE} .viewer-canvas").click()
    page.keyboard.press("1")
    page.wait_for_selector(f'{STAGE}[data-step="master"][data-scale="1.0000"]')
    (picture,) = server.gallery.pictures()
    assert (picture.width_px, picture.height_px) == (512, 512)
    expect(page.locator("#details .details-title")).to_have_text(picture.path.name)
    assert page.locator("#queue").bounding_box() == queue, "nothing moves when details come in"


def test_the_button_says_how_many_pictures(page: Page) -> None:
    button = page.locator("#generate")
    expect(button).to_have_text("Generate")
    ask(page, None, "a lake\na hill\n\na dune", side_px=512, steps=STEPS, seed=7, count=2)
    expect(button).to_have_text("Generate 2 pictures")
    page.get_by_label("One prompt per line").check()
    expect(button).to_have_text("Generate 6 pictures")


def test_delete_on_the_stage_and_back(page: Page, server: Server) -> None:
    older, newer = (add_picture(server.gallery, name, seed=i) for i, name in enumerate(("older", "newer")))
    page.wait_for_selector(f'{STAGE}[data-scene="picture-{newer.id}"]')
    page.locator("body").press("Delete")  # not at the viewer: nothing is deleted
    page.locator(f"{STAGE} .viewer-canvas").click()
    page.keyboard.press("Delete")
    page.wait_for_selector(f'{STAGE}[data-scene="picture-{older.id}"]')
    assert [picture.id for picture in server.gallery.pictures(Listed(trashed=True))] == [newer.id]
    page.keyboard.press("Control+z")
    page.wait_for_selector(f'{STAGE}[data-scene="picture-{newer.id}"]')
    assert server.gallery.count() == 2


def test_a_closely_watched_picture_stays_and_the_new_one_is_offered(page: Page, server: Server) -> None:
    server.brake.hold(0)
    ask(page, None, "two pictures", side_px=512, steps=STEPS, seed=1, count=2)
    generate(page)
    first, _ = sorted(job.id for job in server.jobs.jobs())
    server.brake.hold(0, but=first)
    wait_for_picture(page)
    page.locator(f"{STAGE} .viewer-canvas").click()
    page.keyboard.press("1")
    shown = page.locator(STAGE).get_attribute("data-scene")
    server.brake.release()
    page.get_by_role("button", name="New picture").wait_for()
    assert page.locator(STAGE).get_attribute("data-scene") == shown
    page.get_by_role("button", name="New picture").click()
    wait_until_true(page, f"document.querySelector('{STAGE}').dataset.scene !== '{shown}'")


def test_a_reload_in_the_middle_still_brings_the_picture(page: Page, server: Server) -> None:
    server.brake.hold(3)
    ask(page, None, "through a reload", side_px=512, steps=STEPS, seed=3)
    generate(page)
    wait_until_running(page)
    page.reload()
    wait_until_open(page)
    wait_until_running(page)
    expect(page.locator("#prompt textarea")).to_have_value("through a reload")
    expect(page.locator("#steps input[type=number]")).to_have_value(str(STEPS))
    server.brake.release()
    wait_for_picture(page)
    expect(page.locator("#details .details-prompt")).to_have_text("through a reload")


def test_cancel_takes_effect_and_keeps_the_last_preview(page: Page, server: Server) -> None:
    server.brake.hold(3)
    ask(page, None, "never mind", side_px=512, steps=STEPS, seed=4)
    generate(page)
    page.wait_for_selector(f'{STAGE}[data-kind="live"]')
    page.locator("#status-line").get_by_role("button", name="Cancel").click()
    expect(page.locator(".status-text")).to_have_text(f"cancelled at step 3 of {STEPS}")
    expect(page.locator(STAGE)).to_have_attribute("data-kind", "live")
    expect(page.locator('.queue-row[data-state="cancelled"]')).to_have_count(1)


def test_waiting_jobs_are_reordered_and_cancelled(page: Page, server: Server) -> None:
    server.brake.hold(2)
    ask(page, None, "a queue", side_px=512, steps=STEPS, seed=5, count=3)
    generate(page)
    rows = page.locator('.queue-row[data-state="queued"]')
    expect(rows).to_have_count(2)
    last = rows.nth(1).get_attribute("data-key")
    row = page.locator(f'.queue-row[data-key="{last}"]')
    row.hover()
    row.get_by_role("button", name="To the front").click()
    expect(rows.first).to_have_attribute("data-key", str(last))
    page.get_by_role("button", name="Cancel all").click()
    expect(page.locator('.queue-row:is([data-state="queued"], [data-state="running"])')).to_have_count(0)
    assert [job.state for job in server.jobs.jobs()] == ["cancelled"] * 3


def test_a_killed_worker_is_told_of_and_its_job_goes_on(page: Page, server: Server) -> None:
    server.brake.hold(3)
    ask(page, None, "through a crash", side_px=512, steps=STEPS, seed=6)
    generate(page)
    wait_until_running(page, step=3)
    (worker,) = server.workers()
    worker.kill()
    expect(page.locator(".bar-status")).to_contain_text("died")
    server.brake.release()
    wait_for_picture(page)
    assert len(server.gallery.pictures()) == 1


@pytest.mark.parametrize(
    ("fill", "words"),
    [
        ({"prompt": ""}, "prompt"),
        ({"side_px": 1000}, "multiple of 32"),
        ({"model": Path("no/such/model")}, "no/such/model"),
    ],
    ids=["no prompt", "size", "model"],
)
def test_bad_input_gets_one_sentence_and_nothing_is_queued(
    page: Page, server: Server, fill: dict[str, object], words: str
) -> None:
    asked = {"prompt": "fine", "side_px": 512, "model": None, **fill}
    ask(page, asked["model"], asked["prompt"], side_px=asked["side_px"], steps=4, seed=0)
    page.locator("#generate").click()
    expect(page.locator("#refusal [role=alert]")).to_contain_text(words)
    expect(page.get_by_test_id("toast-body")).to_have_count(0)
    assert server.jobs.jobs() == []
    expect(page.locator("#prompt textarea")).to_have_value(str(asked["prompt"]))
    page.locator("#prompt textarea").fill("another")
    expect(page.locator("#refusal [role=alert]")).to_have_count(0)


def test_a_server_that_does_not_answer_is_told_of(page: Page, guard: Guard) -> None:
    status = page.locator(".bar-status")
    expect(status).to_have_attribute(
        "data-mood", re.compile("well|ill")
    )  # ill: a test before killed the worker
    before = status.get_attribute("data-mood")
    asked = "**/gradio_api/component_server/**"
    page.route(asked, lambda route: route.abort("connectionrefused"))
    expect(status).to_contain_text("does not answer")
    expect(status).to_have_attribute("data-mood", "ill")
    page.unroute(asked)
    expect(status).not_to_contain_text("does not answer")
    expect(status).to_have_attribute("data-mood", str(before))
    assert {words for words in guard.complaints if "ERR_CONNECTION_REFUSED" not in words} == set()
    guard.complaints.clear()


DROPPED = """([name, kind]) => {
  const files = new DataTransfer();
  files.items.add(new File([window.droppedBytes], name, { type: kind }));
  const over = new DragEvent("dragover", { dataTransfer: files, bubbles: true, cancelable: true });
  document.querySelector("#stage").dispatchEvent(over);
  const veil = document.querySelector(".drop-veil");
  const words = veil && !veil.hidden ? veil.textContent : "";
  const drop = new DragEvent("drop", { dataTransfer: files, bubbles: true, cancelable: true });
  document.querySelector("#stage").dispatchEvent(drop);
  return [words, over.defaultPrevented && drop.defaultPrevented];
}"""


def test_a_picture_is_dropped_anywhere_and_after_one_that_says_nothing(page: Page, server: Server) -> None:
    picture = add_picture(server.gallery, "dropped beside the field", seed=77)

    def drop(content: bytes, name: str) -> None:
        page.evaluate(
            "(text) => { window.droppedBytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0)); }",
            b64encode(content).decode(),
        )
        words, ours = page.evaluate(DROPPED, [name, "image/png"])
        assert words == "Drop it to restore its settings, or onto “begin from” to begin from it"
        assert ours, "the browser would leave the page for the file"
        expect(page.locator(".drop-veil")).to_be_hidden()

    drop(b"no picture", "text.png")
    expect(page.locator("#restored [role=alert]")).to_contain_text("text.png is not a picture")
    drop(picture.path.read_bytes(), "mine.png")
    expect(page.locator("#prompt textarea")).to_have_value("dropped beside the field")
    expect(page.locator("#seed input")).to_have_value("77")


def test_a_finished_row_shows_its_picture_by_keyboard(page: Page, server: Server) -> None:
    server.brake.release()
    ask(page, None, "a first one", side_px=512, steps=2, seed=1)
    page.locator("#generate").click()
    wait_for_picture(page)
    add_picture(server.gallery, "newer", seed=3)
    row = page.locator('.queue-row[data-state="done"]')
    row.get_by_role("button", name="Show on the stage").press("Enter")
    expect(page.locator("#details")).to_contain_text("a first one")


def test_the_newest_picture_is_on_the_stage_of_a_new_browser(page: Page, server: Server) -> None:
    picture = add_picture(server.gallery, "drawn elsewhere", seed=3)
    expect(page.locator("#details .details-title")).to_have_text(picture.path.name)
    wait_until(lambda: page.locator(STAGE).get_attribute("data-kind") == "picture")
