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
from playwright.sync_api import expect

from tests.browser.acting import chart, hold, hold_event, until, wait_until_true
from tests.browser.conftest import NewPage
from tests.browser.studio_server import Server
from tests.studio.ui.conftest import add_picture

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    Open = Callable[..., Page]

pytestmark = pytest.mark.drawing

STAGE = "#inspect-stage .viewer"
SIDE_PX = 1536
PATCH_PX = 512, 448  # x, y of the patch of 64 px in which the two charts differ


@pytest.fixture(autouse=True)
def pictures(server: Server) -> dict[str, str]:
    """Ids of two charts that differ in one patch."""
    first = chart(SIDE_PX, SIDE_PX)
    second = first.copy()
    x, y = PATCH_PX
    second[y : y + 64, x : x + 64] = np.random.default_rng(0).integers(0, 255, (64, 64, 3))
    images = {"first": first, "second": second}
    return {
        name: add_picture(server.gallery, f"the {name} chart", image=image).id
        for name, image in images.items()
    }


@pytest.fixture
def opened(new_page: NewPage, server: Server, pictures: dict[str, str]) -> Open:
    """Opens pictures by the address of a view of them."""

    def made(*names: str, query: str = "") -> Page:
        page = new_page(server.url)
        asked = "&".join(
            ["tab=inspect", *(f"p={pictures[name]}" for name in names), *([query] if query else [])]
        )
        page.goto(f"{server.url}/?{asked}")
        stage(
            page,
            f"s.panes.split(' ').length === {len(names)} && ['preview', 'master'].includes(s.step)",
        )
        return page

    return made


def stage(page: Page, condition: str) -> None:
    wait_until_true(
        page,
        f"(() => {{ const s = document.querySelector('{STAGE}')?.dataset; return s && {condition}; }})()",
    )


def colours(page: Page) -> np.ndarray:
    """(height, width, 3) uint8 of the canvas as it is drawn now."""
    address = page.locator(f"{STAGE} .viewer-canvas").evaluate(
        "canvas => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => "
        "done(canvas.toDataURL('image/png')))))"
    )
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
    page.wait_for_selector("#energies .js-plotly-plot")
    expect(page.locator("#numbers-rail")).to_contain_text("GLCM Score")
    expect(page.locator("#numbers-rail")).to_contain_text("Spectrum slope")


def test_pictures_chosen_while_others_are_measured_are_measured_next(opened: Open) -> None:
    page = opened("first")
    page.wait_for_selector("#energies .js-plotly-plot")
    first = page.locator(STAGE).get_attribute("data-panes")
    assert first is not None
    held = hold_event(page, "measure")
    page.locator("#inspect-pictures input").click()
    page.get_by_role("option", name="the second chart").click()
    until(page, lambda: len(held.routes) == 1)
    # The numbers of both have not come yet when the first is taken off.
    page.locator("#inspect-pictures .token", has_text="first").locator(".token-remove").click()
    stage(page, "s.panes.split(' ').length === 1 && s.panes !== '" + first + "'")
    held.let_go()
    expect(page.locator("#inspect-chips")).to_contain_text("the second chart")


def test_keys_turn_layers_and_each_shows_its_own(opened: Open) -> None:
    page = opened("first")
    page.locator(STAGE).hover()
    plain = colours(page)
    page.keyboard.press("2")
    stage(page, "s.planes.includes('hh1') && s.ready === 'true'")
    until(page, lambda: (colours(page) != plain).mean() > 0.2)
    page.keyboard.press("3")
    stage(page, "s.planes === 'entropy' && s.ready === 'true'")
    until(page, lambda: (colours(page) != plain).mean() > 0.2)
    expect(page.locator(".inspect-scale")).to_contain_text("bits")
    page.keyboard.press("1")
    stage(page, "s.planes === ''")
    until(page, lambda: np.array_equal(colours(page), plain))


def test_a_layer_that_was_shown_comes_back_before_the_server_answers(opened: Open) -> None:
    page = opened("first")
    page.locator(STAGE).hover()
    page.keyboard.press("3")
    stage(page, "s.planes === 'entropy' && s.ready === 'true'")
    with page.expect_response("**/queue/join*"):
        page.keyboard.press("1")
    stage(page, "s.planes === ''")
    held = hold(page, "**/queue/join*")  # answered when the layer has been seen
    page.keyboard.press("3")
    stage(page, "s.planes === 'entropy' && s.ready === 'true'")
    until(page, lambda: bool(held.routes))  # asked all the same, if after the frame
    with page.expect_response("**/queue/join*"):
        held.let_go()
    stage(page, "s.planes === 'entropy' && s.ready === 'true'")


def test_the_whole_file_of_a_band_comes_when_it_is_looked_at_closely(opened: Open) -> None:
    page = opened("first")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.locator("#inspect-layer input[value=subbands]").click()
    stage(page, "s.planes.includes('hh1') && s.ready === 'true'")
    bands = [url for url in asked if "/band-" in url]
    assert any("-coarse" in url for url in bands)
    whole = {url for url in bands if "-coarse" not in url}
    page.locator(f"{STAGE} .viewer-actual").click()
    until(page, lambda: bool({url for url in asked if "/band-" in url and "-coarse" not in url} - whole))


