"""The grid of checkpoints and strengths in a real browser: chosen, walked by arrow keys, opened, turned, left."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from playwright.sync_api import expect

from studio.home.settings import ROOT
from studio.models.adapters import file_digest
from studio.pictures.record import AdapterUsed, PictureRecord
from studio.training.adapter_grid import plan_grid, submit_grid, usual_settings
from tests.browser.acting import wait_until_true
from tests.browser.studio_server import Server
from tests.finetune.test_checkpoint_adapter import checkpoint
from tests.finetune.training_runs import new_run

if TYPE_CHECKING:
    from playwright.sync_api import Page

SAMPLES = {
    "every": 20,
    "prompts": ["mountains at dusk"],
    "width_px": 256,
    "height_px": 256,
    "num_inference_steps": 2,
}


@pytest.fixture
def drawn(server: Server, tmp_path: Path) -> list[str]:
    """A run with a grid of which all but the last cell are drawn; the pictures' files."""
    home, gallery = server.workspace, server.gallery
    model = ROOT / "assets" / "micro-4k"
    run = new_run(home.runs, model, tmp_path, samples=SAMPLES, output={"name": "dusk"})
    for step in (20, 40):
        checkpoint(run, step, times=step / 40)
    grid = plan_grid(run, replace(usual_settings(run), strengths=(0.0, 1.0)), home=home.root)
    names = []
    for number, request in enumerate(grid.requests()):
        from finetune.checkpoint_adapter import export_step

        for step in (20, 40):
            export_step(run, step, family="sd3")
        worn = tuple(
            AdapterUsed(path=use.path, weight=use.weight, digest=file_digest(home.root / use.path), layers=1)
            for use in request.adapters
        )
        pixels = np.random.default_rng(number).integers(0, 256, (256, 256, 3), dtype=np.uint8)
        names.append(gallery.add(pixels, PictureRecord(settings=request, adapters=worn)).path.name)
    assert submit_grid(run, grid, jobs=server.jobs, gallery=gallery) == 0
    return names


def test_cells_are_walked_opened_and_turned(drawn: list[str], page: Page) -> None:
    page.get_by_role("tab", name="Fine-tune").click()
    page.locator(".runs-rows >> text=dusk").first.click()
    page.locator("#ft-grid").get_by_role("button", name="Checkpoints × strengths").click()
    cells = page.locator("#ft-grid-view .samples-cell")
    cells.nth(3).locator("img").wait_for()
    assert page.locator(".cell-table-about").inner_text() == "4 of 4 drawn · mountains at dusk"
    assert page.locator("#ft-grid-view .samples-step").all_inner_texts() == ["base", "× 1"]
    cells.nth(0).focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.title") == "step 20 at 1"
    # The keys go to the opened picture though the browser, being busy, draws no frame for a while.
    page.evaluate("window.requestAnimationFrame = (draw) => setTimeout(draw, 3000)")
    page.keyboard.press("Enter")
    title = page.locator("#ft-grid-loupe .viewer-title")
    wait_until_true(page, "document.activeElement.className === 'viewer'")
    expect(title).to_contain_text(drawn[1])
    page.keyboard.press("ArrowRight")
    expect(title).to_contain_text(drawn[2])
    page.keyboard.press("Escape")
    page.locator("#ft-grid-loupe .viewer[data-kind='empty']").wait_for(state="attached")
