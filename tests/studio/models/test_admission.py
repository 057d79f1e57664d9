"""Admitting a render: what can be wrong with it is said before anything expensive, and by everybody alike."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from typer.testing import CliRunner

from studio.cli.main import app
from studio.home.settings import Settings
from studio.home.workspace import Workspace
from studio.init_image import InitImage
from studio.models.admission import admit
from studio.pictures.gallery import Gallery
from studio.queue.table import JobTable
from studio.render_request import AdapterUse, RenderRequest
from studio.rendering.job import RenderJobs
from studio.ui.generate.handlers import GenerateHandlers
from studio.ui.generate.init_picture import InitContent
from studio.ui.generate.lora_stack import LoraContent, LoraRow
from tests.studio.ui.conftest import a_request

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "model": ({"model": "micro-5k"}, "there is no model 'micro-5k'; did you mean micro-4k"),
    "side": ({"width_px": 8192, "height_px": 8192, "model": "flux.1-dev"}, "67.1 megapixels, but this"),
    "positions": ({"rope": "yarn"}, "positions yarn are for FLUX models, Micro-4K (bundled) is none"),
    "speed": ({"speed": "first_block_cache:0.1"}, "first_block_cache are for FLUX models"),
    "lora": ({"adapters": (AdapterUse("/nowhere/a.safetensors"),)}, "/nowhere/a.safetensors is missing"),
    "init": ({"init": InitImage(f"{'0' * 12}-{'1' * 32}")}, "the picture to begin from is no longer kept"),
    "fetched": ({"model": "sd3-medium"}, "Stable Diffusion 3 Medium is gated: accept its licence"),
}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "none"))
    return Settings(home=tmp_path / "home", max_megapixels=50)


def refusal(words: str, asked: Callable[[], object]) -> str:
    """The whole sentence."""
    with pytest.raises((ValueError, gr.Error), match=re.escape(words)) as refused:
        asked()
    return getattr(refused.value, "message", str(refused.value))


def test_one_that_can_be_drawn(settings: Settings) -> None:
    assert admit(a_request(), settings).id == "micro-4k"


@pytest.mark.parametrize(("values", "words"), WRONG.values(), ids=list(WRONG))
def test_page_command_line_and_worker_refuse_alike(
    settings: Settings, values: dict[str, Any], words: str
) -> None:
    request: RenderRequest = replace(a_request(), **values)
    sentence = refusal(words, lambda: admit(request, settings))
    workspace = Workspace.open(settings.home)
    jobs = JobTable(workspace.database)
    renders = RenderJobs(workspace, jobs, settings=settings)
    job = jobs.get(jobs.submit("render", request.to_dict(), label=""))
    assert refusal(words, lambda: renders.do(job)) == sentence
    handlers = GenerateHandlers(jobs, Gallery(workspace), settings, lambda: "")
    loras = LoraContent(rows=[LoraRow(path=use.path, weight=use.weight) for use in request.adapters])
    form = (
        *(
            request.prompt,
            False,
            "",
            request.model,
            "custom",
            request.width_px,
            request.height_px,
            12,
            3.0,
            0.0,
        ),
        *(7, "fixed", 1, loras, request.rope, [request.speed] if request.speed else [], "auto"),
        *(InitContent() if request.init is None else InitContent(id=request.init.id), None),
    )
    assert refusal(words, lambda: handlers.submit(*form)) == sentence
    assert len(jobs.jobs()) == 1, "the page queued what it refused"
    if "megapixels" in words or request.init is not None:
        return  # the command line is on one's own machine, whose limit is another, and is given a file
    size = f"{request.width_px}x{request.height_px}"
    done = CliRunner().invoke(
        app,
        ["render", "mountains", "--model", request.model, "--size", size, "--home", str(settings.home)]
        + ["--rope", request.rope] * (request.rope != "none")
        + ["--speed", request.speed] * bool(request.speed)
        + [word for use in request.adapters for word in ("--lora", use.path)],
    )
    assert done.exit_code == 2
    assert " ".join(sentence.split()) in " ".join(done.output.split()), json.dumps(done.output)
