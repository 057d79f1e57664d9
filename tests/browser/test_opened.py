"""What is entered in a tab or an accordion that was just opened stays, however late the browser's frames are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.test_benchmark import add_model, open_view
from tests.browser.test_finetune_form import toml_editor

if TYPE_CHECKING:
    from playwright.sync_api import Page

HOLD_FRAMES = """() => {
  const usual = window.requestAnimationFrame;
  const held = [];
  window.requestAnimationFrame = (work) => held.push(work);
  window.releaseFrames = async (number) => {
    window.requestAnimationFrame = usual;
    held.forEach((work) => usual(work));
    for (let i = 0; i < number; i += 1) await new Promise(usual);
  };
}"""


NUM_FRAMES = 12
"""More than Gradio lets go by before it tells what it opened once more what that was mounted with."""


@pytest.fixture
def held(page: Page) -> Page:
    """Its frames wait until they are let go."""
    page.evaluate(HOLD_FRAMES)
    return page


def let_go(page: Page) -> None:
    page.evaluate(f"releaseFrames({NUM_FRAMES})")


def test_fields(held: Page) -> None:
    held.get_by_role("tab", name="Fine-tune").click()
    held.locator("#dataset-folder input").fill("/somewhere")
    let_go(held)
    expect(held.locator("#dataset-folder input")).to_have_value("/somewhere")

    held.evaluate(HOLD_FRAMES)
    held.get_by_role("button", name="Captions by a model").click()
    held.locator("#captioner-url input").fill("http://127.0.0.1/v1")
    held.locator("#captioner-all input").check()
    let_go(held)
    expect(held.locator("#captioner-url input")).to_have_value("http://127.0.0.1/v1")
    expect(held.locator("#captioner-all input")).to_be_checked()


def test_a_text_with_an_editor_of_its_own(held: Page) -> None:
    held.get_by_role("tab", name="Fine-tune").click()
    toml_editor(held).click()
    held.keyboard.press("Control+A")
    held.keyboard.insert_text('[output]\nname = "by-toml"\n')
    let_go(held)
    held.wait_for_selector('#ft-checks li:has-text("runs/by-toml")')
    assert "by-toml" in (toml_editor(held).text_content() or "")


def test_a_list_of_the_studios_own(held: Page) -> None:
    open_view(held)
    expect(held.locator(".contenders-add option[value='micro-4k']")).to_be_attached()
    add_model(held, 1)
    add_model(held, 2)
    let_go(held)
    expect(held.locator(".contender")).to_have_count(2)