def test_a_click_measures_a_patch_and_a_rectangle_a_region(opened: Open) -> None:
    page = opened("first")
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


def test_two_panes_share_one_view_and_differ_where_the_pictures_do(opened: Open) -> None:
    page = opened("first")
    page.locator("#inspect-pictures input").click()
    page.get_by_role("option", name="the second chart").click()
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    stage(page, "s.panes.split(' ').length === 2 && s.mode === 'side'")
    page.locator(STAGE).hover()
    for _ in range(4):
        page.keyboard.press("m")
    stage(page, "s.mode === 'difference'")

    def differing() -> np.ndarray:
        return colours(page).max(-1) > 60

    until(page, lambda: 0 < differing().mean() < 0.02)
    rows, columns = np.nonzero(differing())
    box = page.locator(f"{STAGE} .viewer-canvas").bounding_box()
    assert box is not None
    x, y = place(page, PATCH_PX[0] + 32, PATCH_PX[1] + 32)
    assert abs(columns.mean() + box["x"] - x) < 6
    assert abs(rows.mean() + box["y"] - y) < 6
    first = page.locator(STAGE).get_attribute("data-panes")
    page.keyboard.press("c")
    wait_until_true(page, f"document.querySelector('{STAGE}').dataset.panes !== '{first}'")


def test_a_mode_that_was_just_chosen_outlives_an_answer_that_does_not_know_of_it(opened: Open) -> None:
    page = opened("second", "first")
    page.locator(STAGE).hover()
    held = hold(page, "**/gradio_api/queue/join*")
    page.keyboard.press("3")
    until(page, lambda: bool(held.routes))
    page.keyboard.press("m")
    stage(page, "s.mode === 'slider'")
    held.let_go()
    stage(page, "!s.planes.startsWith('|') && s.ready === 'true'")
    assert page.locator(STAGE).get_attribute("data-mode") == "slider"
    expect(page.get_by_label("Compare by")).to_have_value("Slider")


def test_the_address_shows_the_same_view_elsewhere(opened: Open) -> None:
    page = opened("second", "first", query="mode=difference")
    stage(page, "s.mode === 'difference'")
    page.locator(f"{STAGE} .viewer-actual").click()
    stage(page, "s.scale === '1.0000'")
    until(page, lambda: "view=" in page.url)
    seen = page.locator(STAGE).evaluate("s => ({...s.dataset})")
    other = page.context.new_page()
    other.goto(page.url)
    stage(other, f"s.panes === '{seen['panes']}' && s.cx === '{seen['cx']}' && s.scale === '{seen['scale']}'")
    stage(other, "s.mode === 'difference'")


def test_the_address_keeps_the_slider_and_the_matrix_that_is_shown(opened: Open) -> None:
    page = opened("second", "first", query="mode=slider&at=0.25")
    stage(page, "s.mode === 'slider' && s.at === '0.25'")
    page.locator(STAGE).hover()
    page.keyboard.press("]")
    stage(page, "s.at === '0.3'")
    wait_until_true(page, "location.search.includes('at=0.3')")
    page.mouse.click(*place(page, 300, 300))
    page.wait_for_selector("#matrix .js-plotly-plot")
    page.locator("#inspect-part_angle label", has_text="90").click()
    wait_until_true(page, "location.search.includes('part_angle=90')")
    page.reload()
    stage(page, "s.mode === 'slider' && s.at === '0.3' && s.marks.includes('patch')")
    expect(page.locator("#matrix .gtitle")).to_contain_text("90°")


def test_one_band_is_scaled_and_the_others_stay(opened: Open) -> None:
    page = opened("first", query="layer=rebuild")
    whole = colours(page)
    page.locator("#scaled input").click()
    page.get_by_role("option", name="hh1").click()
    page.keyboard.press("Escape")
    field = page.locator("#inspect-detail input[type=number]")
    field.fill("0")
    field.press("Tab")
    wait_until_true(page, "location.search.includes('scaled=hh1') && location.search.includes('detail=0')")
    until(page, lambda: (colours(page) != whole).mean() > 0.01)


def test_dropped_files_open_and_numbers_and_the_view_can_be_saved(page: Page, tmp_path: Path) -> None:
    page.get_by_role("tab", name="Inspect").click()
    Image.fromarray(chart(300, 200)).save(tmp_path / "small.tiff")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    page.locator("#inspect-drop input[type=file]").set_input_files(
        [tmp_path / "small.tiff", tmp_path / "broken.png"]
    )
    refused = page.locator("#inspect-refused")
    expect(refused.get_by_role("alert")).to_contain_text("broken.png is ")
    expect(page.get_by_test_id("toast-body").filter(has_text="broken.png")).to_have_count(0)
    stage(page, "s.kind === 'picture' && s.step !== 'nothing'")
    expect(page.locator(f"{STAGE} .viewer-title")).to_contain_text("small.tiff")
    page.locator("#inspect-drop input[type=file]").set_input_files(tmp_path / "small.tiff")
    expect(refused).to_be_hidden()

    page.locator("#numbers").wait_for(state="visible")
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
