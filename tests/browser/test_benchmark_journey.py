"""A benchmark from the form to the report with the real worker, and a look at it on a phone."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.acting import open_studio
from tests.browser.conftest import NewPage
from tests.browser.studio_server import Server
from tests.browser.test_benchmark import BAR, STAGE, add_model, open_view

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROOT = Path(__file__).parents[2]
DRAWING_MS = 300_000
"""A hang guard for what starts a process that imports torch and draws."""


@pytest.fixture
def page(new_page: NewPage, real_server: Server) -> Page:
    """The studio with the real worker, open."""
    page = new_page(real_server.url)
    open_studio(page, real_server)
    return page


def test_from_the_form_to_the_report(page: Page, real_server: Server) -> None:
    open_view(page)
    expect(page.locator(".contenders-add option[value='micro-4k']")).to_be_attached()
    add_model(page, 1)
    add_model(page, 2)
    for steps in page.locator(".contender-steps").all():
        steps.fill("2")
    page.locator(".contender-guidance").nth(1).fill("1")
    page.locator("#benchmark-limit input").fill("2")
    page.locator("#benchmark-size input").fill("256x256")
    page.keyboard.press("Tab")
    page.locator("#benchmark-start").click()
    expect(page.locator("#benchmark-known input")).to_have_value("benchmark 1")

    cells = page.locator("#benchmark-scores tbody").first.locator("tr").first.locator("td")
    expect(cells.nth(1)).to_contain_text("[", timeout=DRAWING_MS)
    with page.expect_download() as loading:
        page.locator("#benchmark-table-json").click(timeout=DRAWING_MS)
    told = json.loads(loading.value.path().read_text(encoding="utf-8"))
    assert told["counts"] == {"done": 4}
    assert len({picture.id for picture in real_server.gallery.pictures()}) == 4

    page.get_by_role("tab", name="Blind duels").click()
    for done, choice in enumerate(("left", "tie"), start=1):
        page.locator(f"{BAR} [data-choice={choice}]").click()
        expect(page.locator(BAR)).to_have_attribute("data-done", str(done))
    expect(page.locator("#duel-verdict")).to_contain_text("won")
    expect(page.locator(STAGE)).to_be_hidden()

    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.fixture
def oil(real_server: Server) -> Path:
    """A LoRA of the bundled model with small random weights, in the home's own folder."""
    import torch
    from diffusers import StableDiffusion3Pipeline
    from peft import LoraConfig

    from finetune.backbones import FAMILIES
    from finetune.lora.files import save_adapter

    transformer = StableDiffusion3Pipeline.from_pretrained(ROOT / "assets" / "micro-4k").transformer
    transformer.add_adapter(LoraConfig(r=4, target_modules=list(FAMILIES["sd3"].lora_targets)))
    generator = torch.Generator().manual_seed(0)
    for name, weight in transformer.named_parameters():
        if ".lora_" in name:
            weight.data = 0.02 * torch.randn(weight.shape, generator=generator)
    made = save_adapter(transformer, real_server.home / "made", family="sd3", metadata={})
    kept = real_server.home / "loras" / "oil.safetensors"
    kept.parent.mkdir(exist_ok=True)
    return made.rename(kept)


NUM_PROMPTS, NUM_DUELS = 24, 10
HOUR_MS = 3_600_000


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_the_bundled_model_against_a_lora_on_all_its_prompts(
    new_page: NewPage, real_server: Server, oil: Path, tmp_path: Path
) -> None:
    """From the form to ten blind duels, then the same by command line. Prints what each took."""
    begun = time.monotonic()
    page = new_page(real_server.url)
    open_studio(page, real_server)
    open_view(page)
    expect(page.locator(".contenders-add option[value='micro-4k']")).to_be_attached()
    add_model(page, 1)
    add_model(page, 2)
    wear = page.locator(".contender-wear").nth(1)
    wear.select_option(label=wear.locator("option").nth(1).text_content())
    expect(page.locator(".contender-loras li")).to_have_count(1)
    page.locator("#benchmark-size input").fill("1024x1024")
    page.keyboard.press("Tab")
    page.locator("#benchmark-start").click()
    cells = page.locator("#benchmark-scores tbody").first.locator("tr").first.locator("td")
    expect(cells.nth(1)).to_contain_text("[", timeout=HOUR_MS)
    with page.expect_download() as loading:
        page.locator("#benchmark-table-json").click(timeout=HOUR_MS)
    told = json.loads(loading.value.path().read_text(encoding="utf-8"))
    assert told["counts"] == {"done": 2 * NUM_PROMPTS}
    page.get_by_role("tab", name="Blind duels").click()
    for done in range(1, NUM_DUELS + 1):
        page.locator(f"{BAR} [data-choice={'left' if done % 3 else 'tie'}]").click()
        expect(page.locator(BAR)).to_have_attribute("data-done", str(done))
    page.locator(f"{BAR} [data-act=end]").click()
    expect(page.locator("#duel-verdict")).to_contain_text("oil")
    by_form = time.monotonic() - begun
    begun = time.monotonic()
    home = tmp_path / "home"
    done = subprocess.run(
        (
            *(sys.executable, "-m", "studio.cli.main", "benchmark", "pair", "--json", "--home", str(home)),
            *("--model", "micro-4k", "--model", f"oil=micro-4k+{oil}", "--size", "1024x1024"),
        ),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["counts"] == {"done": 2 * NUM_PROMPTS}
    assert (home / "benchmarks" / "pair" / "report.html").is_file()
    print(f"form, table, report and duels: {by_form:.0f} s; command line: {time.monotonic() - begun:.0f} s")
