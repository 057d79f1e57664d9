"""What a run leaves, taken away in a real browser: asked for, downloaded, and what of the LoRA fits nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from studio.models.adapters import RUN_FILE
from studio.training.export_request import EXPORT
from tests.browser.acting import settled
from tests.browser.studio_server import Server, wait_until
from tests.browser.test_accessibility import findings
from tests.studio.training.run_folders import write_run
from tests.studio.ui.conftest import a_request

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture
def oil(server: Server) -> Path:
    """The folder of a run that ended and left a LoRA."""
    run = write_run(server.workspace.runs, "oil", "done")
    (run.path / RUN_FILE).parent.mkdir(parents=True)
    (run.path / RUN_FILE).write_bytes(b"weights")
    return run.path


def open_results(page: Page) -> None:
    page.get_by_role("tab", name="Fine-tune").click()
    page.locator(".runs-rows >> text=oil").first.click()
    page.locator("#ft-results").get_by_role("button", name="Take away").click()
    expect(page.locator("#ft-export")).to_be_visible()


def test_an_export_is_asked_for_told_and_downloaded(oil: Path, page: Page, server: Server) -> None:
    server.brake.hold(0)  # the worker is busy
    busy = server.jobs.submit("render", a_request(seed=1).to_dict(), label="a picture")
    wait_until(lambda: server.jobs.get(busy).state == "running")
    open_results(page)
    page.locator("#ft-export-format input[value=comfyui]").check()
    page.locator("#ft-export").click()
    line = page.locator(".result")
    expect(line).to_have_attribute("data-state", "waiting")
    (job,) = server.jobs.jobs(kind=EXPORT)
    assert job.request == {"run": "oil", "format": "comfyui", "step": 0, "weight": 1}

    made = oil / "adapter" / "oil-comfyui.safetensors"
    made.write_bytes(b"for others")
    server.jobs.claim(1)
    unused = {"lora_unet_x.lora_up.weight": "The model has no such layer."}
    result = {
        "path": str(made),
        "words": "12 layers of rank 4; 1 key is not used",
        "unused": unused,
        "num_unused": 1,
    }
    server.jobs.finish(job.id, result)
    expect(line).to_have_attribute("data-state", "done")
    expect(line).to_contain_text("12 layers of rank 4")
    line.locator("summary").click()
    expect(line).to_contain_text("The model has no such layer.")
    with page.expect_download() as loading:
        line.get_by_role("link", name="Download").click()
    assert loading.value.suggested_filename == "oil-comfyui.safetensors"
    assert loading.value.path().read_bytes() == b"for others"
    settled(page)
    assert not findings(page)


def test_an_upload_without_a_token_says_what_is_missing(oil: Path, page: Page) -> None:
    open_results(page)
    page.locator("#ft-push-id input").fill("ada/oil")
    page.locator("#ft-push").click()
    expect(page.locator(".toast-body")).to_contain_text("only with a token")
    expect(page.locator(".result")).to_have_count(0)
