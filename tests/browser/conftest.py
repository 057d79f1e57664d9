"""A real server and a real Chromium; each test has a browser profile and a page of its own, and every page is guarded.

Two kinds of server. `server` is shared and given back empty: its worker is the stand-in, which draws as far as a
test lets it. Marked `drawing`, a test has a page without Fine-tune and Benchmark, which opens in three fifths of the
time. `real_server` has the real worker and a random model of a few MB, for whole journeys; it is emptied too.
"""

from __future__ import annotations

import importlib.util
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from finetune.run_folder import RunFolder
from tests.browser.acting import open_studio
from tests.browser.finetune_home import fill_home, keep_alive
from tests.browser.studio_server import HANG_S, Server, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request

SHELL, WHOLE_BROWSER = Path("/usr/bin/chromium-headless-shell"), Path("/usr/bin/chromium")
CHROMIUM = SHELL if SHELL.exists() else WHOLE_BROWSER
"""The same engine; the shell has no windows of its own to draw, and opens a page for two thirds of the work."""

LOOPBACK_ALONE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
"""No other host has an address."""

USUAL_LOOK = {"viewport": {"width": 1440, "height": 900}, "color_scheme": "dark"}
NewPage = Callable[..., "Page"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = None
    if not CHROMIUM.exists():
        missing = f"{CHROMIUM} is not installed"
    elif importlib.util.find_spec("playwright") is None:
        missing = "playwright is not installed"
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if missing:
                item.add_marker(pytest.mark.skip(reason=missing))


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a random SD3 pipeline."""
    from tests.tiny_models import tiny_sd3_pipeline

    folder = tmp_path_factory.mktemp("models") / "tiny-sd3"
    tiny_sd3_pipeline().save_pretrained(folder)
    return folder


@pytest.fixture(scope="package")
def stand_in_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("studio"), "-m", "tests.stand_in_studio") as served:
        yield served


@pytest.fixture(scope="package")
def drawing_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(
        tmp_path_factory.mktemp("studio"), "-m", "tests.stand_in_studio", STUDIO_TRAINING="0"
    ) as served:
        yield served


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Server:
    drawing = request.node.get_closest_marker("drawing") is not None
    served: Server = request.getfixturevalue("drawing_server" if drawing else "stand_in_server")
    served.empty()
    return served


@pytest.fixture(scope="module")
def one_real_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("studio"), "app.py") as served:
        yield served


@pytest.fixture
def real_server(one_real_server: Server) -> Server:
    one_real_server.empty()
    return one_real_server


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Ended with the last test of this folder: Playwright keeps an event loop running in the main thread."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=HANG_S * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=[LOOPBACK_ALONE])
        yield browser
        browser.close()


CUT_STREAMS = ("AbortError", "Connection errored out", "BROKEN_CONN")
"""What Gradio's client says of an event stream that a reload or a starved machine cut. The page asks again; whether it
does is what the tests look at."""


@dataclass
class Guard:
    """What a page must not do: ask another host, or complain in its console."""

    external: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    diary: deque[str] = field(default_factory=lambda: deque(maxlen=80))
    """What the page asked of its server and was answered; printed where a test fails."""

    def watch(self, page: Page, url: str) -> None:
        def write(what: str, request: Request) -> None:
            if "/gradio_api/" in request.url:
                words = request.post_data if "/queue/join" in request.url or "/run/" in request.url else ""
                self.diary.append(
                    f"{time.monotonic():9.2f} {what} {request.url[len(url) :]} {(words or '')[:160]}"
                )

        def check(request: Request) -> None:
            write("asked", request)
            if not request.url.startswith((url, "data:", "blob:")):
                self.external.append(request.url)

        # `page.route` would take every file through this process, and the browser's cache away with it.
        page.on("request", check)
        page.on("requestfinished", lambda request: write("ended", request))
        page.on("requestfailed", lambda request: write(f"failed ({request.failure})", request))
        page.on("console", lambda message: self.note(message.type, message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def note(self, kind: str, text: str) -> None:
        if kind == "error" and not any(words in text for words in CUT_STREAMS):
            self.complaints.append(text)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    guard = getattr(item, "funcargs", {}).get("guard")
    if report.failed and isinstance(guard, Guard):
        report.sections.append(("what the page asked", "\n".join(guard.diary)))
        report.sections.append(("what the page complained of", "\n".join(guard.complaints)))
        for served in item.funcargs.values():
            if isinstance(served, Server):
                report.sections.append(("jobs and the end of the server's log", served.told()))
    return report


@pytest.fixture
def guard() -> Iterator[Guard]:
    """No test may make a page ask another host, which has no address here, or complain in its console."""
    guard = Guard()
    yield guard
    assert guard.external == []
    assert guard.complaints == []


@pytest.fixture
def new_page(browser: Browser, guard: Guard) -> Iterator[NewPage]:
    """Makes a page of a browser profile that was never here; dark and 1440 x 900 unless told otherwise."""
    contexts = []

    def made(url: str, **look: Any) -> Page:
        context = browser.new_context(**{**USUAL_LOOK, **look})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(HANG_S * 1000)  # a slow machine is no fault of the page
        guard.watch(page, url)
        return page

    yield made
    for context in contexts:
        context.close()


@pytest.fixture
def page(new_page: NewPage, server: Server) -> Page:
    """The studio with the stand-in worker, open."""
    page = new_page(server.url)
    open_studio(page, server)
    return page


@pytest.fixture
def live_run(server: Server) -> Iterator[RunFolder]:
    """Runs in three states lie in the home; the one that lives."""
    live = fill_home(server.workspace.runs, server.workspace.datasets)
    ended = threading.Event()
    thread = threading.Thread(target=keep_alive, args=(live, ended))
    thread.start()
    yield live
    ended.set()
    thread.join()


@pytest.fixture
def finetune_tab(live_run: RunFolder, page: Page) -> Page:
    """Open, with the runs listed."""
    page.get_by_role("tab", name="Fine-tune").click()
    page.wait_for_selector(".runs-row")
    return page
