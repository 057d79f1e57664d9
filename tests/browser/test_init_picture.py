"""A picture to begin from, on the page: dropped, shown, asked for, kept over a reload, taken away; and Redraw."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from playwright.sync_api import expect

from studio.render_request import RenderRequest
from tests.browser.acting import chart, wait_until_open
from tests.browser.studio_server import Server, wait_until
from tests.studio.ui.conftest import add_picture

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.drawing


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "a boat.png"
    Image.fromarray(chart(640, 384)).save(path)
    return path


def asked_last(server: Server) -> RenderRequest:
    return RenderRequest.from_dict(max(server.jobs.jobs(), key=lambda job: job.id).request)


def generate(page: Page, server: Server) -> RenderRequest:
    """What was put into the queue."""
    before = len(server.jobs.jobs())
    page.locator("#prompt textarea").fill("a red boat")
    page.locator("#prompt textarea").press("Control+Enter")
    wait_until(lambda: len(server.jobs.jobs()) > before)
    return asked_last(server)


def test_a_dropped_picture_is_what_the_next_begins_from(page: Page, server: Server, photo: Path) -> None:
    init, zone, note = page.locator("#init .init"), page.locator("#init-drop"), page.locator("#fit-note")
    expect(init).to_be_hidden()
    zone.locator("input[type=file]").set_input_files(photo)
    expect(init.locator(".init-title")).to_have_text(photo.name)
    expect(init.locator(".init-size")).to_contain_text("640 × 384 px")
    expect(zone).to_be_hidden()
    expect(note).to_contain_text(f"Over {photo.name}")
    assert init.locator("img").evaluate("image => image.decode().then(() => image.naturalWidth)") == 160

    strength = init.get_by_role("slider", name="Strength")
    strength.focus()
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    expect(init.locator("output")).to_have_text("0.40")
    asked = generate(page, server)
    assert asked.init is not None
    assert asked.init.strength == pytest.approx(0.4)

    page.reload()
    wait_until_open(page)
    expect(init.locator(".init-title")).to_have_text(photo.name)
    expect(init.locator("output")).to_have_text("0.40")

    init.get_by_role("button", name="Take it away").click()
    expect(init).to_be_hidden()
    expect(zone).to_be_visible()
    expect(note).not_to_contain_text("Over")
    assert generate(page, server).init is None
    page.reload()
    wait_until_open(page)
    expect(init).to_be_hidden()


def test_what_is_no_picture_is_refused_in_place(page: Page, photo: Path, tmp_path: Path) -> None:
    zone, refusal = page.locator("#init-drop input[type=file]"), page.locator("#refusal")
    (tmp_path / "words.png").write_text("words")
    zone.set_input_files(tmp_path / "words.png")
    expect(refusal).to_contain_text("words.png")
    expect(page.locator("#init .init")).to_be_hidden()
    zone.set_input_files(photo)
    expect(page.locator("#init .init-title")).to_have_text(photo.name)
    expect(refusal).to_be_hidden()
    expect(page.get_by_test_id("toast-body")).to_have_count(0)


def test_redraw_begins_from_the_picture_on_the_stage(page: Page, server: Server) -> None:
    picture = add_picture(server.gallery, "a lake", seed=42, image=chart(512, 384))
    page.get_by_label("Fixed").check()
    page.locator("#details").get_by_role("button", name="Redraw").click()
    init = page.locator("#init .init")
    expect(init.locator(".init-title")).to_have_text(picture.path.name)
    expect(page.locator("#prompt textarea")).to_have_value("a lake")
    expect(page.get_by_label("Random")).to_be_checked()
    page.locator("#details").get_by_role("button", name="Use all").click()
    expect(page.get_by_label("Fixed")).to_be_checked()
    expect(init).to_be_hidden(), "it was drawn from noise alone"


OVER = """([onto, name, data]) => {
  const files = new DataTransfer();
  const letters = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  files.items.add(new File([letters], name, { type: "image/png" }));
  const target = document.querySelector(onto), told = { dataTransfer: files, bubbles: true, cancelable: true };
  target.dispatchEvent(new DragEvent("dragover", told));
  const levels = [target, document.querySelector(".drop-veil")].map((one) => Number(getComputedStyle(one).zIndex));
  if (name) target.dispatchEvent(new DragEvent("drop", told));
  return levels;
}"""
"""A file over one part of the page, and let go if it has a name: (level of that part, level of the veil) before."""


def test_another_file_may_be_dropped_onto_the_first(page: Page, photo: Path) -> None:
    """The veil that says where a miss goes covers neither the field nor the picture that has taken its place."""
    data = b64encode(photo.read_bytes()).decode()
    field, veil = page.evaluate(OVER, ["#init-drop", "", data])
    assert field > veil
    page.locator("#init-drop input[type=file]").set_input_files(photo)
    title = page.locator("#init .init-title")
    expect(title).to_have_text(photo.name)
    picture, veil = page.evaluate(OVER, ["#init", "second.png", data])
    assert picture > veil
    expect(title).to_have_text("second.png")
    expect(page.locator("#restored")).to_be_hidden()  # no settings were looked for in it


def test_the_focus_follows_the_picture(page: Page, photo: Path) -> None:
    page.locator("#init-drop button").first.focus()
    page.locator("#init-drop input[type=file]").set_input_files(photo)
    expect(page.locator("#init input[type=range]")).to_be_focused()
    page.locator("#init").get_by_role("button", name="Take it away").press("Enter")
    expect(page.locator("#init-drop button").first).to_be_focused()
