"""Compare in a real browser: rows fill, sort, open where two pictures differ most."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from studio.pictures.record import ModelUsed, PictureRecord
from studio.render_request import RenderRequest
from tests.browser.acting import chart, wait_until_true
from tests.browser.studio_server import Server

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.drawing

TABLE, STAGE = ".compare-table", "#compare-stage .viewer"


def record(prompt: str, seed: int) -> PictureRecord:
    request = RenderRequest(
        prompt=prompt,
        negative_prompt="",
        model="micro-4k",
        width_px=1024,
        height_px=1024,
        num_inference_steps=4,
        guidance_scale=3.0,
        seed=seed,
    )
    return PictureRecord(settings=request, model=ModelUsed(id="micro-4k", title="Micro-4K"))


@pytest.fixture
def compare(page: Page) -> Page:
    page.get_by_role("tab", name="Compare").click()
    return page


@pytest.fixture(autouse=True)
def pictures(server: Server) -> None:
    calm = chart(1024, 1024)
    calm[..., 2] = 0
    busy = calm.copy()
    busy[448:512, 512:576] = np.random.default_rng(0).integers(0, 255, (64, 64, 3))
    server.gallery.add(calm, record("a calm sea", 1))
    server.gallery.add(busy, record("a wild sea", 2))


def test_two_pictures_are_scored_sorted_and_opened_where_they_differ(compare: Page) -> None:
    page = compare
    field = page.locator("#compare-pictures input")
    field.click()
    for index in range(2):
        page.get_by_role("option").nth(index).click()
    field.press("Escape")
    field.press("Tab")
    page.locator("#compare-go").click()
    page.wait_for_selector(f"{TABLE}[data-done=true][data-rows='2']")
    assert page.locator(f"{TABLE} td.best").count() == 0, "single pictures prove no difference"

    header = page.locator(f"{TABLE} thead button", has_text="GLCM Score")
    header.click()
    first = page.locator(f"{TABLE} tbody tr").first
    expect(first).to_contain_text("a wild sea")
    header.click()
    expect(first).to_contain_text("a calm sea")

    rows = page.locator(f"{TABLE} tbody tr")
    rows.nth(0).focus()
    page.keyboard.press("Enter")
    wait_until_true(page, f"document.querySelector('{STAGE}').dataset.kind === 'picture'")
    rows.nth(1).click()
    wait_until_true(page, f"document.querySelector('{STAGE}').dataset.panes.split(' ').length === 2")
    wait_until_true(page, f"document.querySelector('{STAGE}').dataset.cx === '544.00'")
    assert page.locator(STAGE).get_attribute("data-cy") == "480.00"
    told = page.locator(".settings-table").inner_text()
    assert "x 512, y 448" in told
    assert "seed" in page.locator(".settings-differing").inner_text()
    assert page.locator(".settings-words mark").count() == 1


def test_folders_are_sets_and_best_is_marked_only_where_real(compare: Page, tmp_path: Path) -> None:
    page = compare
    rng = np.random.default_rng(0)
    for name, strength in (("faint", 4), ("strong", 40)):
        (tmp_path / name).mkdir()
        for index in range(4):
            noise = 128 + strength * rng.standard_normal((128, 128, 3))
            Image.fromarray(noise.clip(0, 255).astype(np.uint8)).save(tmp_path / name / f"{index}.png")
    page.locator("#folder-one :is(input, textarea)").fill(str(tmp_path / "faint"))
    page.locator("#folder-two :is(input, textarea)").fill(str(tmp_path / "strong"))
    page.locator("#compare-go").click()
    page.wait_for_selector(f"{TABLE}[data-done=true] .row-name small")
    page.wait_for_selector(f"{TABLE} td.best")
    best = page.locator(f"{TABLE} tbody tr", has_text="strong").locator("td.best")
    assert best.count() >= 1
    assert "in pairs" in page.locator(f"{TABLE} tbody").inner_text()
    with page.expect_download() as taken:
        page.locator("#compare-csv").click()
    saved = list(csv.reader(taken.value.path().read_text(encoding="utf-8").splitlines()))
    assert {Path(row[0]) for row in saved[1:]} == set(tmp_path.glob("*/*.png"))
    glcm = [float(row[saved[0].index("glcm_score")]) for row in saved[1:]]
    assert all(0 < value < 20 for value in glcm), "every picture's own, in full precision"


def test_a_folder_that_is_none_is_refused_at_the_button_until_a_good_press(
    compare: Page, tmp_path: Path
) -> None:
    page = compare
    for name in ("one", "two"):
        Image.fromarray(chart(64, 64)).save(tmp_path / f"{name}.png")
    page.locator("#folder-one :is(input, textarea)").fill(str(tmp_path))
    page.locator("#folder-two :is(input, textarea)").fill("/nowhere/at/all")
    page.locator("#compare-go").click()
    refused = page.locator("#compare-refused")
    expect(refused.get_by_role("alert")).to_contain_text(
        "/nowhere/at/all is no folder on this machine; name one"
    )
    expect(page.get_by_test_id("toast-body")).to_have_count(0)
    for name in ("one", "two"):
        page.locator(f"#folder-{name} :is(input, textarea)").fill("")
    expect(refused.get_by_role("alert")).to_be_visible()
    page.locator("#compare-files input[type=file]").set_input_files(tmp_path / "one.png")
    expect(page.locator("#compare-files")).to_contain_text("one")
    page.locator("#compare-go").click()
    page.wait_for_selector(f"{TABLE}[data-done=true][data-rows='1']")
    expect(refused).to_be_hidden()
