"""The LoRA stack in a real browser: base against LoRA with one seed, remembered, and restored from a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from tests.browser.conftest import Server, ask, open_studio

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROWS = "#loras .loras-row"


@pytest.fixture(scope="module", autouse=True)
def lora(server: Server, tiny_model: Path) -> None:
    """A LoRA with random weights in the home's own folder."""
    import torch
    from diffusers import StableDiffusion3Pipeline
    from peft import LoraConfig

    from finetune.adapters import save_adapter
    from finetune.families import FAMILIES

    transformer = StableDiffusion3Pipeline.from_pretrained(tiny_model).transformer
    transformer.add_adapter(LoraConfig(r=4, target_modules=list(FAMILIES["sd3"].lora_targets)))
    generator = torch.Generator().manual_seed(0)
    for name, weight in transformer.named_parameters():
        if ".lora_" in name:
            weight.data = torch.randn(weight.shape, generator=generator)
    path = save_adapter(transformer, server.home / "made", family="sd3", metadata={"trigger": "in oil"})
    folder = server.home / "loras"
    folder.mkdir(exist_ok=True)
    path.rename(folder / "oil.safetensors")


def test_base_against_lora_with_one_seed(page: Page, server: Server, tiny_model: Path) -> None:
    ask(page, tiny_model, "a lake", side_px=256, steps=3, seed=7)
    page.wait_for_selector("#loras select:not([disabled])")
    page.locator("#loras select").select_option(label="oil  ·  sd3 4")
    assert "trigger: in oil" in (page.locator(ROWS).get_attribute("title") or "")
    page.locator("#loras .loras-strengths input").fill("0, 1")
    page.locator("#loras .loras-strengths input").press("Tab")
    page.locator("#prompt textarea").press("Control+Enter")
    page.wait_for_function(
        "document.querySelectorAll(\".queue-row:not([data-picture=''])\").length >= 2", timeout=240_000
    )
    page.wait_for_timeout(500)
    base, oil = sorted(
        server.gallery.pictures(limit=2), key=lambda one: one.record["settings"]["adapters"][0]["weight"]
    )
    settings = [one.record["settings"] for one in (base, oil)]
    assert [one["seed"] for one in settings] == [7, 7]
    assert [one["adapters"][0]["weight"] for one in settings] == [0, 1]
    assert base.record["adapters"] == []
    assert oil.record["adapters"][0]["layers"] > 0
    with Image.open(base.path) as first, Image.open(oil.path) as second:
        assert not np.array_equal(np.asarray(first), np.asarray(second))


def test_the_stack_is_remembered_and_can_be_switched_off(page: Page, server: Server) -> None:
    open_studio(page, server)
    page.wait_for_selector(ROWS)
    page.locator(f"{ROWS} input[type=checkbox]").uncheck()
    page.locator(f"{ROWS}.off").wait_for()
    page.wait_for_timeout(300)
    page.reload()
    page.wait_for_selector(f"{ROWS}.off")


def test_use_all_brings_a_pictures_loras_back(page: Page) -> None:
    page.locator(f"{ROWS} button").click()
    page.wait_for_function(f"document.querySelectorAll('{ROWS}').length === 0")
    page.locator("#details .details-all").click()
    page.wait_for_selector(f"{ROWS}:not(.off)")
