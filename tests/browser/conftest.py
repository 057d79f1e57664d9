"""A real server and a real Chromium; each test has a browser profile and a page of its own, and every page is guarded.

Two kinds of server. `server` is shared and given back empty: its worker is the stand-in, which draws as far as a
test lets it. `real_server` has the real worker and a random model of a few MB, for whole journeys; it is emptied too.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pytest

from studio.home.workspace import Workspace
from studio.pictures.gallery import Gallery
from studio.queue.table import JobTable
from tests.served_app import free_port
from tests.stand_in_worker import Brake

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request, Route

ROOT = Path(__file__).parents[2]
CHROMIUM = Path("/usr/bin/chromium")
HANG_S = 90.0
"""What takes longer hangs. Nothing here is a promise about time."""

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


@dataclass
class Server:
    """`python app.py` on a free port, and the home it serves."""

    home: Path
    port: int
    environment: dict[str, str]
    command: tuple[str, ...] = ("app.py",)
    process: subprocess.Popen[bytes] | None = None
    seconds_to_answer: float = 0.0
    cpu_seconds_to_answer: float = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def workspace(self) -> Workspace:
        return Workspace.open(self.home)

    @property
    def gallery(self) -> Gallery:
        return Gallery(self.workspace)

    @property
    def jobs(self) -> JobTable:
        return JobTable(self.workspace.database)

    def start(self) -> None:
        started = time.monotonic()
        with (self.home.parent / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self.command],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        while True:
            try:
                urllib.request.urlopen(self.url, timeout=5).read()
                break
            except OSError:
                assert self.process.poll() is None, (self.home.parent / "server.log").read_text()
                assert time.monotonic() - started < HANG_S, "the server does not answer"
                time.sleep(0.05)
        self.seconds_to_answer = time.monotonic() - started
        spent = psutil.Process(self.process.pid).cpu_times()
        self.cpu_seconds_to_answer = spent.user + spent.system

    def stop(self) -> None:
        """End the web process alone; the worker lives on."""
        assert self.process is not None
        self.process.terminate()
        self.process.wait(timeout=HANG_S)

    def workers(self) -> list[psutil.Process]:
        """The worker processes of this home."""
        found = []
        for process in psutil.process_iter(["cmdline"]):
            words = process.info["cmdline"] or []
            if {"studio.work.worker", "tests.stand_in_worker"} & set(words) and str(self.home) in words:
                found.append(process)
        return found

    def end(self) -> None:
        self.stop()
        for worker in self.workers():
            worker.kill()
            worker.wait(timeout=HANG_S)

    @property
    def brake(self) -> Brake:
        """Of the stand-in worker."""
        return Brake(self.home)

    def empty(self) -> None:
        """No job and no picture, nothing held: as a home that was just made."""
        self.brake.release()
        jobs, gallery = self.jobs, self.gallery
        jobs.cancel_all()
        wait_until(lambda: not jobs.jobs(states=("running",)))
        jobs.clear_finished()
        gallery.trash([picture.id for picture in gallery.pictures(limit=1000)])
        gallery.empty_trash()
        for folder in (self.workspace.runs, self.workspace.datasets):
            for made in folder.iterdir():
                shutil.rmtree(made, ignore_errors=True)


def wait_until(condition: Callable[[], bool]) -> None:
    """For what can be seen from outside the page alone."""
    deadline = time.monotonic() + HANG_S
    while not condition():
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.02)


def until(page: Page, condition: Callable[[], bool]) -> None:
    """For what is seen from the page, but not by one expression in it."""
    deadline = time.monotonic() + HANG_S
    while not condition():
        assert time.monotonic() < deadline, "it does not come"
        page.wait_for_timeout(50)


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


@contextmanager
def serving(folder: Path, *command: str) -> Iterator[Server]:
    """A studio whose home is in `folder`, on a port of its own."""
    home = folder / "home"
    environment = {
        **os.environ,
        "STUDIO_HOME": str(home),
        "STUDIO_PORT": str(free_port()),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
    }
    served = Server(home, int(environment["STUDIO_PORT"]), environment, command)
    served.start()
    yield served
    served.end()


@pytest.fixture(scope="package")
def stand_in_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("studio"), "-m", "tests.stand_in_studio") as served:
        yield served


@pytest.fixture
def server(stand_in_server: Server) -> Server:
    stand_in_server.empty()
    return stand_in_server


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

    def watch(self, page: Page, url: str) -> None:
        def check(request: Request) -> None:
            if not request.url.startswith((url, "data:", "blob:")):
                self.external.append(request.url)

        # `page.route` would take every file through this process, and the browser's cache away with it.
        page.on("request", check)
        page.on("console", lambda message: self.note(message.type, message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def note(self, kind: str, text: str) -> None:
        if kind == "error" and not any(words in text for words in CUT_STREAMS):
            self.complaints.append(text)


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
    page.get_by_label("Custom").check(force=True)
    for name in ("width", "height"):
        box = page.locator(f"#{name} input")
        box.wait_for()
        box.fill(str(side_px))
        box.press("Tab")
    box = page.locator("#steps input[type=number]")
    box.fill(str(steps))
    box.press("Tab")
    page.get_by_label("Fixed" if count == 1 else "Walk").check(force=True)
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
