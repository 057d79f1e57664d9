"""Whole journeys with the real worker and a random model of a few MB: every process and every file is the real one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from studio.pictures.gallery_search import Listed
from tests.browser.acting import STAGE, ask, generate, open_studio, wait_until_running, wait_until_true
from tests.browser.conftest import NewPage
from tests.browser.finetune_home import write_dataset
from tests.browser.studio_server import Server, wait_until
from tests.browser.test_finetune_form import named, toml_editor

if TYPE_CHECKING:
    from playwright.sync_api import Page

LONG_STEPS = 60
"""Enough that a render is still running when a test interferes."""

TRAINING_MS = 300_000
"""A hang guard for what starts a process that imports torch."""

ROWS = "#loras .loras-row"


@pytest.fixture(scope="module")
def lora(one_real_server: Server, tiny_model: Path) -> None:
    """A LoRA with random weights in the home's own folder."""
    import torch
    from diffusers import StableDiffusion3Pipeline
    from peft import LoraConfig

    from finetune.backbones import FAMILIES
    from finetune.lora.files import save_adapter

    transformer = StableDiffusion3Pipeline.from_pretrained(tiny_model).transformer
    transformer.add_adapter(LoraConfig(r=4, target_modules=list(FAMILIES["sd3"].lora_targets)))
    generator = torch.Generator().manual_seed(0)
    for name, weight in transformer.named_parameters():
        if ".lora_" in name:
            weight.data = torch.randn(weight.shape, generator=generator)
    path = save_adapter(
        transformer, one_real_server.home / "made", family="sd3", metadata={"trigger": "in oil"}
    )
    folder = one_real_server.home / "loras"
    folder.mkdir(exist_ok=True)
    path.rename(folder / "oil.safetensors")


@pytest.fixture
def page(new_page: NewPage, real_server: Server) -> Page:
    """The studio with the real worker, open."""
    page = new_page(real_server.url)
    open_studio(page, real_server)
    return page


def wait_for_picture_of(page: Page, prompt: str) -> None:
    page.wait_for_selector(f'{STAGE}[data-kind="picture"][data-scene^="job-"]')
    expect(page.locator("#details .details-prompt")).to_have_text(prompt)


def test_prompt_to_picture_at_one_to_one(page: Page, real_server: Server, tiny_model: Path) -> None:
    ask(page, tiny_model, "a first light", side_px=512, steps=LONG_STEPS, seed=7)
    generate(page)
    page.wait_for_selector(f'{STAGE}[data-kind="live"]')
    wait_for_picture_of(page, "a first light")
    page.locator(f"{STAGE} .viewer-canvas").click()
    page.keyboard.press("1")
    page.wait_for_selector(f'{STAGE}[data-step="master"][data-scale="1.0000"]')
    (picture,) = real_server.gallery.pictures(Listed("a first light"))
    assert (picture.width_px, picture.height_px) == (512, 512)


def test_a_killed_worker_is_told_of_and_its_job_resumes(
    page: Page, real_server: Server, tiny_model: Path
) -> None:
    ask(page, tiny_model, "through a crash", side_px=512, steps=LONG_STEPS, seed=6)
    generate(page)
    wait_until_running(page, step=10)
    (worker,) = real_server.workers()
    worker.kill()
    wait_until_true(
        page,
        "/died|interrupted|lost/.test(document.querySelector('.bar-status').textContent"
        " + document.querySelector('.queue-rows').textContent)",
    )
    wait_for_picture_of(page, "through a crash")
    (picture,) = real_server.gallery.pictures(Listed("through a crash"))
    assert picture.record.resumed_from_step > 0


