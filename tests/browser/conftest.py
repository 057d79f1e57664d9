"""A real server and a real Chromium. One server serves a whole module; every page is guarded.

The model is a random one of a few MB: its pictures mean nothing, its way through the studio is the real one.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil
import pytest

from studio.gallery import Gallery
from studio.jobs import JobTable
from studio.workspace import Workspace

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request, Route

ROOT = Path(__file__).parents[2]
CHROMIUM = Path("/usr/bin/chromium")


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
                [sys.executable, "app.py"],
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
                assert time.monotonic() - started < 60, "the server does not answer"
                time.sleep(0.05)
        self.seconds_to_answer = time.monotonic() - started
        spent = psutil.Process(self.process.pid).cpu_times()
        self.cpu_seconds_to_answer = spent.user + spent.system

    def stop(self) -> None:
        """End the web process alone; the worker lives on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=20)

    def workers(self) -> list[psutil.Process]:
        """The worker processes of this home."""
        found = []
        for process in psutil.process_iter(["cmdline"]):
            words = process.info["cmdline"] or []
            if "studio.worker" in words and str(self.home) in words:
                found.append(process)
        return found

    def end(self) -> None:
        self.stop()
        for worker in self.workers():
            worker.kill()
            worker.wait(timeout=10)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("studio") / "home"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "STUDIO_HOME": str(home),
        "STUDIO_PORT": str(port),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
    }
    served = Server(home, port, environment)
    served.start()
    yield served
    served.end()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Ended with the last test of this folder: Playwright keeps an event loop running in the main thread."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM))
        yield browser
        browser.close()


CUT_STREAMS = ("AbortError", "Connection errored out", "BROKEN_CONN")
"""What Gradio's client says of an event stream that a reload or a starved machine cut. The page asks again; whether it
does is what the tests look at."""


@dataclass
class Guard:
    """What a page must not do: speak to another host, or complain in its console."""

    external: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def watch(self, page: Page, url: str) -> None:
        def check(route: Route, request: Request) -> None:
            if request.url.startswith((url, "data:", "blob:")):
                route.continue_()
            else:
                self.external.append(request.url)
                route.abort()

        page.route("**/*", check)
        page.on("console", lambda message: self.note(message.type, message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def note(self, kind: str, text: str) -> None:
        if kind == "error" and not any(words in text for words in CUT_STREAMS):
            self.complaints.append(text)


@pytest.fixture(scope="module")
def guard() -> Guard:
    return Guard()


@pytest.fixture(scope="module")
def page(browser: Browser, server: Server, guard: Guard) -> Iterator[Page]:
    """The studio in a fresh browser profile, dark, shared by a module's tests.

    Requests to other hosts are stopped; `clean` fails the test in which one was tried.
    """
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="dark")
    page = context.new_page()
    guard.watch(page, server.url)
    open_studio(page, server)
    yield page
    context.close()


@pytest.fixture(autouse=True)
def clean(guard: Guard) -> Iterator[None]:
    """No test may make a page speak to another host or complain in its console."""
    guard.external.clear()
    guard.complaints.clear()
    yield
    assert guard.external == []
    assert guard.complaints == []


def open_studio(page: Page, server: Server) -> None:
    page.set_default_timeout(90_000)  # a slow machine is no fault of the page
    page.goto(server.url)
    page.wait_for_selector("#stage .viewer")
    page.wait_for_selector(".bar-status[data-mood]")


def ask(page: Page, model: Path, prompt: str, *, side_px: int, steps: int, seed: int, count: int = 1) -> None:
    """Fill in the form as a reader would, without pressing Generate."""
    page.locator("#prompt textarea").fill(prompt)
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
    """Type a folder into the model's field. On a page that is still settling its list can open again once it was
    left; it lies over the sizes then, so leave the field until it stays closed."""
    from playwright.sync_api import TimeoutError as NotYet

    field = page.locator("#model input")
    for _ in range(10):
        field.fill(str(model))
        field.press("Enter")
        field.press("Tab")
        try:
            page.get_by_role("listbox").wait_for(state="hidden", timeout=2_000)
            return
        except NotYet:
            field.focus()
            field.press("Escape")
            page.evaluate("document.activeElement.blur()")
    raise AssertionError("the list of models does not close")


def chart(width_px: int = 512, height_px: int = 384) -> np.ndarray:
    """(height_px, width_px, 3) uint8: red x mod 256, green y mod 256, blue a chequer of single pixels."""
    y, x = np.mgrid[:height_px, :width_px]
    return np.stack([x % 256, y % 256, (x + y) % 2 * 255], axis=-1).astype(np.uint8)
