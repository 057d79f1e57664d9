"""What tests do on a page: open it, fill in its form, hold back its requests, wait for what is seen from it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.browser.studio_server import HANG_S, Server

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route


STAGE = "#stage .viewer"


def until(page: Page, condition: Callable[[], bool]) -> None:
    """For what is seen from the page, but not by one expression in it."""
    deadline = time.monotonic() + HANG_S
    while not condition():
        assert time.monotonic() < deadline, "it does not come"
        page.wait_for_timeout(50)


def wait_until_true(page: Page, expression: str, *, arg: Any = None, timeout: float | None = None) -> None:
    """Until an expression, or a function of `arg`, is true in the page.

    What is not there yet, such as a plot that is being put in anew, is no error: it is not true yet.
    """
    page.wait_for_function(
        f"""(arg) => {{
          try {{
            const found = ({expression});
            return typeof found === "function" ? found(arg) : found;
          }} catch (error) {{
            if (error instanceof TypeError) return false;
            throw error;
          }}
        }}""",
        arg=arg,
        timeout=timeout,
    )


def settled(page: Page) -> None:
    """Until nothing on the page fades or slides any more; what turns for ever, such as a spinner, counts not."""
    page.evaluate("""() => Promise.allSettled(document.getAnimations()
        .filter((one) => one.effect.getComputedTiming().endTime !== Infinity).map((one) => one.finished))""")


def still(page: Page, *, full_page: bool = False) -> bytes:
    """A screenshot, once the page looks the same twice in a row, a second apart; after half a minute as it is."""
    settled(page)
    before, now = b"", page.screenshot(full_page=full_page)
    deadline = time.monotonic() + 30
    while now != before and time.monotonic() < deadline:
        page.wait_for_timeout(1000)
        before, now = now, page.screenshot(full_page=full_page)
    return now


@dataclass
class Held:
    """Requests of a page that do not reach the server before they are let go."""

    routes: list[Route] = field(default_factory=list)
    gone: bool = False

    def take(self, route: Route) -> None:
        if self.gone:
            route.continue_()
        else:
            self.routes.append(route)

    def let_go(self) -> None:
        self.gone = True
        for route in self.routes:
            route.continue_()


def hold(page: Page, *addresses: str) -> Held:
    """Hold back what the page asks of these addresses, glob patterns, from now on."""
    held = Held()
    for address in addresses:
        page.route(address, held.take)
    return held


def hold_event(page: Page, name: str, url: str = "") -> Held:
    """Hold back one event of the page alone, by the name of its handler. `url`: of the studio, before it is opened."""
    listed = page.request.get(f"{url or page.evaluate('location.origin')}/config").json()["dependencies"]
    numbers = [one["id"] for one in listed if one["api_name"] == name]
    assert numbers, f"the page has no event {name}"
    held = Held()

    def take(route: Route) -> None:
        asked = route.request.post_data_json
        if asked is not None and asked["fn_index"] in numbers:
            held.take(route)
        else:
            route.fallback()

    for address in ("**/gradio_api/queue/join*", "**/gradio_api/run/predict*"):
        page.route(address, take)
    return held


def open_studio(page: Page, server: Server) -> None:
    page.goto(server.url)
    wait_until_open(page)


def wait_until_open(page: Page) -> None:
    """Form restored, stage, queue and notes shown."""
    page.wait_for_selector("body[data-ready]")


def ask(
    page: Page, model: Path | None, prompt: str, *, side_px: int, steps: int, seed: int, count: int = 1
) -> None:
    """Fill in the form as a reader would, without pressing Generate. None: the model that the form begins with."""
    page.locator("#prompt textarea").fill(prompt)
    if model is not None:
        choose_model(page, model)
    page.get_by_label("Custom").check()
    for name in ("width", "height"):
        box = page.locator(f"#{name} input")
        box.wait_for()
        box.fill(str(side_px))
        box.press("Tab")
    box = page.locator("#steps input[type=number]")
    box.fill(str(steps))
    box.press("Tab")
    page.get_by_label("Fixed" if count == 1 else "Walk").check()
    for name, number in (("seed", seed), ("count", count)):
        box = page.locator(f"#{name} input[type=number]")
        box.fill(str(number))
        box.press("Tab")


def choose_model(page: Page, model: Path) -> None:
    """Type a folder into the model's field and leave it."""
    field = page.locator("#model input")
    field.fill(str(model))
    field.press("Enter")
    field.press("Tab")


def chart(width_px: int = 512, height_px: int = 384) -> np.ndarray:
    """(height_px, width_px, 3) uint8: red x mod 256, green y mod 256, blue a chequer of single pixels."""
    y, x = np.mgrid[:height_px, :width_px]
    return np.stack([x % 256, y % 256, (x + y) % 2 * 255], axis=-1).astype(np.uint8)


def generate(page: Page) -> None:
    """Press Ctrl+Enter and wait until the stage has turned to the new job."""
    before = page.locator(STAGE).get_attribute("data-scene")
    page.locator("#prompt textarea").press("Control+Enter")
    wait_until_true(page, f"document.querySelector('{STAGE}').dataset.scene !== {json.dumps(before)}")


def wait_until_running(page: Page, *, step: int = 2) -> None:
    """Until the status line speaks of this step or a later one."""
    wait_until_true(
        page,
        """(step) => {
          const words = document.querySelector('.status-text')?.textContent.match(/step (\\d+) of/);
          return words && Number(words[1]) >= step;
        }""",
        arg=step,
    )