def test_a_restarted_server_finds_the_render_still_running(
    page: Page, real_server: Server, tiny_model: Path
) -> None:
    ask(page, tiny_model, "through a restart", side_px=512, steps=LONG_STEPS, seed=8)
    generate(page)
    wait_until_running(page)
    (worker,) = real_server.workers()
    page.goto("about:blank")  # a page that misses its server complains, rightly
    real_server.stop()
    assert worker.is_running()
    real_server.start()
    assert real_server.workers() == [worker]
    page.goto(real_server.url)
    wait_for_picture_of(page, "through a restart")


def test_base_against_lora_with_one_seed_remembered_and_brought_back(
    page: Page, real_server: Server, tiny_model: Path, lora: None
) -> None:
    ask(page, tiny_model, "a lake", side_px=256, steps=3, seed=7)
    page.wait_for_selector("#loras select:not([disabled])")
    page.locator("#loras select").select_option(label="oil  ·  sd3 4")
    assert "trigger: in oil" in (page.locator(ROWS).get_attribute("title") or "")
    page.locator("#loras .loras-strengths input").fill("0, 1")
    page.locator("#loras .loras-strengths input").press("Tab")
    page.locator("#prompt textarea").press("Control+Enter")
    wait_until(lambda: real_server.gallery.count(Listed("a lake")) == 2)
    base, oil = sorted(
        real_server.gallery.pictures(Listed("a lake")),
        key=lambda one: one.record.settings.adapters[0].weight,
    )
    settings = [one.record.settings for one in (base, oil)]
    assert [one.seed for one in settings] == [7, 7]
    assert [one.adapters[0].weight for one in settings] == [0, 1]
    assert base.record.adapters == ()
    assert oil.record.adapters[0].layers > 0
    with Image.open(base.path) as first, Image.open(oil.path) as second:
        assert not np.array_equal(np.asarray(first), np.asarray(second))

    page.locator(f"{ROWS} input[type=checkbox]").uncheck()
    wait_until_true(page, """sessionStorage.getItem("d4k.form").includes('"on":false')""")
    page.reload()
    page.wait_for_selector(f"{ROWS}.off")
    page.locator(f"{ROWS} button").click()
    expect(page.locator(ROWS)).to_have_count(0)
    expect(page.locator("#details .details-prompt")).to_have_text("a lake")
    page.locator("#details .details-all").click()
    page.wait_for_selector(f"{ROWS}:not(.off)")


def test_a_dry_run_and_then_the_whole_run_for_real(page: Page, real_server: Server, tiny_model: Path) -> None:
    source = write_dataset(real_server.workspace.datasets / "hills")
    page.get_by_role("tab", name="Fine-tune").click()
    toml_editor(page).click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(
        f"""[model]\nbase = "{tiny_model}"
[data]\nsource = "{source}"\nresolution_px = 64\nmax_sequence_length = 16
[method]\nrank = 4
[resources]\nprecision = "fp32"\ndevice = "cpu"\ngradient_checkpointing = false
[schedule]\nnum_steps = 6\ncheckpoint_every = 3
[validation]\nevery = 3\nnum_examples = 2
[output]\nname = "real"
"""
    )
    page.wait_for_selector('#ft-checks li[data-level="ok"]:has-text("runs/real")')
    named(page, "real")
    page.locator("#ft-dry-run").click()
    page.wait_for_selector(".ft-forecast:has-text('all 6 steps take about')", timeout=TRAINING_MS)
    page.wait_for_selector('.runs-row[data-key="real"][data-state="trial"]')
    page.locator("#ft-start").click()
    page.wait_for_selector('.run[data-state="done"] h2:text("real")', timeout=TRAINING_MS)
    assert page.locator(".run-progress").inner_text().startswith("step 6 of 6")
    wait_until_true(
        page,
        "Array.from(document.querySelector('#ft-loss .js-plotly-plot')._fullData[0].x).at(-1) === 6",
    )
    assert page.locator(".run-continue option").all_inner_texts() == ["step 6", "step 3"]
    assert (real_server.workspace.runs / "real" / "adapter" / "pytorch_lora_weights.safetensors").is_file()
