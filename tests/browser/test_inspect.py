"""Inspect in a real browser: layers over a picture, linked panes, measured parts, an address to share."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from tests.browser.conftest import Server, chart, open_studio
from tests.studio.ui.conftest import add_picture

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

STAGE = "#inspect-stage .viewer"
SIDE_PX = 1536


@pytest.fixture(scope="module", autouse=True)
def pictures(server: Server) -> list[str]:
    """Two charts that differ in one patch, at (512, 448)."""
    first = chart(SIDE_PX, SIDE_PX)
    second = first.copy()
    second[448:512, 512:576] = np.random.default_rng(0).integers(0, 255, (64, 64, 3))
    return [
        add_picture(server.gallery, words, image=image).id
        for words, image in (("the second chart", second), ("the first chart", first))
    ]


def stage(page: Page, condition: str, timeout: float = 60_000) -> None:
    page.wait_for_function(
        f"(() => {{ const s = document.querySelector('{STAGE}').dataset; return {condition}; }})()",
        timeout=timeout,
    )


def colours(page: Page) -> np.ndarray:
    """(height, width, 3) uint8 of the canvas, once its last frame is drawn."""
    page.wait_for_timeout(200)
    address = page.locator(f"{STAGE} .viewer-canvas").evaluate("canvas => canvas.toDataURL('image/png')")
    with Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))) as drawn:
        return np.asarray(drawn.convert("RGB"))


def place(page: Page, x: int, y: int) -> tuple[float, float]:
    """Where a pixel of the first picture lies in the window."""
    box = page.locator(f"{STAGE} .viewer-canvas").bounding_box()
    seen = page.locator(STAGE).evaluate("s => ({...s.dataset})")
    scale = float(seen["scale"])
    assert box is not None
    return (
        box["x"] + box["width"] / 2 + (x - float(seen["cx"])) * scale,
        box["y"] + box["height"] / 2 + (y - float(seen["cy"])) * scale,
    )


def test_a_picture_of_the_gallery_opens_with_its_numbers(page: Page) -> None:
    page.get_by_role("tab", name="Inspect").click()
    page.locator("#inspect-pictures input").click()
    page.get_by_role("option", name="the first chart").click()
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    stage(page, "s.kind === 'picture' && s.step !== 'nothing'")
    page.wait_for_selector("#energies .js-plotly-plot", timeout=60_000)
    rail = page.locator("#numbers-rail").inner_text()
    assert "GLCM Score" in rail
    assert "Spectrum slope" in rail


def test_keys_turn_layers_and_each_shows_its_own(page: Page) -> None:
    page.locator(STAGE).hover()
    plain = colours(page)
    page.keyboard.press("2")
    stage(page, "s.planes.includes('hh1') && s.ready === 'true'")
    bands = colours(page)
    page.keyboard.press("3")
    stage(page, "s.planes === 'entropy' && s.ready === 'true'")
    maps = colours(page)
    assert "bits" in page.locator(".inspect-scale").inner_text()
    page.keyboard.press("1")
    stage(page, "s.planes === ''")
    assert np.array_equal(colours(page), plain)
    assert (bands != plain).mean() > 0.2
    assert (maps != plain).mean() > 0.2


def test_a_layer_that_was_shown_comes_back_before_the_server_answers(page: Page) -> None:
    page.keyboard.press("3")
    stage(page, "s.planes === 'entropy' && s.ready === 'true'")
    page.keyboard.press("1")
    stage(page, "s.planes === ''")
    page.wait_for_timeout(500)
    held: list[Route] = []
    page.route("**/queue/join*", lambda route: held.append(route))  # answered when the layer has been seen
    try:
        page.keyboard.press("3")
        stage(page, "s.planes === 'entropy' && s.ready === 'true'")
        while not held:  # asked all the same, if after the frame
            page.wait_for_timeout(50)
    finally:
        page.unroute("**/queue/join*")
        for route in held:
            route.continue_()
    page.wait_for_timeout(500)  # late answers change nothing
    stage(page, "s.planes === 'entropy' && s.ready === 'true'")


def test_the_whole_file_of_a_band_comes_when_it_is_looked_at_closely(page: Page) -> None:
    page.reload()  # what was loaded before would not be asked for again
    page.wait_for_selector("#stage .viewer")
    page.get_by_role("tab", name="Inspect").click()
    stage(page, "s.kind === 'picture'")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.locator("#inspect-layer input[value=subbands]").click()
    stage(page, "s.planes.includes('hh1') && s.ready === 'true'")
    page.wait_for_timeout(500)
    bands = [url for url in asked if "/band-" in url]
    assert any("-coarse" in url for url in bands)
    whole = {url for url in bands if "-coarse" not in url}
    page.locator(f"{STAGE} .viewer-actual").click()
    for _ in range(240):
        if {url for url in asked if "/band-" in url and "-coarse" not in url} - whole:
            break
        page.wait_for_timeout(250)
    else:
        raise AssertionError("no whole file of a band was asked for")
    page.locator(f"{STAGE} .viewer-fit").click()
    page.locator("#inspect-layer input[value=picture]").click()
    stage(page, "s.planes === ''")


def test_a_click_measures_a_patch_and_a_rectangle_a_region(page: Page) -> None:
    page.mouse.click(*place(page, 540, 470))
    stage(page, "s.marks === 'patch'")
    page.wait_for_selector("#matrix .js-plotly-plot")
    assert "at 512, 448" in page.locator("#part-chips").inner_text().replace("\n", " ")
    left, top = place(page, 200, 300)
    right, bottom = place(page, 700, 640)
    page.keyboard.down("Shift")
    page.mouse.move(left, top)
    page.mouse.down()
    page.mouse.move((left + right) / 2, (top + bottom) / 2)
    page.mouse.move(right, bottom)
    page.mouse.up()
    page.keyboard.up("Shift")
    stage(page, "s.marks === 'region'")
    page.keyboard.press("Escape")
    stage(page, "s.marks === ''")


def test_two_panes_share_one_view_and_differ_where_the_pictures_do(page: Page) -> None:
    page.locator("#inspect-pictures input").click()
    page.get_by_role("option", name="the second chart").click()
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    stage(page, "s.panes.split(' ').length === 2 && s.mode === 'side'")
    page.locator(STAGE).hover()
    for _ in range(4):
        page.keyboard.press("m")
    stage(page, "s.mode === 'difference'")
    page.wait_for_timeout(1_500)
    shown = colours(page).max(-1) > 60
    rows, columns = np.nonzero(shown)
    box = page.locator(f"{STAGE} .viewer-canvas").bounding_box()
    assert box is not None
    x, y = place(page, 544, 480)
    assert abs(columns.mean() + box["x"] - x) < 6
    assert abs(rows.mean() + box["y"] - y) < 6
    assert shown.mean() < 0.02
    first = page.locator(STAGE).get_attribute("data-panes")
    page.keyboard.press("c")
    page.wait_for_function(f"document.querySelector('{STAGE}').dataset.panes !== '{first}'")


def test_the_address_shows_the_same_view_elsewhere(page: Page, server: Server) -> None:
    page.locator(f"{STAGE} .viewer-actual").click()
    page.wait_for_timeout(700)
    seen = page.locator(STAGE).evaluate("s => ({...s.dataset})")
    address = page.url
    assert "mode=difference" in address
    other = page.context.new_page()
    other.goto(address)
    other.wait_for_selector(STAGE, timeout=60_000)
    stage(other, f"s.panes === '{seen['panes']}' && s.cx === '{seen['cx']}' && s.scale === '{seen['scale']}'")
    stage(other, "s.mode === 'difference'")
    other.close()
    open_studio(page, server)


def test_the_address_keeps_the_slider_and_the_matrix_that_is_shown(page: Page, server: Server) -> None:
    first, second = (picture.id for picture in server.gallery.pictures(limit=2))
    other = page.context.new_page()
    start = f"{server.url}/?tab=inspect&p={first}&p={second}&mode=slider&at=0.25"
    other.goto(start)
    other.wait_for_selector(STAGE, timeout=60_000)
    stage(other, "s.kind === 'picture' && s.mode === 'slider' && s.at === '0.25'")
    other.locator(STAGE).hover()
    other.keyboard.press("]")
    stage(other, "s.at === '0.3'")
    other.wait_for_function("location.search.includes('at=0.3')")
    other.mouse.click(*place(other, 300, 300))
    other.wait_for_selector("#matrix .js-plotly-plot")
    other.locator("#inspect-part_angle label", has_text="90").click()
    other.wait_for_function("location.search.includes('part_angle=90')")
    other.reload()
    other.wait_for_selector(STAGE, timeout=60_000)
    stage(other, "s.mode === 'slider' && s.at === '0.3' && s.marks.includes('patch')")
    other.wait_for_selector("#matrix .js-plotly-plot")
    assert "90°" in other.locator("#matrix .gtitle").text_content()
    other.close()


def test_one_band_is_scaled_and_the_others_stay(page: Page, server: Server) -> None:
    picture = server.gallery.pictures(limit=1)[0]
    page.goto(f"{server.url}/?tab=inspect&p={picture.id}&layer=rebuild")
    page.wait_for_selector(STAGE)
    stage(page, "s.kind === 'picture' && s.step !== 'nothing'")
    whole = colours(page)
    page.locator("#scaled input").click()
    page.get_by_role("option", name="hh1").click()
    page.keyboard.press("Escape")
    field = page.locator("#inspect-detail input[type=number]")
    field.fill("0")
    field.press("Tab")
    page.wait_for_function("location.search.includes('scaled=hh1') && location.search.includes('detail=0')")
    page.wait_for_timeout(1_500)
    assert (colours(page) != whole).mean() > 0.01
    open_studio(page, server)


def test_a_dropped_file_opens_and_a_broken_one_is_named(page: Page, tmp_path: Path) -> None:
    page.get_by_role("tab", name="Inspect").click()
    Image.fromarray(chart(300, 200)).save(tmp_path / "small.tiff")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    page.locator("#inspect-drop input[type=file]").set_input_files(
        [tmp_path / "small.tiff", tmp_path / "broken.png"]
    )
    page.get_by_text("broken.png").wait_for()
    stage(page, "s.kind === 'picture' && s.step !== 'nothing'")
    assert "small.tiff" in page.locator(f"{STAGE} .viewer-title").inner_text()


def test_numbers_and_the_view_can_be_saved(page: Page) -> None:
    page.locator("#numbers").wait_for(state="visible", timeout=60_000)
    with page.expect_download() as download:
        page.locator("#numbers").click()
    told = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    assert told["pictures"][0]["title"] == "small.tiff"
    page.locator(STAGE).hover()
    with page.expect_download() as download:
        page.keyboard.press("s")
    with Image.open(download.value.path()) as saved:
        assert saved.format == "PNG"
        assert np.asarray(saved.convert("RGB")).std() > 10
