"""The end of work, told where nobody looks at the tab: in its title, by a notification or by tones."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.acting import ask, generate, wait_until_running
from tests.browser.studio_server import Server

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.drawing

STEPS = 6
LOOK_AWAY = """(hidden) => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


def test_the_title_of_a_tab_that_nobody_looks_at_tells_how_far_it_is(page: Page, server: Server) -> None:
    server.brake.hold(3)
    ask(page, None, "a first light", side_px=512, steps=STEPS, seed=7)
    generate(page)
    page.evaluate(LOOK_AWAY, True)
    expect(page).to_have_title(re.compile(r"^[1-9]\d* % · Diffusion-4K Studio$"))
    server.brake.release()
    expect(page).to_have_title("✓ · Diffusion-4K Studio")
    page.evaluate(LOOK_AWAY, False)
    expect(page).to_have_title("Diffusion-4K Studio")


@pytest.mark.parametrize("allowed", [True, False], ids=["notifications", "tones"])
def test_the_end_of_work_is_told_where_nobody_looks(page: Page, server: Server, allowed: bool) -> None:
    page.evaluate(
        """(allowed) => {
            window.told = [];
            window.Notification = class {
                static permission = allowed ? "default" : "denied";
                static requestPermission = async () => (Notification.permission = "granted");
                constructor(title, { body }) { told.push(`${title}: ${body}`); }
            };
            const start = OscillatorNode.prototype.start;
            OscillatorNode.prototype.start = function (when) { told.push("tone"); start.call(this, when); };
        }""",
        allowed,
    )
    bell = page.get_by_role("button", name="Tell me at the end")
    expect(bell).to_be_hidden()
    looks = [False, True]  # of a tab that is looked at nothing is told
    for away in looks:
        server.brake.hold(3)
        ask(page, None, "a first light", side_px=512, steps=STEPS, seed=7)
        generate(page)
        wait_until_running(page, step=3)
        if bell.get_attribute("aria-pressed") == "false":
            bell.click()
        expect(bell).to_have_attribute("aria-pressed", "true")
        page.evaluate(LOOK_AWAY, away)
        server.brake.release()
        expect(bell).to_be_hidden()
    told = page.evaluate("told")
    if allowed:
        (words,) = told
        assert re.fullmatch(r"Diffusion-4K Studio: done in .*", words)
    else:
        assert told == ["tone", "tone"]
