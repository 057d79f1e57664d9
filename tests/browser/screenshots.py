"""Takes a PNG of every tab in dark, light, on a phone and 3840 px wide, to be looked at:

    python -m tests.browser.screenshots FOLDER [--url http://127.0.0.1:7860]

Without --url it serves a home of its own with pictures that it draws; with --url it shows that studio.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright

from studio.home.workspace import Workspace
from studio.pictures.gallery import Gallery
from studio.pictures.record import PictureRecord
from studio.render_request import RenderRequest
from tests.browser.acting import still
from tests.browser.conftest import CHROMIUM
from tests.browser.studio_server import Server

LOOKS = {
    "dark": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "dark"},
    "light": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "light"},
    "phone": {
        "viewport": {"width": 390, "height": 844},
        "color_scheme": "dark",
        "device_scale_factor": 2,
        "is_mobile": True,
        "has_touch": True,
    },
    "wide": {"viewport": {"width": 3840, "height": 2160}, "color_scheme": "dark"},
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--url")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        url = asked.url
        if url is None:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "home"
            server = serve_drawn_pictures(home)
            stack.callback(server.end)
            url = server.url
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM))
        stack.callback(browser.close)
        for name in LOOKS:
            take(browser, url, name, asked.folder)


def take(browser: Browser, url: str, name: str, folder: Path) -> None:
    context = browser.new_context(**LOOKS[name])
    page = context.new_page()
    page.goto(url)
    page.wait_for_selector("#stage .viewer")
    (folder / f"{name}-generate.png").write_bytes(still(page, full_page=name == "phone"))
    if name == "phone":
        page.get_by_role("button", name="Controls", exact=True).click()
        (folder / f"{name}-controls.png").write_bytes(still(page, full_page=True))
    page.get_by_role("tab", name="Gallery").click()
    cards = page.locator(".gallery-card")
    if cards.count():
        cards.first.click()
    (folder / f"{name}-gallery.png").write_bytes(still(page))
    if cards.count():
        cards.first.dblclick()
        page.wait_for_selector("#loupe .viewer[data-step]")
        page.keyboard.press("1")
        (folder / f"{name}-viewer.png").write_bytes(still(page))
        page.keyboard.press("Escape")
        inspect(page, name, folder)
        compare(page, name, folder)
    finetune(page, name, folder)
    print(
        json.dumps(
            {"look": name, "overflow_px": page.evaluate("document.documentElement.scrollWidth - innerWidth")}
        )
    )
    context.close()


def inspect(page: Page, name: str, folder: Path) -> None:
    page.get_by_role("tab", name="Inspect").click()
    choose(page, "#inspect-pictures", (0, 1))
    page.wait_for_selector("#energies .js-plotly-plot", timeout=60_000)
    page.locator("#inspect-layer input[value=subbands]").click()
    (folder / f"{name}-inspect.png").write_bytes(still(page, full_page=name == "phone"))


def finetune(page: Page, name: str, folder: Path) -> None:
    page.get_by_role("tab", name="Fine-tune").click()
    page.wait_for_selector("#ft-toml, .runs-row, .runs", state="attached")
    runs = page.locator(".runs-row")
    if runs.count():
        runs.first.click()
    (folder / f"{name}-finetune.png").write_bytes(still(page, full_page=name == "phone"))


def compare(page: Page, name: str, folder: Path) -> None:
    page.get_by_role("tab", name="Compare").click()
    choose(page, "#compare-pictures", (0, 1, 2))
    page.locator("#compare-go").click()
    page.wait_for_selector(".compare-table[data-done=true]", timeout=60_000)
    page.locator(".compare-table tbody tr").nth(1).click()
    (folder / f"{name}-compare.png").write_bytes(still(page, full_page=name == "phone"))


def choose(page: Page, field: str, places: tuple[int, ...]) -> None:
    """Pick options of a list of pictures by their places."""
    page.locator(f"{field} input").click()
    for place in places:
        page.get_by_role("option").nth(place).click()
    page.locator(f"{field} input").press("Escape")
    page.locator(f"{field} input").press("Tab")


def serve_drawn_pictures(home: Path) -> Server:
    gallery = Gallery(Workspace.open(home))
    sizes = ((1024, 1024), (768, 1024), (1024, 768))
    for seed in range(14):
        width_px, height_px = sizes[seed % 3]
        request = RenderRequest(
            prompt=("mountains at dusk, cloudy sky", "desert dunes at dawn", "the sea at night")[seed % 3],
            width_px=width_px,
            height_px=height_px,
            num_inference_steps=16,
            guidance_scale=3.0,
            seed=seed,
        )
        picture = gallery.add(ridges(width_px, height_px, seed), PictureRecord(settings=request))
        gallery.star(picture.id, seed % 5 == 2)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Server(home, port, {**os.environ, "STUDIO_HOME": str(home), "STUDIO_PORT": str(port)})
    server.start()
    return server


def ridges(width_px: int, height_px: int, seed: int) -> np.ndarray:
    """(height_px, width_px, 3) uint8: a stand-in landscape of ridges under a two-coloured sky."""
    rng = np.random.default_rng(seed)
    y = np.linspace(0, 1, height_px)[:, None, None]
    image = np.broadcast_to(
        (1 - y) * rng.uniform(0.1, 0.7, 3) + y * rng.uniform(0.4, 1.0, 3), (height_px, width_px, 3)
    )
    for depth in range(5):
        ridge = np.cumsum(rng.normal(size=width_px))
        line = 0.45 + 0.12 * depth + 0.15 * (ridge - ridge.min()) / np.ptp(ridge)
        image = np.where((y[..., 0] > line)[..., None], image * (0.65 - 0.05 * depth), image)
    image = image + rng.normal(0, 0.02, (height_px, width_px, 1))
    return (np.clip(image, 0, 1) * 255).astype(np.uint8)


if __name__ == "__main__":
    main()
