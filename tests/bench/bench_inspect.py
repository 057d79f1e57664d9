"""Times the Inspect tab in a real Chromium, on pictures of 4096 x 4096, and the memory of the web process:

    python -m tests.bench.bench_inspect [--shots FOLDER] [--pictures 10]

Pictures are Debian's gnome-backgrounds where they are installed, else drawn ones.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
from PIL import Image
from playwright.sync_api import sync_playwright

from studio.home.workspace import Workspace
from studio.pictures.gallery import Gallery
from studio.pictures.record import PictureRecord
from studio.render_request import RenderRequest
from tests.browser.acting import open_studio, still
from tests.browser.conftest import CHROMIUM
from tests.browser.screenshots import ridges
from tests.browser.studio_server import Server

if TYPE_CHECKING:
    from playwright.sync_api import Page

STAGE = "#inspect-stage .viewer"
BACKGROUNDS = Path("/usr/share/backgrounds/gnome")
# Frames while the picture is dragged in circles at 1:1; the longest tenth of them decides.
PAN = """async stage => {
  const canvas = stage.querySelector("canvas"), box = canvas.getBoundingClientRect();
  const send = (kind, x, y) => canvas.dispatchEvent(new PointerEvent(kind, {
    clientX: box.left + x, clientY: box.top + y, pointerId: 1, isPrimary: true, bubbles: true, buttons: 1 }));
  const frames = [];
  send("pointerdown", 300, 300);
  let last = performance.now();
  for (let i = 0; i < 90; i += 1) {
    send("pointermove", 300 + 200 * Math.sin(i / 8), 300 + 200 * Math.cos(i / 11));
    await new Promise(requestAnimationFrame);
    frames.push(performance.now() - last);
    last = performance.now();
  }
  send("pointerup", 300, 300);
  return frames.slice(5);
}"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shots", type=Path)
    parser.add_argument("--pictures", type=int, default=10, help="how many are opened in turn")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = serve_large_pictures(Path(folder) / "home", asked.pictures)
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM))
        try:
            page = browser.new_page(viewport={"width": 1440, "height": 900}, color_scheme="dark")
            open_studio(page, server)
            for name, value in measure(page, server, asked.shots, asked.pictures).items():
                print(f"{name:48} {value}")
        finally:
            browser.close()
            server.end()


def serve_large_pictures(home: Path, count: int, side_px: int = 4096) -> Server:
    """A studio whose gallery holds pictures of this side."""
    gallery = Gallery(Workspace.open(home))
    found = sorted(BACKGROUNDS.glob("*.webp")) if BACKGROUNDS.is_dir() else []
    for index in range(count):
        prompt = found[index].stem if found else f"ridges {index}"
        request = RenderRequest(prompt=prompt, num_inference_steps=14, guidance_scale=3.0, seed=index)
        if found:
            with Image.open(found[index]) as opened:
                pixels = np.asarray(opened.convert("RGB"))[:side_px, :side_px]
        else:
            pixels = ridges(side_px, side_px, index)
        gallery.add(pixels, PictureRecord(settings=request))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "STUDIO_HOME": str(home), "STUDIO_PORT": str(port), "HF_HUB_OFFLINE": "1"}
    server = Server(home, port, environment)
    server.start()
    return server


def measure(page: Page, server: Server, shots: Path | None, num_pictures: int) -> dict[str, Any]:
    measured: dict[str, Any] = {}
    page.get_by_role("tab", name="Inspect").click()
    still(page)  # the tab gets its tools ready when it is opened

    def shot(name: str) -> None:
        if shots is not None:
            shots.mkdir(parents=True, exist_ok=True)
            (shots / f"{name}.png").write_bytes(still(page))

    pick(page, 0)
    measured["first view, s"] = wait(page, "s.dataset.kind === 'picture' && s.dataset.step !== 'nothing'")
    page.wait_for_selector("#energies .js-plotly-plot", timeout=60_000)
    shot("picture")
    layer(page, "subbands")
    measured["first subbands, s"] = wait(page, "s.dataset.planes && s.dataset.ready === 'true'")
    shot("subbands")
    layer(page, "glcm")
    measured["GLCM map, s"] = wait(page, "s.dataset.planes === 'entropy' && s.dataset.ready === 'true'")
    shot("glcm")
    ready = []
    for _ in range(4):
        for name, planes in (("picture", ""), ("glcm", "entropy"), ("subbands", None)):
            layer(page, name)
            wanted = (
                "s.dataset.planes.includes('hh1')" if planes is None else f"s.dataset.planes === '{planes}'"
            )
            ready.append(1000 * wait(page, f"{wanted} && s.dataset.ready === 'true'"))
    measured["a ready layer, ms (median, longest)"] = (round(statistics.median(ready)), round(max(ready)))
    layer(page, "picture")
    still(page)
    for where in ("fit", "actual"):
        page.locator(f"{STAGE} .viewer-{where}").click()
        still(page)
        frames = page.locator(STAGE).evaluate(PAN)
        slow = float(np.percentile(frames, 90))
        measured[f"frames a second while panning, {where}"] = (
            f"{1000 / statistics.mean(frames):.0f} (slowest tenth {1000 / slow:.0f})"
        )
    for index in range(1, num_pictures):
        page.locator("#inspect-pictures").get_by_role("button", name="Remove").first.click()
        pick(page, index)
        wait(page, "s.dataset.kind === 'picture'")
        layer(page, "subbands" if index % 2 else "glcm")
        wait(page, "s.dataset.planes && s.dataset.ready === 'true'")
        still(page)
    assert server.process is not None
    used = psutil.Process(server.process.pid).memory_info().rss / 2**20
    measured[f"web process after {num_pictures} pictures, MiB"] = round(used)
    return measured


def pick(page: Page, index: int) -> None:
    field = page.locator("#inspect-pictures input")
    field.click()
    page.get_by_role("option").nth(index).click()
    page.evaluate("window.began = performance.now()")
    field.press("Escape")
    field.press("Tab")


def layer(page: Page, name: str) -> None:
    page.evaluate(
        "name => { window.began = performance.now();"
        " document.querySelector(`#inspect-layer input[value='${name}']`).click(); }",
        name,
    )


def wait(page: Page, condition: str) -> float:
    """Seconds from the last choice until the stage `s` meets the condition."""
    return round(
        page.evaluate(
            f"""async () => {{
              const s = document.querySelector("{STAGE}");
              const end = performance.now() + 60000;
              while (!({condition})) {{
                if (performance.now() > end) throw new Error(JSON.stringify({{...s.dataset}}));
                await new Promise(requestAnimationFrame);
              }}
              return (performance.now() - window.began) / 1000;
            }}"""
        ),
        3,
    )


if __name__ == "__main__":
    main()
